"""Texts on their way through a decoder's lane: each is a row, or several that search for it together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Protocol

from askpix.worker.blip.work import Floats, States
from askpix.worker.engine.growing import Growing
from askpix.worker.item_errors import RequestError


class Text(Protocol):
    """What was generated."""

    @property
    def tokens(self) -> list[int]:
        """Ids; the end token is the last, unless the text was cut."""

    @property
    def log_probabilities(self) -> list[float]:
        """Of each, as the model has it: before penalties and temperature."""


class Chooser(Protocol):
    """Says which token a row takes, where that is not simply the likeliest one."""

    def choose(self, row: Row, logits: Floats) -> tuple[int, float]:
        """Returns a token, and its log-probability as the model has it.

        Args:
            logits: float32 [V]; may be written to.
        """


class Group(Protocol):
    """Rows that search together: they enter the lane at once, step together and leave at once."""

    @property
    def rows(self) -> Sequence[Row]: ...

    @property
    def over(self) -> bool:
        """Whether the search has ended."""

    def abandoned(self, position: int) -> RequestError | None:
        """Says why nobody waits for the text any more: the same to all rows that are at one position."""

    def advance(self, logits: Floats) -> Sequence[int]:
        """Chooses how each row goes on.

        Args:
            logits: float32 [rows, V], in the order of `rows`; may be written to.

        Returns: for each row, the place of the row whose past it goes on from.
        """


@dataclass(kw_only=True, slots=True, eq=False)
class Row:
    """A text to decode, or one of several rows that search for one."""

    states: States
    """[S, E], what the text attends to."""

    prompt: list[int]
    """Tokens that the text begins with."""

    max_new_tokens: int
    finished: Callable[[Row], None]
    abandoned: Callable[[], RequestError | None]
    """Says why nobody waits for this any more."""

    failed: Callable[[BaseException], None]
    begun: Callable[[], None]
    """Is called when the row begins to be decoded."""

    growing: Growing | None = None
    """What its tokens are told to as they come; None where nobody reads them."""

    context: Context = field(default_factory=copy_context)
    """Of its ticket."""

    chooser: Chooser | None = None
    group: Group | None = None
    tokens: list[int] = field(default_factory=list)
    log_probabilities: list[float] = field(default_factory=list)
    urgent: bool = False
    position: int = 0
    last: int = 0

    @property
    def places(self) -> int:
        """Positions that the row can need."""
        return len(self.prompt) + self.max_new_tokens

    @property
    def members(self) -> Sequence[Row]:
        """All rows that enter the lane together with this one."""
        return (self,) if self.group is None else self.group.rows

    @property
    def chooses(self) -> bool:
        """Whether the row needs to see the scores of all tokens."""
        return self.chooser is not None or self.group is not None

    def given_up(self) -> RequestError | None:
        """Says why nobody waits for this any more, within a step the same to all rows of a group."""
        return self.abandoned() if self.group is None else self.group.abandoned(self.position)

    def read(self, token: int, log_probability: float, end: int) -> bool:
        """Goes on by one position: with its prompt, or else with the token that was chosen.

        Returns whether that was its last: the token `end`, or the last that it may have.
        """
        position = self.position
        self.position = position + 1
        if position < len(self.prompt):
            self.last = self.prompt[position]
            return False
        if self.group is not None:
            return self.group.over
        self.tokens.append(token)
        self.log_probabilities.append(log_probability)
        self.last = token
        if self.growing is not None:
            self.growing.add((token,))
        return token == end or len(self.tokens) >= self.max_new_tokens
