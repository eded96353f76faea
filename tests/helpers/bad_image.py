"""A bad image, and what may become of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Codes = frozenset[str | None]
"""Error codes that are right for a bad image; None among them where a decoder may rightly show something."""

EMPTY: Codes = frozenset(("empty_file",))
NO_IMAGE: Codes = frozenset(("not_an_image",))
TOO_LARGE: Codes = frozenset(("image_too_large",))
TOO_MUCH: Codes = frozenset(("decode_timeout", "out_of_memory"))
DAMAGED: Codes = frozenset(("image_damaged",))
UNREADABLE = NO_IMAGE | DAMAGED
"""What is wrong in a header can be put either way."""

SHOWN: Codes = frozenset((None,))
MAYBE = SHOWN | DAMAGED
WHOLE_OR_TOO_LARGE = SHOWN | TOO_LARGE
ANYTHING = MAYBE | UNREADABLE | TOO_LARGE


@dataclass(frozen=True, slots=True)
class BadImage:
    """A file that is no image, is damaged, or was made to do harm."""

    name: str
    source: bytes | Callable[[], bytes]
    """Its bytes, or what makes them: large ones are made when they are needed."""

    codes: Codes

    @property
    def data(self) -> bytes:
        return self.source if isinstance(self.source, bytes) else self.source()
