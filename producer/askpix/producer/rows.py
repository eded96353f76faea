"""What is answered: result rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an answer is."""

    CAPTION = "caption"
    OPEN = "open"
    CHOICE = "choice"
    MULTIPLE = "multiple"
    MATCH = "match"
    JSON = "json"


class Status(StrEnum):
    """Whether an item was answered."""

    OK = "ok"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One of a question's choices."""

    text: str
    probability: float
    """Of this choice among all of the question's choices; they add up to 1, unless any number of them may be so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternative:
    """Another text that was generated for the same question."""

    text: str
    confidence: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A caption, or the answer to one question."""

    name: str
    """The question's name, or else its text; "caption" for captions."""

    kind: Kind
    text: str
    confidence: float
    """0 to 1. Of a text, the geometric mean of its tokens' probabilities, the end token included, a
    caption's prompt not; of a choice, its probability among the choices, or of several that are called alike, theirs
    together; of choices judged one by one, the product of how likely each judgement is; of a match, how likely it is
    that the text fits the image, whether the answer is yes or no."""

    tokens: int
    """How many tokens were generated, the end token included; none for a match."""

    question: str | None = None
    choices: tuple[Choice, ...] | None = None
    finish_reason: str = "stop"
    """"stop": the model ended the text; "length": `max_new_tokens` did."""

    alternatives: tuple[Alternative, ...] | None = None
    """The other texts, where several were asked for (`num_return_sequences`)."""

    prompt_tokens: int | None = None
    """How many tokens the model was given, the image's included; None where that is not counted."""

    said: str | None = None
    """What the model said, where the text is the shop's term for it, or what stands for all that is not sure."""

    cached: bool | None = None
    """Whether the model had said it before, of the same image; None where it was not looked up."""

    raw: tuple[float, ...] | None = None
    """The probability of each choice before calibration; None where there was none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """The result of one item. An item with an error keeps the answers that were found before or beside it."""

    id: str
    image: str
    status: Status
    answers: tuple[Answer, ...]
    attempts: int
    model: str
    fingerprint: str
    """Of the model's files."""

    precision: str
    device: str
    seconds: float
    """From taking the item up to its last answer."""

    group: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    retryable: bool | None = None
    """Whether trying again can help; None where there is no error."""

    width: int | None = None
    height: int | None = None
    """Of the image as it is shown, in pixels."""

    sha256: str | None = None
    """Of the image's bytes as they were fetched."""

    extra: str | None = None
    """The caller's other columns, as JSON text."""
