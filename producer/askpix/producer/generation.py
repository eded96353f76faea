"""How texts are generated: the settings of a job or an ask, and the defaults of a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

MAX_ROWS = 32
"""Beams, or texts, that one question can have."""

MAX_NEW_TOKENS = 4_096
"""Of one text. A model takes fewer, if its context is shorter."""

_BEAMS = ("num_beams", "length_penalty")
_SAMPLING = ("do_sample", "temperature", "top_k", "top_p", "seed")

_Count = Annotated[int, Field(ge=1, le=MAX_NEW_TOKENS)]
_CountOrNone = Annotated[int, Field(ge=0, le=MAX_NEW_TOKENS)]
_Rows = Annotated[int, Field(ge=1, le=MAX_ROWS)]
_Stop = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Generation(BaseModel):
    """How captions and open answers are generated; choices are scored, which none of this changes.

    Names and meaning are those of transformers' GenerationConfig. None stands for the model's own default. Decoding
    takes the likeliest token each time, unless `num_beams` asks for a search, or one of `do_sample`, `temperature`,
    `top_k`, `top_p` and `seed` for drawing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_new_tokens: _Count | None = Field(None, description="The longest answer, in tokens, beside the prompt.")
    min_new_tokens: _CountOrNone | None = Field(None, description="The shortest answer, in tokens.")
    num_beams: _Rows | None = Field(None, description="Search with so many beams for the likeliest text.")
    length_penalty: Annotated[float, Field(ge=-10, le=10)] | None = Field(
        None, description="With beams: above 0 favours longer texts, below 0 shorter ones; 1 unless given."
    )
    repetition_penalty: Annotated[float, Field(ge=0.01, le=10)] | None = Field(
        None, description="Above 1 makes tokens that are there already less likely."
    )
    no_repeat_ngram_size: _CountOrNone | None = Field(None, description="No sequence of so many tokens comes twice.")
    do_sample: bool | None = Field(None, description="Draw tokens by their probabilities.")
    temperature: Annotated[float, Field(ge=0.01, le=100)] | None = Field(
        None, description="Draw from probabilities made flatter (above 1) or steeper (below)."
    )
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None, description="Draw from the K likeliest tokens; 50 unless given, 0 for all."
    )
    top_p: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="Draw from the likeliest tokens that together have this probability."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = Field(
        None, description="What is drawn follows from it, the image and the text; 0 unless given."
    )
    num_return_sequences: _Rows | None = Field(None, description="So many texts: of the beams, or drawn.")
    stop: Annotated[tuple[_Stop, ...], Field(min_length=1, max_length=16)] | None = Field(
        None, description="A text ends before this. Repeatable; for models of the LLaVA kind."
    )

    @property
    def samples(self) -> bool:
        """Whether tokens are drawn."""
        if self.do_sample is not None:
            return self.do_sample
        return any(getattr(self, name) is not None for name in _SAMPLING)

    @property
    def beams(self) -> int:
        return self.num_beams or 1

    @property
    def texts(self) -> int:
        """How many texts are asked for."""
        return self.num_return_sequences or 1

    @property
    def is_greedy(self) -> bool:
        """Whether each token is simply the likeliest one."""
        penalised = self.min_new_tokens or self.no_repeat_ngram_size or self.repetition_penalty not in (None, 1)
        return self.beams == 1 and not self.samples and not penalised

    def with_defaults(self, defaults: Generation) -> Generation:
        """Returns these settings, and of a model's defaults those that they leave open.

        Settings that ask for beams make the model's drawing void, those that ask for drawing its beams.

        Raises:
            ValidationError: the two contradict each other.
        """
        given = self.model_dump(exclude_none=True, include=set(Generation.model_fields))
        kept = defaults.model_dump(exclude_none=True)
        void = {"length_penalty"} if self.num_beams == 1 else set()
        if self.beams > 1 or self.do_sample is False:
            void.update(_SAMPLING)
        if self.samples:
            void.update(_BEAMS)
        merged = {name: value for name, value in kept.items() if name not in void} | given
        texts = merged.pop("num_return_sequences", 1)
        way = Generation.model_validate(merged)
        if "num_return_sequences" not in given and not way.samples:
            texts = min(texts, way.beams)
        return Generation.model_validate(merged | ({"num_return_sequences": texts} if texts > 1 else {}))

    @classmethod
    def plain(cls, max_new_tokens: int | None) -> Self:
        """Returns settings that take the likeliest token each time, whatever a model's defaults are."""
        return cls(
            max_new_tokens=max_new_tokens,
            min_new_tokens=0,
            num_beams=1,
            repetition_penalty=1,
            no_repeat_ngram_size=0,
            do_sample=False,
            num_return_sequences=1,
        )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in self._contradictions():
            raise ValueError(problem)
        return self

    def _contradictions(self) -> Iterator[str]:
        given = ((name, getattr(self, name)) for name in _SAMPLING)
        drawing = next((name for name, value in given if value is not None and value is not False), None)
        if self.min_new_tokens and self.max_new_tokens and self.min_new_tokens > self.max_new_tokens:
            yield f"min_new_tokens {self.min_new_tokens} is more than max_new_tokens {self.max_new_tokens}"
        if self.do_sample is False and drawing:
            yield f"{drawing} is for drawing, and do_sample says not to"
        if self.beams > 1 and drawing:
            yield f"num_beams {self.num_beams} and {drawing} do not go together: search, or draw"
        if self.length_penalty is not None and self.beams == 1:
            yield "length_penalty is for beams: give num_beams too"
        if self.texts > 1 and not self.samples and self.texts > self.beams:
            yield (
                f"num_return_sequences {self.texts} is more than there would be: give num_beams {self.texts} or more, "
                "or have tokens drawn (do_sample)"
            )
