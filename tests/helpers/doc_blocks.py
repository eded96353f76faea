"""The blocks of the documentation's pages, as they are run, and what they must print."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers.processes import wait_until

from askpix.producer import Client

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[^\n]+) -->\n)?```(?P<language>sh|python)\n(?P<text>.*?)```"
    r"(?:\n\n<!-- output -->\n```text\n(?P<output>.*?)```)?",
    re.DOTALL,
)


MODEL = "--model models/blip-vqa-base"
"""Of the pages' workers; in tests the demo model stands for it."""


@dataclass(frozen=True)
class Block:
    page: str
    language: str
    text: str
    mark: str
    """What stands before the block: `hub: ID`, `a worker`, `with a worker`, or nothing."""

    output: str
    """Lines that it must print. Any decimals will do, and `…` stands for anything."""

    def __str__(self) -> str:
        return f"{self.page}: {self.text.strip().splitlines()[0][:50]}"


def blocks(page: Path) -> Iterator[Block]:
    for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        name = str(page.relative_to(ROOT))
        if (match["mark"] or "").startswith(("new file: ", "test: ")):
            continue  # test_add_page.py runs them
        yield Block(name, match["language"], match["text"], match["mark"] or "", match["output"] or "")


def run(block: Block, text: str, *, python: Path, cwd: Path, env: Mapping[str, str]) -> None:
    """Runs a block and looks at what it prints.

    Args:
        block: what it must print is in it.
        text: the block's own, or with other words in the place of some.
        python: what runs blocks of Python.
        cwd: the folder to run it in.
        env: all of its environment.
    """
    program = ["bash", "-euo", "pipefail", "-c", text] if block.language == "sh" else [str(python), "-c", text]
    done = subprocess.run(program, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    printed = [line.rstrip() for line in (done.stdout + done.stderr).splitlines()]
    for line in block.output.splitlines():
        assert any(shown(line).fullmatch(each) for each in printed), f"{line!r} is not in {printed}"


@contextmanager
def worker(block: Block, *, url: str, cwd: Path, env: Mapping[str, str]) -> Iterator[None]:
    """Has the worker of a block run, with the demo model in the place of the one that it names.

    Args:
        url: of the broker, where it is seen.
        env: all of its environment.
    """
    process = subprocess.Popen(
        ["bash", "-euc", f"exec {block.text.replace(MODEL, '').strip()}"], cwd=cwd, env=env, stdin=subprocess.DEVNULL
    )
    with Client(url) as client:
        wait_until(lambda: bool(client.workers()), within=60, what="a worker")
    yield
    process.terminate()
    assert process.wait(20) == 0


def shown(line: str) -> re.Pattern[str]:
    """Returns what matches a line of output that stands on a page."""
    # Of large numbers, no decimals are shown.
    return re.compile(re.sub(r"\d+\\\.\d+", r"\\d+(\\.\\d+)?", re.escape(line)).replace("…", ".*"))
