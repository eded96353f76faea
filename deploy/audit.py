"""Looks for known faults in every package that the images and the tests install, with pip-audit: `make audit`.

Ends with 1 where one is found, and with 2 where pip-audit itself fails. Where nobody can be asked, it says so and ends
with 0: a machine without a network is no fault of the packages. Arguments are given to pip-audit.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LISTS = (ROOT / "constraints.txt", *sorted((ROOT / "deploy" / "requirements").glob("*.txt")))

_UNREACHABLE = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "ProxyError", "SSLError")


@dataclass(frozen=True)
class Verdict:
    """What came of it, in lines for a person, and the exit code."""

    lines: tuple[str, ...]
    code: int


def pinned() -> list[str]:
    """Returns every package with its version, as `name==version`."""
    texts = [path.read_text(encoding="utf-8") for path in LISTS]
    return sorted({f"{name.lower()}=={version}" for text in texts for name, version in _packages(text)})


def _packages(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)


def verdict(asked: Sequence[dict[str, Any]]) -> Verdict:
    """Judges what pip-audit reports of each package."""
    unknown = [each["name"] for each in asked if "skip_reason" in each]
    faults = [
        f"{each['name']} {each['version']}: {fault['id']}"
        + (f", mended in {', '.join(fault['fix_versions'])}" if fault["fix_versions"] else ", not mended yet")
        for each in asked
        for fault in each.get("vulns", ())
    ]
    if faults:
        return Verdict((f"{len(faults)} known faults:", *faults), 1)
    if len(unknown) == len(asked):
        return Verdict(("NOT AUDITED: whoever knows of faults knows none of the packages from here",), 0)
    left = (f"not known there, and so not audited: {', '.join(unknown)}",) if unknown else ()
    return Verdict((f"no known fault in {len(asked) - len(unknown)} packages", *left), 0)


def _apart(packages: Sequence[str]) -> list[list[str]]:
    """Returns the packages in lists that have each name only once."""
    lists: list[dict[str, str]] = []
    for package in packages:
        name = package.partition("==")[0]
        free = next((each for each in lists if name not in each), None)
        if free is None:
            lists.append(free := {})
        free[name] = package
    return [list(each.values()) for each in lists]


def audit(packages: Sequence[str], arguments: Sequence[str]) -> Verdict:
    """Asks pip-audit about packages."""
    asked: list[dict[str, Any]] = []
    # A package of which several versions are pinned, each for some versions of Python, may be in a list only once.
    for some in _apart(packages):
        done = _asked(some, arguments)
        try:
            asked += json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError):
            said = done.stderr.strip().splitlines() or ["nothing"]
            if any(name in done.stderr for name in _UNREACHABLE):
                return Verdict((f"NOT AUDITED: whoever knows of faults cannot be reached: {said[-1][:200]}",), 0)
            return Verdict((f"pip-audit failed, and said at last: {said[-1][:500]}",), 2)
    return verdict(asked)


def _asked(packages: Sequence[str], arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("pip-audit")
    with tempfile.TemporaryDirectory() as folder:
        (listed := Path(folder) / "packages.txt").write_text("\n".join(packages) + "\n", encoding="utf-8")
        command = [program, "--requirement", listed, "--disable-pip", "--no-deps", "--format", "json"]
        return subprocess.run([*command, "--progress-spinner", "off", *arguments], capture_output=True, text=True)


if __name__ == "__main__":
    found = audit(pinned(), sys.argv[1:])
    sys.stderr.write("\n".join(found.lines) + "\n")
    sys.exit(found.code)
