"""Which components are quantized, from how each choice of them agrees with the model before."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from askpix.producer.errors import ModelError
from askpix.worker.converting.mixing import chosen
from askpix.worker.models.blip_manifest import Agreement

COMPONENTS = ("vision_encoder", "text_encoder", "text_decoder")


class Trials:
    """Components cost so many hundredths each, and together what they cost one by one."""

    def __init__(self, **costs: int) -> None:
        self._costs = costs
        self.made: list[tuple[str, ...]] = []

    def __call__(self, components: Sequence[str]) -> Agreement:
        self.made.append(tuple(components))
        lost = sum(self._costs.get(component, 0) for component in components)
        return Agreement(images=100, captions=1.0, answers=1 - lost / 100, precision="f32")


@pytest.mark.parametrize(
    ("costs", "expected", "answers"),
    [
        pytest.param({}, COMPONENTS, 1.0, id="all agree"),
        pytest.param({"vision_encoder": 2, "text_encoder": 1}, COMPONENTS, 0.97, id="just enough"),
        pytest.param({"vision_encoder": 9, "text_encoder": 1}, COMPONENTS[1:], 0.99, id="the worst is left out"),
        pytest.param({"text_encoder": 9}, ("vision_encoder", "text_decoder"), 1.0, id="one between two others"),
        pytest.param(
            {"text_decoder": 2, "vision_encoder": 9, "text_encoder": 3}, ("text_decoder",), 0.98, id="two are left out"
        ),
    ],
)
def test_what_costs_the_most_stays_whole(costs: dict[str, int], expected: tuple[str, ...], answers: float) -> None:
    components, found = chosen(COMPONENTS, Trials(**costs), 0.97)

    assert tuple(components) == expected
    assert found.answers == pytest.approx(answers)


def test_where_all_may_be_quantized_nothing_else_is_tried() -> None:
    trials = Trials()

    chosen(COMPONENTS, trials, 0.97)

    assert trials.made == [COMPONENTS]


def test_no_choice_is_tried_twice() -> None:
    trials = Trials(vision_encoder=9, text_encoder=9)

    chosen(COMPONENTS, trials, 0.97)

    assert len(trials.made) == len(set(trials.made))


def test_the_captions_count_as_much_as_the_answers() -> None:
    def trial(components: Sequence[str]) -> Agreement:
        share = 0.5 if "text_decoder" in components else 1.0
        return Agreement(images=100, captions=share, answers=1.0, precision="f32")

    assert chosen(COMPONENTS, trial, 0.97)[0] == ["vision_encoder", "text_encoder"]


@pytest.mark.parametrize("components", [COMPONENTS, COMPONENTS[:1]])
def test_where_none_may_be_quantized_it_is_said_how_far_the_best_one_is(components: tuple[str, ...]) -> None:
    trials = Trials(vision_encoder=8, text_encoder=9, text_decoder=10)

    with pytest.raises(ModelError, match=r"92\.0% .* 97\.0% are wanted"):
        chosen(components, trials, 0.97)
