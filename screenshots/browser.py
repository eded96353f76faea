"""Pages as the system's Chromium shows them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

_WIDTH, _HEIGHT = 1280, 820


@contextmanager
def page(*, dark: bool = False) -> Iterator[Page]:
    """Yields an empty page of a desktop's size."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("pictures of pages take Chromium: on Debian, apt-get install chromium")
    with sync_playwright() as playwright:
        # Its own sandbox is not to be had by root, as containers have it; the pages are ours.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            scheme = "dark" if dark else "light"
            yield browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme=scheme)
        finally:
            browser.close()
