"""One way to write conversations, and what of it users must not write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ConfigDict

from askpix.producer.items import Turn

_TAG = re.compile(r"<<?/?\|?\w+\|?>>?|\[/?[A-Z]+\]")
"""What is written to stand for no words: <image>, </s>, <|im_end|>, <<SYS>>, [/INST]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A way to write conversations. {} in a piece stands for what is said."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    summary: str
    """What it is, in one line."""

    source: str
    """Where it is defined."""

    checkpoints: tuple[str, ...]
    """Some that were trained with it."""

    system: str | None = None
    """The system's text; None where it cannot have one."""

    default: str | None = None
    """What the system's text is where none is given; None where there is none then."""

    user: str
    """A question."""

    plain: str | None = None
    """A question that no image stands in front of, where it is written otherwise."""

    answer: str
    """What the model has answered before."""

    cue: str
    """After which the model answers."""

    image: str
    """An image, in front of the question with which it is shown, as transformers is given it."""

    stops: tuple[str, ...]
    """Texts that end an answer, which is what stands before them."""

    @property
    def tag(self) -> str:
        """An image as the pipeline is given it, which breaks the line by itself."""
        return self.image.strip()

    @property
    def reserved(self) -> tuple[str, ...]:
        """The tags it is written with, which no text of a user's may hold.

        Words that it is written with, such as "USER:", are anybody's to write.
        """
        pieces = (self.system or "", self.user, self.plain or "", self.answer, self.cue, self.image, *self.stops)
        return tuple(dict.fromkeys(tag for piece in pieces for tag in _TAG.findall(piece)))

    def prompt(
        self,
        question: str,
        *,
        image: str,
        images: int = 1,
        system: str | None = None,
        history: Sequence[Turn] = (),
        begun: str = "",
    ) -> str:
        """Returns the text of a conversation up to where the model goes on.

        Args:
            image: what stands for an image.
            images: how many are shown in all. Those that no turn shows stand in front of the question, or of the first
                one where no turn shows any.
            history: what was said before the question.
            begun: what the answer begins with.
        """
        told = self.default if system is None else system
        pieces = [] if told is None else [_put(self.system or "{}", told)]
        asked = [*(turn.question for turn in history), question]
        answered = [turn.answer for turn in history]
        shown = [len(turn.images) for turn in history]
        shown.insert(len(shown) if any(shown) else 0, images - sum(shown))
        for number, text in enumerate(asked):
            piece = self.user if shown[number] else self.plain or self.user
            pieces.append(_put(piece, image * shown[number] + text))
            if number < len(answered):
                pieces.append(_put(self.answer, answered[number]))
        return "".join(pieces) + self.cue + begun


def _put(piece: str, text: str) -> str:
    # Not str.format: what is said may hold braces.
    before, _, after = piece.partition("{}")
    return f"{before}{text}{after}"
