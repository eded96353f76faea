"""How a worker fetches images: by which schemes, from where, how many at a time, how long, how large."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import get_args

from pydantic import SecretStr

from askpix.producer.settings import Scheme, Settings
from askpix.worker.error_codes import Code
from askpix.worker.item_errors import ImageError

MAX_BYTES = 20_000_000
"""Bytes that an image file may have, also after a transfer's own compression."""

UNCOUNTED_BYTES = 512 << 10
"""Of an image that may be held before there is known to be room for it: as many as there are threads may be."""

TOTAL_SECONDS = 30.0
"""That a transfer may take, redirects included."""

SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
"""Kinds of references; `file` stands for paths too."""

Take = Callable[[int], None]
"""Is called before so many bytes are held in memory; waits where there is no room for them."""

_OPT_OUTS = frozenset(("noai", "noimageai", "noindex", "noimageindex", "none"))
_RULES_WITH_VALUES = frozenset(("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"))


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchRules:
    """How a worker fetches."""

    contact: str | None = None
    """A web or mail address for those who run the sites."""

    schemes: tuple[str, ...] = SCHEMES
    """That are read at all."""

    heed_opt_out: bool = True
    """Whether images are left alone whose server says that they are not for machines to learn from or index."""

    item_seconds: float | None = None
    """That an image may take, where they are fewer than TOTAL_SECONDS."""

    connections: int = 32
    """That are kept open."""

    proxy: SecretStr | None = None
    """A URL, by which all of the web is reached; may hold a password."""

    max_bytes: int = MAX_BYTES
    """That an image may have."""

    @classmethod
    def of(cls, settings: Settings, *, connections: int) -> FetchRules:
        """Returns how settings want it."""
        return cls(
            contact=settings.contact,
            schemes=settings.schemes,
            heed_opt_out=settings.heed_opt_out,
            proxy=settings.proxy,
            item_seconds=settings.item_seconds,
            connections=connections,
        )

    @property
    def seconds(self) -> float:
        """That a transfer may take."""
        return TOTAL_SECONDS if self.item_seconds is None else min(self.item_seconds, TOTAL_SECONDS)

    def check_bytes(self, number: int) -> None:
        """Raises ImageError where an image has too many."""
        if number > self.max_bytes:
            raise ImageError(Code.TOO_MANY_BYTES, f"the file is larger than {self.max_bytes / 1_000_000:g} MB")

    def check_scheme(self, scheme: str) -> None:
        """Raises ImageError where references of a scheme, in small letters, are not read."""
        if scheme not in self.schemes:
            raise ImageError(Code.NOT_ALLOWED, f"this worker reads no {scheme}: references; ASKPIX_SCHEMES opens them")


def opted_out(values: Iterable[str]) -> str | None:
    """Returns what X-Robots-Tag headers say against the use of an image, None where they say nothing.

    A value is a list of rules, which may begin with the name of the program that it is for: `noai, noindex`, or
    `askpix: noai`.
    """
    for value in values:
        agent, colon, rules = value.partition(":")
        if not colon or "," in agent or agent.strip().lower() in _RULES_WITH_VALUES:
            rules = value
        elif agent.strip().lower() not in ("askpix", "*"):
            continue
        for rule in rules.split(","):
            if (word := rule.strip().lower()) in _OPT_OUTS:
                return word
    return None
