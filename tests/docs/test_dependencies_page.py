"""The page about dependencies has each of them, in the version that is tested."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| ([a-z0-9-]+) \| [^|]+ \| (\d\S*) \|", PAGE, re.MULTILINE))
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
PINS = dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", CONSTRAINTS, re.MULTILINE))


def direct() -> set[str]:
    """Returns the packages that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return {re.split(r"[<>=\[;~! ]", line, maxsplit=1)[0].lower() for line in lines} - {"askpix"}


def test_every_package_that_is_named_is_told_and_no_other() -> None:
    assert set(ROWS) == direct()


def test_the_versions_that_are_told_are_those_that_are_tested() -> None:
    assert {name: version for name, version in ROWS.items() if PINS.get(name, version) != version} == {}
    # Locks have two of scipy, by the version of Python.
    assert set(ROWS) - set(PINS) == {"scipy"}
