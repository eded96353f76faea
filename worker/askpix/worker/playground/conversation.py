"""What was said with a model, and about which images: what is shown of it, and what a model is told."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from askpix.producer.errors import AskpixError
from askpix.producer.items import MAX_ANSWER, MAX_IMAGES, Turn
from askpix.producer.messages import MAX_TURNS
from askpix.worker.images.manners import MAX_BYTES
from askpix.worker.playground.dropped import Dropped, Picture

_MOST_TURNS = 50
"""Of a conversation that are remembered, and shown."""

Message = tuple[str, str | Picture]
"""What was said or shown, after who did: user or assistant."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """A question with its answer."""

    about: Picture
    question: str
    answer: str


@dataclass(kw_only=True, slots=True)
class Conversation:
    """What was said with one model, and where this looks at one image alone, about one."""

    about: Hashable
    turns: list[Said] = field(default_factory=list)

    def add(self, said: Said) -> None:
        self.turns = [*self.turns, said][-_MOST_TURNS:]

    def messages(self, now: Said) -> Iterator[Message]:
        """Yields what was said, up to what is being answered now; each image when it was shown."""
        before: Picture | None = None
        for said in (*self.turns, now):
            if before is None or before.digest != said.about.digest:
                yield "user", said.about
            yield "user", said.question
            if said.answer:
                yield "assistant", said.answer
            before = said.about

    def recalled(self, image: Dropped, read: Callable[[Picture], Dropped]) -> Recalled:
        """Returns the latest that a model can be told at all, before what is asked about an image.

        Args:
            read: returns the file of an image that was shown before; raises AskpixError where it is gone.
        """
        files, last, images, size = {image.picture.digest: image}, image.picture.digest, 1, len(image.data)
        turns: list[Said] = []
        for said in reversed(self.turns[-MAX_TURNS:]):
            digest = said.about.digest
            if digest != last:
                try:
                    files[digest] = files.get(digest) or read(said.about)
                except AskpixError:
                    break
                last, images, size = digest, images + 1, size + len(files[digest].data)
                if images > MAX_IMAGES or size > MAX_BYTES:
                    break
            turns.insert(0, said)
        return Recalled(turns, image, files)


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a model is told before a question about an image."""

    turns: Sequence[Said]
    image: Dropped
    files: dict[str, Dropped]
    """By their digests."""

    def less(self) -> Recalled:
        """Returns it without the oldest turn, and the image that only this one was about."""
        return Recalled(self.turns[1:], self.image, self.files)

    @property
    def images(self) -> list[bytes]:
        """All that are shown, in order."""
        return [self.files[digest].data for digest in self._shown() if digest]

    @property
    def history(self) -> tuple[Turn, ...]:
        """The turns, each naming the image that is shown with it, if one is."""
        shown = self._shown()
        return tuple(
            Turn(said.question, said.answer[:MAX_ANSWER], (digest,) if digest else ())
            for said, digest in zip(self.turns, shown, strict=False)
        )

    def _shown(self) -> list[str]:
        """Returns the digest of the image that is shown with each turn, the new question's last; or an empty text."""
        about = [*(said.about.digest for said in self.turns), self.image.picture.digest]
        return [digest if digest != before else "" for before, digest in zip(["", *about], about, strict=False)]
