"""What `make bench-overhead` counts: functions of the worker, which it has to find by their names."""

from __future__ import annotations

from typing import Any

import pytest
from bench.overhead_worker import MODEL, STAGES, Counts

NAMED = [(stage, owner, name) for stage, owner, names in STAGES for name in names]


@pytest.mark.parametrize(("stage", "owner", "name"), NAMED, ids=[f"{stage}: {name}" for stage, _, name in NAMED])
def test_what_is_counted_is_there(stage: str, owner: Any, name: str) -> None:
    assert callable(getattr(owner, name, None)), f"{stage}: {owner.__name__} has no {name}"


def test_each_stage_has_functions_of_its_own() -> None:
    assert len({stage for stage, *_ in STAGES}) == len(STAGES)
    assert len({(owner, name) for _, owner, name in NAMED}) == len(NAMED)
    assert MODEL in {stage for stage, *_ in STAGES}


def test_what_a_counted_function_calls_is_counted_to_its_own_stage() -> None:
    # given
    counts = Counts()
    inner = counts.counted("inner", lambda: sum(range(2_000_000)))
    outer = counts.counted("outer", lambda: inner())

    # when
    returned = outer()

    # then
    spent = counts.read()
    assert returned == sum(range(2_000_000))
    assert 0 < spent["outer"] < spent["inner"]
