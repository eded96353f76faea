"""What devices are called, on machines that have other ones than this."""

from __future__ import annotations

import pytest

from askpix.producer.errors import DeviceError
from askpix.producer.queues import queue_name
from askpix.worker.engine.device_names import device_name

LAPTOP = ("CPU", "GPU", "NPU")
STATION = ("CPU", "GPU.0", "GPU.1")


@pytest.mark.parametrize(
    ("text", "there", "members"),
    [
        ("cpu", LAPTOP, ("CPU",)),
        (" GPU ", STATION, ("GPU",)),
        ("GPU.0", LAPTOP, ("GPU.0",)),
        ("gpu.1", STATION, ("GPU.1",)),
        ("GPU.1.0", STATION, ("GPU.1.0",)),
        ("NPU", LAPTOP, ("NPU",)),
        # What AUTO takes by itself: an NPU only where it is named.
        ("AUTO", LAPTOP, ("GPU", "CPU")),
        ("auto:gpu,cpu", LAPTOP, ("GPU", "CPU")),
        ("AUTO: GPU.1, CPU", STATION, ("GPU.1", "CPU")),
        ("AUTO:NPU,CPU", LAPTOP, ("NPU", "CPU")),
        ("AUTO:-CPU", STATION, ("GPU.0", "GPU.1")),
        ("AUTO:-GPU", STATION, ("CPU",)),
        ("AUTO:-GPU.1", STATION, ("GPU.0", "CPU")),
        ("HETERO:GPU,CPU", LAPTOP, ("GPU", "CPU")),
        ("MULTI:GPU.1,GPU.0", STATION, ("GPU.1", "GPU.0")),
    ],
)
def test_a_name_stands_for_devices_that_are_there(text: str, there: tuple[str, ...], members: tuple[str, ...]) -> None:
    name = device_name(text, there)

    assert name.members == members
    assert name.text == text.replace(" ", "").upper()
    assert name.virtual == (":" in text or text == "AUTO")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("GPU", "there is no device 'GPU' here; there is CPU"),
        ("CPU.1", "there is no device 'CPU.1' here"),
        ("", "there is no device '' here"),
        ("TOASTER", "there is no device 'TOASTER' here"),
        ("AUTO:GPU,CPU", "there is no device 'GPU' of AUTO:GPU,CPU here; there is CPU"),
        ("HETERO:CPU,GPU.1", "there is no device 'GPU.1' of HETERO:CPU,GPU.1 here"),
        ("multi:cpu,npu", "there is no device 'NPU' of multi:cpu,npu here"),
        ("HETERO", "names no devices: HETERO is written like HETERO:GPU,CPU"),
        ("MULTI:", "names no devices: MULTI is written like MULTI:GPU,CPU"),
        ("AUTO:", "names no devices"),
        ("AUTO:CPU,,CPU", "names no devices"),
        ("AUTO:CPU,cpu", "names a device twice"),
        ("AUTO:-CPU", "leaves no device: there is CPU"),
        ("HETERO:-GPU,CPU", "only AUTO takes devices to leave out"),
        ("MULTI:CPU(4)", "there is no device 'CPU(4)'"),
        ("AUTO:HETERO:CPU", "there is no device 'HETERO:CPU'"),
        ("BATCH:GPU(16)", "askpix, which forms batches by itself"),
        ("BATCH", "Give the device itself, such as GPU"),
    ],
)
def test_what_is_not_there_is_said_in_terms_of_devices(text: str, said: str) -> None:
    with pytest.raises(DeviceError) as caught:
        device_name(text, ("CPU",))

    assert said in str(caught.value)
    assert len(str(caught.value)) < 350


@pytest.mark.parametrize(
    ("device", "queue"),
    [
        ("CPU", "m.cpu"),
        ("GPU.1", "m.gpu"),
        ("GPU.1.0", "m.gpu"),
        ("AUTO", "m.auto"),
        ("AUTO:-CPU", "m.auto"),
        ("AUTO:GPU,CPU", "m.auto"),
        ("HETERO:GPU,CPU", "m.hetero"),
        ("MULTI:GPU.0,GPU.1", "m.multi"),
    ],
)
def test_each_has_a_queue_by_its_kind(device: str, queue: str) -> None:
    assert queue_name("m", device) == queue
    assert queue_name("m", device, ask=True) == f"{queue}.ask"
