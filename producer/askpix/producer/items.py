"""What is asked: items, turns of a conversation and generation options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import ConfigDict, SerializerFunctionWrapHandler, StringConstraints, ValidationError, model_serializer

from askpix.producer.errors import InputError
from askpix.producer.generation import Generation
from askpix.producer.questions import Question
from askpix.producer.shown import first_problem, shown_value
from askpix.producer.text_limits import Text

MAX_ANSWER = 20_000
"""Characters that an answer may have which a model is told again."""

MAX_IMAGE = 28_000_000
"""Characters that an ask's image references may have together: a data URI of the largest file that workers take."""

MAX_IMAGES = 8
"""That an ask may show, each time that one is shown."""

_Reference = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=MAX_IMAGE)]


@dataclass(frozen=True, slots=True)
class Turn:
    """What was asked before, and answered. Where it comes with a message, its lengths are checked."""

    __pydantic_config__ = ConfigDict(extra="forbid", revalidate_instances="always")

    question: Text
    """An empty one stands for what a model is told where a caption is asked for."""

    answer: Annotated[str, StringConstraints(max_length=MAX_ANSWER)]
    images: tuple[_Reference, ...] = ()
    """References of the images that were shown with the question, in front of it. Workers of before refuse what they do
    not know: so it is written only where there are some."""

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        return values if self.images else {name: value for name, value in values.items() if name != "images"}


def shown_in(history: Iterable[Turn]) -> tuple[str, ...]:
    """Returns the images that a conversation has shown, in order, each as often as it was shown."""
    return tuple(image for turn in history for image in turn.images)


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One image and what is asked of it."""

    image: str
    """A URL, a path or a data URI."""

    id: str | None = None
    """Unique in the job. Without one, the item is known by its image reference."""

    questions: tuple[Question, ...] | None = None
    """None stands for the job's own questions."""

    group: str | None = None
    """Which product, page or record the image belongs to, in the caller's own terms."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    """The caller's other columns, carried through to the results untouched. JSON values only."""


class Options(Generation):
    """How answers are generated."""

    prompt: Text | None = None
    """A text that captions begin with and carry on from. Questions do without."""

    system: Text | None = None
    """What a model of the LLaVA kind is told before all else."""

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Options:
        """Returns the options that a mapping of names to values holds; those that it lacks keep their defaults.

        Raises:
            InputError: it is no mapping, an option is not known, or its value is not one that it takes.
        """
        known = ", ".join(cls.model_fields)
        if not isinstance(value, Mapping):
            raise InputError(f"generation options are an object with {known}, not {shown_value(value)}")
        for name in value:
            if name not in cls.model_fields:
                raise InputError(f"there is no generation option {shown_value(name)}; there is {known}")
        try:
            return cls.model_validate(dict(value))
        except ValidationError as error:
            raise InputError(f"a generation option is not valid: {first_problem(error)}") from None
