"""Shares and confidences, as options take them."""

from __future__ import annotations

import math
from typing import Any

import click


class Share(click.FloatRange):
    """A number up to 1.

    Args:
        from_zero: whether it may be 0; else it is more.
    """

    name = "share"

    def __init__(self, *, from_zero: bool = False) -> None:
        super().__init__(min=0, min_open=not from_zero, max=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number
