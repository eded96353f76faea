"""What was said with a model, and about which images: what is shown of it, and what a model is told."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from askpix.producer.errors import AskpixError
from askpix.producer.items import MAX_ANSWER, MAX_IMAGES, Turn
from askpix.producer.messages import MAX_TURNS
from askpix.worker.images.fetch_rules import MAX_BYTES
from askpix.worker.playground.dropped import Dropped, Picture

_MOST_TURNS = 50
"""Of a conversation that are remembered, and shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What one of the two has said."""

    role: str
    """user or assistant."""

    text: str
    picture: Picture | None = None
    """That was shown with it."""

    number: int = 0
    """Which picture of the conversation that is."""


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
    fits: int = MAX_TURNS
    """How many of the latest turns a model is told at the most: once it did not take some, neither these nor older."""

    def add(self, said: Said) -> None:
        self.turns = [*self.turns, said][-_MOST_TURNS:]
        self.fits = min(self.fits + 1, MAX_TURNS)

    def messages(self, now: Said) -> Iterator[Message]:
        """Yields what was said, up to what is being answered now; each image when it was shown."""
        last, number = "", 0
        for said in (*self.turns, now):
            picture = said.about if said.about.digest != last else None
            last, number = said.about.digest, number + (picture is not None)
            yield Message(role="user", text=said.question, picture=picture, number=number)
            if said.answer:
                yield Message(role="assistant", text=said.answer)

    def shown(self, now: Picture) -> int:
        """Returns how many images were shown, the one that is asked about now among them."""
        return sum(digest != "" for digest in _newly([said.about for said in self.turns], now))

    def recalled(self, image: Dropped, read: Callable[[Picture], Dropped]) -> Recalled:
        """Returns the latest that a model can be told at all, before what is asked about an image.

        Args:
            read: returns the file of an image that was shown before; raises AskpixError where it is gone.
        """
        files, last, images, size = {image.picture.digest: image}, image.picture.digest, 1, len(image.data)
        turns: list[Said] = []
        for said in reversed(self.turns[-self.fits :] if self.fits else ()):
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
        return [self.files[digest].data for digest in self._newly() if digest]

    @property
    def history(self) -> tuple[Turn, ...]:
        """The turns, each naming the image that is shown with it, if one is."""
        return tuple(
            Turn(said.question, said.answer[:MAX_ANSWER], (digest,) if digest else ())
            for said, digest in zip(self.turns, self._newly(), strict=False)
        )

    def _newly(self) -> list[str]:
        return _newly([said.about for said in self.turns], self.image.picture)


def _newly(about: Sequence[Picture], now: Picture) -> list[str]:
    """Returns the digests of the images that are shown with each turn, the new question's last; an empty text where
    it is about the one before."""
    digests = [*(picture.digest for picture in about), now.digest]
    return [digest if digest != before else "" for before, digest in zip(["", *digests], digests, strict=False)]
