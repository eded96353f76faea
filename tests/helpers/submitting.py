"""Submitting into a local folder, in which something may happen before each write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from askpix.producer import Item
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.job_spec import JobSpec
from askpix.producer.storage import LocalStorage
from askpix.producer.submission import write_job


class Storage(LocalStorage):
    """A local folder in which something happens before each write."""

    def __init__(self, root: Path, before: Callable[[str], None]) -> None:
        super().__init__(root)
        self._before = before

    def write(self, name: str, data: bytes, *, settled: bool = True) -> None:
        self._before(name)
        super().write(name, data, settled=settled)


def submit(storage: LocalStorage | Path, items: Any, **options: Any) -> JobSpec:
    """Writes a job, which captions unless options say otherwise."""
    folder = JobFolder(LocalStorage(storage) if isinstance(storage, Path) else storage)
    base = options.pop("base", "/shop")
    return write_job(items, folder, Order(**{"model": "m", **options}), base=base)


def written(folder: Path, spec: JobSpec) -> list[Item]:
    """Returns the items that lie in a job folder, in order."""
    return [item for part in range(spec.parts) for item in JobFolder(LocalStorage(folder)).read_input(part, spec.id)]
