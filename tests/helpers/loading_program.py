"""Loads all files of a folder at once, as a worker does but for its model, and says how long each took.

A program of its own, so that its memory is nothing else's: `python loading_program.py FOLDER THREADS SECONDS`. It
prints a line of JSON for each file, and at last one of its memory. When a file takes longer than so many seconds, it
names those under way, and ends.
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import resource
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from askpix.worker.access import Access
from askpix.worker.engine.base import Engine, ImageHandle, Request
from askpix.worker.engine.ticket import Ticket
from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.images.quiet import quiet_decoders
from askpix.worker.loading import Loader
from askpix.worker.process_limits import give_memory_back

GOOD = "good"
"""The name of a file that is loaded before all others, and again after them."""

_MEGABYTE = 1 << 20


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

    def start_decoders(self) -> None:
        """Has all of them be there, as they are in a worker that has had its first images."""
        good = str(self._folder / GOOD)
        threads = [threading.Thread(target=self._loader.load, args=(good, self._engine)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

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


class Memory:
    """Follows how much memory this process has for itself and its decoders together, from `with` to its end."""

    def __init__(self) -> None:
        self.before = self.most = self._now()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def grown(self) -> float:
        """By how many megabytes it has grown, at the most."""
        return (self.most - self.before) / _MEGABYTE

    def _follow(self) -> None:
        while not self._over.wait(0.01):
            self.most = max(self.most, self._now())

    def _now(self) -> int:
        threads = Path("/proc/self/task").glob("*/children")
        children = [pid for thread in threads for pid in _read(thread)]
        # As a program for itself: what it shares with others, as libraries, is no more than it was.
        pages = [list(map(int, _read(Path("/proc", pid, "statm"))[1:3])) for pid in ("self", *children)]
        return sum(page[0] - page[1] for page in pages if page) * resource.getpagesize()


def _read(path: Path) -> list[str]:
    """Returns the words of a file; none where its process or thread has ended, or where there is no such thing."""
    try:
        return path.read_text().split()
    except OSError:
        return []


def main(folder: Path, threads: int, seconds: float) -> None:
    quiet_decoders()
    give_memory_back()
    loading = Loading(folder)
    loading.load(GOOD)
    loading.start_decoders()
    with Memory() as memory:
        working = [threading.Thread(target=loading.load_all, daemon=True) for _ in range(threads)]
        for thread in working:
            thread.start()
        while alive := [thread for thread in working if thread.is_alive()]:
            if late := loading.late(seconds):
                faulthandler.dump_traceback()
                _say(late=late, left=loading.left.qsize(), megabytes=memory.grown)
                # Nothing ends a thread that is in a decoder.
                os._exit(1)
            alive[0].join(0.1)
    loading.load(GOOD)
    loading.close()
    _say(late=[], left=0, megabytes=memory.grown)


def _say(**facts: object) -> None:
    # In one piece, since threads share the output.
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
