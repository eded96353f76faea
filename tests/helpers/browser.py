"""The system's Chromium, and pages that tell what went on in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, sync_playwright


@dataclass
class Watched:
    """A page, and what it has said and asked for since it was opened."""

    page: Page
    said: list[str] = field(default_factory=list)
    """Messages on its console, errors and broken policies among them."""

    errors: list[str] = field(default_factory=list)
    """What its scripts did not catch."""

    requests: list[str] = field(default_factory=list)
    """Addresses that it asked for, its own first."""

    dialogs: list[str] = field(default_factory=list)
    """Boxes that its scripts opened: alert and the like."""


def chromium() -> str:
    """Returns where Chromium is; skips the test where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        assert "ASKPIX_TESTS_MUST_NOT_SKIP" not in os.environ, "there is no Chromium (Debian package chromium)"
        pytest.skip("there is no Chromium (Debian package chromium)")
    return path


@contextmanager
def browser() -> Iterator[Browser]:
    """Starts Chromium for as long as it is needed."""
    path = chromium()
    # Its own sandbox cannot be had as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield started
        finally:
            started.close()


@contextmanager
def watched(
    browser: Browser, *, width: int = 1280, height: int = 900, dark: bool = False, mobile: bool = False
) -> Iterator[Watched]:
    """Opens an empty page in a window, and a profile, of its own."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        is_mobile=mobile,
        has_touch=mobile,
        reduced_motion="reduce",
    )
    page = context.new_page()
    seen = Watched(page)

    def answer(dialog: object) -> None:
        seen.dialogs.append(dialog.message)  # type: ignore[attr-defined]
        dialog.dismiss()  # type: ignore[attr-defined]

    page.on("console", lambda message: seen.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("dialog", answer)
    context.on("request", lambda request: seen.requests.append(request.url))
    try:
        yield seen
    finally:
        context.close()
