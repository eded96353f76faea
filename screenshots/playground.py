"""The playground: a question with choices about one of its examples, by the demo model in two precisions."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from screenshots.browser import page

_ASKPIX = Path(__file__).parents[1] / ".venv-playground" / "bin" / "askpix"
_ANSWERED = "side => /confidence/.test(document.querySelector(`#side-${side} .facts textarea`)?.value ?? '')"
_MUG = 0
"""Which example: one of which the model is not quite sure."""


def playground(output: Path) -> None:
    """Writes the picture."""
    with _served() as address, page() as shown:
        shown.goto(address)
        shown.locator("#examples button").nth(_MUG).click()
        shown.locator("#question textarea, #question input").first.fill("what kind of product is this?")
        shown.locator("#choices textarea").fill("bag\nhat\nmug\nshirt\nshoe")
        shown.locator("#model-1 input").click()
        shown.locator("[role=option]").last.click()
        shown.locator("#precision-1 input").click()
        shown.locator('[role=option][aria-label="f32"]').click()
        shown.locator("#ask").click()
        for side in (0, 1):
            shown.wait_for_function(_ANSWERED, arg=side)
        shown.screenshot(path=output)


@contextmanager
def _served() -> Iterator[str]:
    """Yields the address of a playground that is there for as long."""
    process = subprocess.Popen(
        [str(_ASKPIX), "playground", "--port", "0"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        said = iter(process.stderr.readline, "")
        yield next(found[0] for line in said if (found := re.search(r"http://\S+", line)))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
