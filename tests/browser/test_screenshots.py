"""The pictures of the README and the docs can be made anew at any time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.browser import chromium
from helpers.playground import ASKPIX
from PIL import Image
from screenshots.__main__ import MAKERS, PICTURES
from screenshots.gallery import details, gallery
from screenshots.playground import playground
from screenshots.watching import watching


def test_each_picture_that_the_pages_show_is_kept_and_made_by_the_script() -> None:
    assert {path.name for path in PICTURES.iterdir()} == {file for _, file in MAKERS.values()}


@pytest.mark.parametrize("make", [gallery, details, playground])
def test_a_picture_of_a_page_is_made(make: Callable[[Path], None], tmp_path: Path) -> None:
    chromium()
    if make is playground and not ASKPIX.exists():
        pytest.skip("the playground's environment is not made: `make playground-env`")

    make(tmp_path / "picture.png")

    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.size == (1280, 820)
        # Neither a blank page nor one that has only text.
        assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 1_000


def test_a_picture_of_the_terminal_is_made(tmp_path: Path) -> None:
    watching(tmp_path / "watch.svg")

    svg = (tmp_path / "watch.svg").read_text().replace("&#160;", " ")
    for text in ("answering", "items", "workers", "CPU", "errors", "file_not_found", "answers"):
        assert text in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
