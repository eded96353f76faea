"""Reads a Dockerfile, and carries out the steps of a stage in a folder of this machine instead of an image."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from helpers.processes import environment

ROOTS = ("/build", "/opt")
"""Folders of the image that are kept below another one here."""

_MOUNT = re.compile(r"--mount=\S+\s+")


@dataclass(frozen=True)
class Stage:
    """A `FROM … AS …` and its instructions, as (keyword, rest of the line)."""

    name: str
    base: str
    steps: tuple[tuple[str, str], ...]

    def values(self, keyword: str) -> list[str]:
        return [rest for word, rest in self.steps if word == keyword]


def stages(text: str) -> dict[str, Stage]:
    """Returns the stages of a Dockerfile, by name."""
    found: dict[str, Stage] = {}
    for keyword, rest in _instructions(text):
        if keyword == "FROM":
            base, _, name = rest.partition(" AS ")
            found[name] = Stage(name, base, ())
        else:
            last = list(found.values())[-1]
            found[last.name] = Stage(last.name, last.base, (*last.steps, (keyword, rest)))
    return found


def lineage(found: dict[str, Stage], name: str) -> list[Stage]:
    """Returns a stage behind those that it builds upon."""
    stage = found[name]
    return [*(lineage(found, stage.base) if stage.base in found else []), stage]


def build_context(root: Path, to: Path) -> None:
    """Copies what a builder is given of a folder: what its .dockerignore leaves, whatever else lies there."""
    rules = [line for line in (root / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if not ignored(name, rules):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, to / name)


def ignored(name: str, rules: list[str]) -> bool:
    """Returns whether the rules of a .dockerignore leave a file out; the last one that fits counts."""
    out = False
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        folders = [str(folder) for folder in Path(name).parents]
        fits = any(fnmatch.fnmatch(each, pattern) for each in (name, Path(name).name, *folders))
        out = not rule.startswith("!") if fits else out
    return out


def carry_out(stage: Stage, context: Path, root: Path) -> None:
    """Does what a stage's COPY and RUN say, with `root` in place of `/` for the folders of ROOTS."""
    variables = environment({"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"})
    for keyword, rest in stage.steps:
        if keyword == "ENV":
            variables.update(re.findall(r"(\w+)=(\S+)", rest))
        elif keyword == "COPY":
            assert not rest.startswith("--"), rest
            *sources, target = rest.split()
            for source in sources:
                _copy(context / source, Path(_moved(target, root)), into=target.endswith("/"))
        elif keyword == "RUN":
            command = _moved(_MOUNT.sub("", rest), root)
            done = subprocess.run(["sh", "-euc", command], env=variables, capture_output=True, text=True)
            assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def _copy(source: Path, target: Path, *, into: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        target = target / source.name if into else target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _moved(text: str, root: Path) -> str:
    return re.sub(rf"(?<![\w/.])({'|'.join(ROOTS)})(?=/|\s|$)", rf"{root}\1", text)


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            keyword, _, rest = line.strip().partition(" ")
            yield keyword, " ".join(rest.split())
