"""What the page says on adding things is true: a new file and a line each, and the tests that it shows pass."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "howto" / "add.md"
_BLOCK = re.compile(
    r"<!-- (?P<mark>new file|in|test): (?P<path>\S+) -->\n```(?:python|diff)\n(?P<text>.*?)```", re.DOTALL
)


@dataclass(frozen=True, kw_only=True)
class Addition:
    title: str
    new: tuple[str, str]
    """Path and content of the new file."""

    line: tuple[str, str]
    """Path of another file, and how it changes."""

    test: tuple[str, str]


def additions() -> Iterator[Addition]:
    """Yields what the sections of the page show; each shows one of everything."""
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        blocks = [(match["mark"], (match["path"], match["text"])) for match in _BLOCK.finditer(section)]
        assert [mark for mark, _ in blocks] == ["new file", "in", "test"], section.splitlines()[0]
        (_, new), (_, line), (_, test) = blocks
        yield Addition(title=section.splitlines()[0], new=new, line=line, test=test)


ADDITIONS = list(additions())


def changed(text: str, difference: str) -> str:
    """Returns a file's text with a difference made, which adds or replaces one line."""
    lines = difference.splitlines()
    assert sum(line.startswith("+") for line in lines) == 1
    assert sum(line.startswith("-") for line in lines) <= 1
    before, after = ("".join(f"{line[1:]}\n" for line in lines if line.startswith((sign, " "))) for sign in ("-", "+"))
    assert text.count(before) == 1, before
    return text.replace(before, after)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages and the helpers of tests, with all that the page adds."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("producer", "worker", "tests/helpers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for addition in ADDITIONS:
        for path, text in (addition.new, addition.test):
            assert not (folder / path).exists(), f"{path} is there already"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        place = folder / addition.line[0]
        place.write_text(changed(place.read_text(encoding="utf-8"), addition.line[1]), encoding="utf-8")
    return folder


@pytest.mark.parametrize("addition", ADDITIONS, ids=lambda addition: addition.title)
def test_what_is_added_by_the_page_passes_the_test_that_it_shows(addition: Addition, copy: Path) -> None:
    path = os.pathsep.join(str(copy / name) for name in ("producer", "worker", "tests"))
    program = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", addition.test[0]]

    done = subprocess.run(
        program, cwd=copy, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_added_is_written_as_all_else_is(copy: Path) -> None:
    files = [path for addition in ADDITIONS for path in (addition.new[0], addition.line[0], addition.test[0])]
    check = [sys.executable, "-m", "ruff", "check", "--no-cache", *files]
    form = [sys.executable, "-m", "ruff", "format", "--no-cache", "--check", *files]
    for program in (check, form):
        done = subprocess.run(program, cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
