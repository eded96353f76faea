"""What `examples/scaling.py` computes, and that it computes with what was measured."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def scaling() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("scaling_example", ROOT / "examples" / "scaling.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look for their module.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_rates_are_those_of_the_benchmark_for_one_of_its_two_cores(scaling: ModuleType) -> None:
    rates: dict[str, Any] = json.loads((ROOT / "bench" / "results" / "blip.json").read_text())["rates"]
    captions, questions, ten = (rates[task] for task in ("captions", "one-question", "ten-questions"))
    reached = captions["system-int8"]["median"] / captions["engine-int8"]["median"]

    measured = [
        captions["system-int8"]["median"],
        captions["engine-whole"]["median"] * reached,
        questions["system-int8"]["median"],
        ten["system-int8"]["median"] / 10,
    ]

    assert [model.images_per_second for model in scaling.MODELS[:4]] == pytest.approx(
        [rate / 2 for rate in measured], rel=0.05
    )


def test_the_arithmetic(scaling: ModuleType) -> None:
    # Given: a million images in a day, at one a second and core.
    model = scaling.Model(name="m", images_per_second=1.0)
    plan = scaling.Plan(images=1_000_000, days=1, cores_per_worker=2, images_on_s3=True, image_kb=100)

    # Then: 1,000,000 s of a core in 86,400 s.
    assert scaling.cores(plan, model) == pytest.approx(11.574, abs=0.001)
    assert scaling.workers(plan, model) == 6
    # And: 3,907 parts, two of which a worker has for 256 s.
    assert scaling.parts(plan) == 3_907
    assert scaling.part_seconds(plan, model) == 256
    # A PUT for input, result and each 30 s; a LIST for the beginning and each 30 s.
    assert scaling.requests(plan, model) == {
        "PUT": 3_907 * (2 + 8),
        "LIST": 3_907 * (1 + 8),
        "GET": 3_907 * 3 + 1_000_000,
        "HEAD": 3_907 * 3,
    }
    # 277.8 hours of a core; 74,233 PUT and LIST, and 1,023,442 GET and HEAD.
    costs = scaling.Costs(core_hour=0.1, spot_core_hour=0.05, put_per_1000=0.005, get_per_1000=0.0004)
    assert scaling.dollars(plan, model, costs) == pytest.approx((27.78, 13.89, 0.371 + 0.409), abs=0.01)


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (0.0123, "0.012"), (1.26, "1.3"), (11.5, "12"), (6_637.2, "6,600"), (999, "1,000")]
)
def test_numbers_are_told_in_two_figures(scaling: ModuleType, value: float, shown: str) -> None:
    assert scaling.rounded(value) == shown
