"""Loads all files of a folder at once, as a worker does but for its model, and says how long each took.

A program of its own, so that its memory is nothing else's: `python load_all.py FOLDER THREADS SECONDS`. It prints a
line of JSON for each file, and at last one of its memory. When a file takes longer than so many seconds, it names
those under way, and ends.
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from askpix.worker.access import Access
from askpix.worker.engine.base import Engine, ImageHandle, Request, Ticket
from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.images.quiet import quiet_decoders
from askpix.worker.loading import Loader

GOOD = "good"
"""The name of a file that is loaded before all others, and again after them."""

_MEGABYTE = 1 << 20
_REFS, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


class ImagesAlone(Engine):
    """Takes images, and answers nothing."""

    image_form = ImageForm(width=384, height=384)
    stopped = False

    def open_image(self, pixels: Pixels) -> ImageHandle:
        assert pixels.shape == (384, 384, 3), pixels.shape
        return ImageHandle()

    def submit(self, request: Request) -> Ticket:
        raise NotImplementedError

    def stuck(self) -> float:
        return 0

    def counters(self) -> Mapping[str, int]:
        return {}

    def close(self) -> None:
        pass


class Loading:
    """The files of a folder on their way through a loader."""

    def __init__(self, folder: Path) -> None:
        self.begun: dict[str, float] = {}
        """When each that is under way began."""
        self.left: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._folder = folder
        self._loader, self._engine = Loader(Access.of(files_roots=[str(folder)]), decode_processes=2), ImagesAlone()
        for path in sorted(folder.iterdir()):
            if path.name != GOOD:
                self.left.put(path.name)

    def load(self, name: str) -> None:
        self.begun[name] = time.monotonic()
        facts = self._loader.load(str(self._folder / name), self._engine).facts
        seconds = round(time.monotonic() - self.begun.pop(name), 2)
        code, message = (facts.problem.code, facts.problem.message) if facts.problem else (None, None)
        _say(name=name, code=code, message=message, seconds=seconds, width=facts.width, height=facts.height)

    def load_all(self) -> None:
        while True:
            try:
                name = self.left.get_nowait()
            except queue.Empty:
                return
            self.load(name)

    def late(self, seconds: float) -> list[str]:
        """Returns those that have been under way for longer."""
        return [name for name, began in list(self.begun.items()) if time.monotonic() - began > seconds]

    def close(self) -> None:
        self._loader.close()


def main(folder: Path, threads: int, seconds: float) -> None:
    quiet_decoders()
    loading = Loading(folder)
    loading.load(GOOD)
    before = _memory(reset=True)
    working = [threading.Thread(target=loading.load_all, daemon=True) for _ in range(threads)]
    for thread in working:
        thread.start()
    while any(thread.is_alive() for thread in working):
        if late := loading.late(seconds):
            faulthandler.dump_traceback()
            _say(late=late, left=loading.left.qsize(), megabytes=_memory() - before)
            # Nothing ends a thread that is in a decoder.
            os._exit(1)
        time.sleep(0.1)
    after = _memory()
    loading.load(GOOD)
    loading.close()
    _say(late=[], left=0, megabytes=after - before)


def _memory(*, reset: bool = False) -> float:
    """Returns the most memory that was in use since the last reset, in megabytes; 0 where the system does not say."""
    if not _REFS.exists():
        return 0
    if reset:
        _REFS.write_text("5")
    found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
    assert found is not None
    return int(found[1]) * 1024 / _MEGABYTE


def _say(**facts: object) -> None:
    # In one piece, since threads share the output.
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
