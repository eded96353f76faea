"""Vision-language models behind names for several devices, for real with the one that is here."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.vlm import TinyVlms

from askpix.producer.errors import DeviceError
from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.worker.engine.base import Request
from askpix.worker.engine.devices import Precision, list_devices
from askpix.worker.vlm.engine import VlmEngine

SECONDS = 60
QUESTIONS = (None, Question("what is it?"), Question("what color?", choices=["red", "blue"]))

pytestmark = pytest.mark.skipif(
    [device.name for device in list_devices()] != ["CPU"], reason="AUTO takes another device here"
)


def answers(engine: VlmEngine) -> list[tuple[str, str]]:
    image = engine.open_image(np.random.default_rng(3).integers(0, 255, (48, 64, 3), np.uint8))
    options = Options(max_new_tokens=12)
    tickets = [engine.submit(Request(images=(image,), question=one, options=options)) for one in QUESTIONS]
    return [(answer.text, answer.finish_reason) for answer in (ticket.result(SECONDS) for ticket in tickets)]


@pytest.mark.parametrize("device", ["AUTO", "AUTO:CPU", "HETERO:CPU"])
def test_the_answers_are_those_of_the_device_itself(device: str, tiny: TinyVlms, engine: VlmEngine) -> None:
    several = VlmEngine(tiny.folder("llava"), device, Precision.F32)
    try:
        assert answers(several) == answers(engine)
        assert (several.info.device, several.info.precision) == (device, "f32")
    finally:
        several.close()


def test_on_all_devices_in_turn_a_text_would_lose_its_beginning(tiny: TinyVlms) -> None:
    with pytest.raises(DeviceError, match="do not run on MULTI:CPU: what they remember of a text stays on one device"):
        VlmEngine(tiny.folder("llava"), "MULTI:CPU")
