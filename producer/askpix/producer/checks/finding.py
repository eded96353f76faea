"""What a check finds, and how a check that hangs is left alone."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from askpix.producer.errors import AskpixError


class Mark(StrEnum):
    """How it is with a thing."""

    OK = "ok"
    WRONG = "wrong"
    NOTE = "note"
    """Worth to be known, and no reason why askpix would not work."""

    SKIPPED = "skipped"
    """It could not be tried, for what came before it is wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was tried."""

    about: str
    """What was tried: settings, broker, storage, model or workers; of several, with which one."""

    what: str
    """The thing, in a word or two."""

    mark: Mark
    said: str
    """How it is, and where it is wrong, what to do; one line."""


THREAD = "check "
"""How the names of threads begin in which something is tried."""

Checks = Callable[[], Iterable[Finding]]


def tried(about: str, checks: Checks, seconds: float) -> Iterator[Finding]:
    """Yields what checks find, as they find it; what fails unexpectedly, or hangs, is one more finding.

    Args:
        about: see `Finding`.
        checks: called in a thread of its own.
        seconds: from one finding to the next, after which nobody waits any more. The thread is left behind.
    """
    found: queue.SimpleQueue[Finding | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            for finding in checks():
                found.put(finding)
        except AskpixError as error:
            found.put(Finding(about=about, what="", mark=Mark.WRONG, said=str(error)))
        except BaseException as error:  # noqa: BLE001 - the others are to be tried all the same
            said = f"the check failed unexpectedly: {type(error).__name__}: {error}"
            found.put(Finding(about=about, what="", mark=Mark.WRONG, said=said))
        found.put(None)

    thread = threading.Thread(target=run, name=f"{THREAD}{about}", daemon=True)
    thread.start()
    while True:
        since = time.monotonic()
        try:
            finding = found.get(timeout=seconds)
        except queue.Empty:
            waited = time.monotonic() - since
            said = f"nothing came back for {waited:.0f} seconds: it hangs, or needs more time (--timeout)"
            yield Finding(about=about, what="", mark=Mark.WRONG, said=said)
            return
        if finding is None:
            thread.join()
            return
        yield finding
