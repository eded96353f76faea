"""Texts that are read while they are being generated."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from askpix.worker.error_codes import Code
from askpix.worker.item_errors import RequestError

PAUSE_SECONDS = 0.03
"""Between two looks of a reader. Who reads faster sees no more, and takes time of the interpreter from the engine:
with 16 readers of a small model, texts took 1.7 times as long."""


class Growing:
    """A text that an engine is generating: its tokens go in on the engine's thread, the text comes out on a reader's.

    Where tokens go in, nothing is computed and nobody waited for: a reader who is slow, or has gone, costs the engine
    nothing, and no more memory than the tokens' numbers.

    Args:
        text_of: returns what is certain of a text by its tokens so far: what the whole text will begin with. It is
            called on readers' threads.
    """

    def __init__(self, text_of: Callable[[Sequence[int]], str]) -> None:
        self._text_of = text_of
        self._ids: list[int] = []
        self._over = threading.Event()
        self._changed = threading.Condition()

    def texts(self, timeout: float | None = None, pause: float = PAUSE_SECONDS) -> Iterator[str]:
        """Yields what is certain of the text, as tokens come, until it has ended; the latest, to who is slow.

        Args:
            timeout: in seconds, for each token.
            pause: seconds between two looks.

        Raises:
            TimeoutError: none came.
        """
        seen = 0
        while (ids := self._other_than(seen, timeout)) is not None:
            seen = len(ids)
            yield self._text_of(ids)
            self._over.wait(pause)

    def _other_than(self, seen: int, timeout: float | None) -> list[int] | None:
        """Waits until there are other tokens than so many; returns them, None where the text has ended."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._over.is_set() or len(self._ids) != seen, timeout):
                raise TimeoutError(f"no more of the answer within {timeout} s")
            return None if self._over.is_set() else self._ids.copy()

    # For engines. --------------------------------------------------------------------------------

    def begin(self) -> None:
        """Says that the text begins, or begins anew."""
        with self._changed:
            self._ids.clear()

    def add(self, ids: Sequence[int]) -> None:
        """Says which tokens have come."""
        with self._changed:
            self._ids.extend(ids)
            self._changed.notify_all()

    def end(self) -> None:
        """Says that no more will come."""
        with self._changed:
            self._over.set()
            self._changed.notify_all()


def pieces_of(texts: Iterable[str], whole: Callable[[], str]) -> Iterator[str]:
    """Yields a text in pieces that together are the whole.

    Args:
        texts: what was certain of it, at one time after the other.
        whole: returns it when it has ended, or raises why there is none.

    Raises:
        RequestError: what was yielded is not so any more: the text began anew, and came out otherwise.
    """
    shown = ""
    for text in texts:
        if not shown.startswith(text):
            yield _rest(text, shown)
            shown = text
    if rest := _rest(whole(), shown):
        yield rest


def _rest(text: str, shown: str) -> str:
    if not text.startswith(shown):
        raise RequestError(
            Code.MODEL_FAILED, "the answer began anew, and came out otherwise: ask again", retryable=True
        )
    return text[len(shown) :]
