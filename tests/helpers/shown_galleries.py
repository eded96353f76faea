"""Galleries in a browser, watched for what they must not do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.browser import Watched, watched
from playwright.sync_api import Browser, Page

from askpix.producer import Job, Row
from askpix.producer.report.gallery import write_gallery
from askpix.producer.settings import Settings
from askpix.worker.access import Access
from askpix.worker.thumbnails import Thumbnails


@dataclass(frozen=True)
class Shown:
    """A gallery and the job that it is of."""

    address: str
    job: Job
    folder: Path
    """In which all that the page may ask for lies."""

    def rows(self) -> list[Row]:
        return list(self.job.results())


def written(job: Job, path: Path) -> Shown:
    """Writes a gallery with thumbnails: a page, or a folder where the name has no suffix."""
    thumbnails = Thumbnails(Access.of(files_roots=["/"]), Settings(decode_processes=1))
    write_gallery(job, str(path), make=thumbnails)
    thumbnails.close()
    index = path if path.suffix else path / "index.html"
    return Shown(address=index.as_uri(), job=job, folder=path)


@contextmanager
def opened(chrome: Browser, gallery: Shown, **window: Any) -> Iterator[Watched]:
    """Opens a gallery; at the end nothing may have gone wrong in it, and nothing may have been asked for elsewhere."""
    with watched(chrome, **window) as seen:
        seen.page.goto(gallery.address)
        ready(seen.page)
        yield seen
        assert (seen.said, seen.errors, seen.dialogs) == ([], [], [])
        own = gallery.folder.as_uri()
        assert [url for url in seen.requests if not url.startswith((own, "data:image/webp;", "data:,"))] == []


def ready(page: Page) -> None:
    """Waits until all texts are read."""
    page.wait_for_selector("html[data-ready=all]")
