"""Every command of the README runs, as it is written, in a folder that holds what a clone holds."""

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
README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"(?:<!-- hub: (?P<hub>\S+) -->\n)?```(?P<language>sh|python)\n(?P<text>.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    hub: str | None


def blocks() -> Iterator[Block]:
    for match in _BLOCK.finditer(README):
        yield Block(match["language"], match["text"], match["hub"])


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clone's pictures, and a folder of photographs such as a user has."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "demo" / "images", folder / "demo" / "images")
    (folder / "photos").mkdir()
    shutil.copy(ROOT / "demo" / "images" / "003-mug.jpg", folder / "photos")
    return folder


@pytest.mark.parametrize("block", list(blocks()), ids=lambda block: block.text.strip().splitlines()[0][:50])
def test_what_the_readme_says_works(block: Block, clone: Path) -> None:
    # Given: hub ids stand for a checkpoint that is here, and `make` targets are what CI itself runs.
    text = block.text.replace(block.hub, str(ROOT / "demo" / "checkpoint")) if block.hub else block.text
    text = "\n".join(line for line in text.splitlines() if not line.startswith("make "))
    program = ["bash", "-euo", "pipefail", "-c", text] if block.language == "sh" else [sys.executable, "-c", text]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    # When
    done = subprocess.run(program, cwd=clone, env={**os.environ, "PATH": path}, capture_output=True, text=True)

    # Then
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_every_make_target_of_the_readme_is_run_by_ci_or_by_one_that_is() -> None:
    said = set(re.findall(r"^make (\w+)", README, re.MULTILINE))
    run = set(re.findall(r"^make (\w+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE))

    # `make setup` is the first half of `make test`.
    assert said - {"setup"} <= run


def test_every_page_that_the_readme_names_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
