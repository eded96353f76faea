"""The gallery of the demo's pictures: its grid, and what it tells of one of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from screenshots.browser import page

ROOT = Path(__file__).parents[1]
_ASKPIX = Path(sys.executable).with_name("askpix")
_UNSURE = "001-mug.jpg"
"""A picture of which the demo model is not quite sure."""

_QUESTIONS = """\
- text: what kind of product is this?
  name: kind
  choices: [bag, bottle, hat, lamp, mug, shirt, shoe]
- text: what is the color?
  name: color
  choices: [red, orange, yellow, green, blue, purple, pink, black]
"""


def gallery(output: Path) -> None:
    """Writes the picture of the grid."""
    with tempfile.TemporaryDirectory() as folder, page() as shown:
        shown.goto(_made(Path(folder)).as_uri())
        shown.locator("html[data-ready=all]").wait_for()
        shown.screenshot(path=output)


def details(output: Path) -> None:
    """Writes the picture of one item's details."""
    with tempfile.TemporaryDirectory() as folder, page(dark=True) as shown:
        shown.goto(_made(Path(folder)).as_uri())
        shown.get_by_text(_UNSURE).click()
        shown.locator("dialog[open]").wait_for()
        shown.screenshot(path=output)


def _made(folder: Path) -> Path:
    """Returns the page of a gallery that is made in a folder."""
    shutil.copytree(ROOT / "demo" / "images", folder / "catalogue-photos")
    (folder / "questions.yaml").write_text(_QUESTIONS)
    for command in (
        ("run", "catalogue-photos", "--output", "catalogue", "--questions", "questions.yaml"),
        ("report", "catalogue"),
    ):
        subprocess.run([str(_ASKPIX), *command], cwd=folder, check=True, capture_output=True)
    return folder / "catalogue-gallery.html"
