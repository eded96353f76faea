"""What is done to a model's probabilities, so that they become those with which it is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from askpix.producer.sparse import Sparse
from askpix.producer.text_limits import Text

COLDEST, HOTTEST = 0.001, 1_000
"""Between which temperatures are."""

MAX_SHIFT = 100
"""How far a shift may be from 0."""

_Temperature = Annotated[float, Field(ge=COLDEST, le=HOTTEST, allow_inf_nan=False)]
_Shift = Annotated[float, Field(ge=-MAX_SHIFT, le=MAX_SHIFT, allow_inf_nan=False)]


class Whole(BaseModel):
    """What is done to the log-odds that all choices of an image were judged right, after each was calibrated: they are
    divided by the temperature, and the shift is added. Mistakes in one image are not independent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: _Temperature = 1.0
    """Above 1 makes likelihoods less sure, below surer."""

    shift: _Shift = 0.0
    """Above 0 makes likelihoods higher."""


class Calibration(Sparse):
    """What makes a model's probabilities those with which it is right; `askpix calibrate` finds it.

    Of choices of which one is so, the logarithm of each probability is divided by the temperature, its shift is added,
    and the sum is brought back to 1. Of choices that are judged one by one, the same is done to the log-odds of each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    added: ClassVar[frozenset[str]] = frozenset({"whole"})

    temperature: _Temperature = 1.0
    """Above 1 makes probabilities less sure, below surer."""

    shifts: Mapping[Text, _Shift] = {}
    """By choice; none stands for 0."""

    whole: Whole | None = None
    """Of the answer, where its choices are judged one by one."""
