"""Names of models and of their queues."""

from __future__ import annotations

import pytest

from askpix.producer.errors import InputError
from askpix.producer.queues import DEVICE_KINDS, check_model_name, is_ask_queue, queue_name


@pytest.mark.parametrize(
    "name", ["blip-vqa-base", "a", "7", "blip.v2", "cpu", "ask", "gpu-blip", "blip.gpus", "x" * 100]
)
def test_a_model_may_be_called(name: str) -> None:
    assert check_model_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "-a", "a b", "a/b", "a\n", "ä", "x" * 101, "../a"])
def test_a_model_may_not_be_called_what_no_queue_can_be(name: str) -> None:
    with pytest.raises(InputError, match="is no model name") as raised:
        check_model_name(name)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("ending", ["ask", "cpu", "gpu", "npu", "auto", "CPU", "cpu.ask"])
def test_a_model_may_not_be_called_as_a_queue_of_another_is(ending: str) -> None:
    with pytest.raises(InputError, match="a queue of the model 'blip"):
        check_model_name(f"blip.{ending}")


@pytest.mark.parametrize(
    ("device", "parts", "asks"),
    [
        (None, "m", "m.ask"),
        ("CPU", "m.cpu", "m.cpu.ask"),
        ("GPU.1", "m.gpu", "m.gpu.ask"),
        ("AUTO:GPU,CPU", "m.auto", "m.auto.ask"),
        ("gpu", "m.gpu", "m.gpu.ask"),
        ("NPU", "m.npu", "m.npu.ask"),
    ],
)
def test_a_model_has_a_queue_for_each_kind_of_device(device: str | None, parts: str, asks: str) -> None:
    assert (queue_name("m", device), queue_name("m", device, ask=True)) == (parts, asks)


@pytest.mark.parametrize(
    "device", ["ask", "cup", "a b", "", "cpu ", "cpu.ask", "gpu.1.ask", "TOASTER", "auto:a b", "x" * 999]
)
def test_what_is_no_device_has_no_queue(device: str) -> None:
    with pytest.raises(InputError, match="is no kind of device: it is cpu, gpu, npu, auto, hetero, multi") as caught:
        queue_name("m", device)

    assert len(str(caught.value)) < 300


def test_queues_for_asks_are_known_by_their_names() -> None:
    for device in (None, *DEVICE_KINDS):
        assert is_ask_queue(queue_name("m", device, ask=True))
        assert not is_ask_queue(queue_name("m", device))
