"""Names for several devices, for real with the one that is here: they answer as it does by itself."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers.engine_calls import ask, essence, mixed

from askpix.producer.errors import DeviceError
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.engine.compiling import Compiler, computes_on
from askpix.worker.engine.devices import Precision, check_device, check_precision, list_devices
from askpix.worker.local import demo_model

SEVERAL = ("AUTO", "AUTO:CPU", "HETERO:CPU", "MULTI:CPU")

pytestmark = pytest.mark.skipif(
    [device.name for device in list_devices()] != ["CPU"], reason="AUTO takes another device here"
)


@pytest.mark.parametrize("device", SEVERAL)
def test_the_answers_are_those_of_the_device_itself(device: str, demo_engine: BlipEngine) -> None:
    engine = BlipEngine(demo_model(), device, Precision.F32)
    try:
        answers = ask(engine, mixed(engine, 30))
        assert (engine.info.device, engine.info.precision) == (device, "f32")
    finally:
        engine.close()

    assert essence(answers) == essence(ask(demo_engine, mixed(demo_engine, 30)))


@pytest.mark.parametrize("device", SEVERAL)
def test_the_precision_is_told_that_the_device_computes_in(device: str, default_engine: BlipEngine) -> None:
    engine = BlipEngine(demo_model(), device)
    try:
        assert engine.info.precision == default_engine.info.precision
    finally:
        engine.close()


@pytest.mark.parametrize("device", SEVERAL)
def test_the_members_are_told_what_they_know_of_the_properties(device: str) -> None:
    compiler = Compiler(device, Precision.AUTO)
    compiled = compiler.compile(demo_model() / "vision_encoder.xml", NUM_STREAMS=1, NPU_TURBO=True)

    assert computes_on(compiled) == ("CPU",)
    assert compiled.get_property("DEVICE_PROPERTIES")["CPU"]["NUM_STREAMS"] == 1


_THREADS = """
import sys
from askpix.worker.cores import Cores, allowed, take
from askpix.worker.engine.compiling import Compiler
from askpix.worker.engine.devices import Precision
from askpix.worker.local import demo_model

take(Cores(cpus=allowed() * 2, threads=1))
compiled = Compiler(sys.argv[1], Precision.AUTO).compile(demo_model() / "vision_encoder.xml")
told = compiled.get_property("DEVICE_PROPERTIES")["CPU"]
print(told["INFERENCE_NUM_THREADS"], told["ENABLE_CPU_PINNING"])
"""


@pytest.mark.parametrize("device", SEVERAL)
def test_the_cpu_behind_a_name_keeps_to_the_threads_of_the_process(device: str) -> None:
    done = subprocess.run([sys.executable, "-c", _THREADS, device], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["1", "False"]


def test_a_precision_that_one_of_them_cannot_do_is_refused() -> None:
    capable = {"bf16": "BF16", "f16": "FP16"}
    (cpu,) = list_devices()
    name = check_device("HETERO:CPU")

    for precision, needed in capable.items():
        if needed in cpu.capabilities:
            check_precision(name, Precision(precision))
        else:
            with pytest.raises(DeviceError, match=f"CPU does not compute in {precision}"):
                check_precision(name, Precision(precision))
