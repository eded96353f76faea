"""Graphs in the forms that suit GPUs, compiled on a CPU: they answer as the others do, and where one is not taken, the
next is."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import openvino as ov
import pytest
from helpers.engine_calls import ask, essence, mixed
from helpers.random_blip import CAPTIONING, built

from askpix.producer.errors import DeviceError
from askpix.worker.blip.engine import LANE_SLOTS, URGENT_SLOTS, BlipEngine
from askpix.worker.blip.forms import GPU_WAVE, Forms, Most, forms_for, within_half
from askpix.worker.blip.questions import BATCH_TOKENS, QUESTION_BATCH
from askpix.worker.engine.device_names import DeviceName
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.forms import DYNAMIC, Form
from askpix.worker.local import demo_model
from askpix.worker.models.folder import load_blip

# OpenVINO's converter traces with what torch wants to replace.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

MOST = Most(rows=LANE_SLOTS + URGENT_SLOTS, images=QUESTION_BATCH, tokens=BATCH_TOKENS)
GPU = DeviceName(text="GPU", members=("GPU",))


@pytest.fixture(scope="module")
def gpu_forms() -> Forms:
    return forms_for(GPU, load_blip(demo_model()), MOST)


@pytest.fixture(scope="module")
def bounded(gpu_forms: Forms) -> Iterator[BlipEngine]:
    """The demo model on a CPU, in the forms that are meant for GPUs."""
    engine = BlipEngine(demo_model(), precision=Precision.F32, forms=gpu_forms)
    yield engine
    engine.close()


def test_a_cpu_has_one_form_and_a_gpu_the_bounded_one_first() -> None:
    manifest = load_blip(demo_model())

    cpu = forms_for(DeviceName(text="CPU", members=("CPU",)), manifest, MOST)
    both = forms_for(DeviceName(text="HETERO:GPU.1,CPU", members=("GPU.1", "CPU")), manifest, MOST)

    assert cpu.vision == cpu.questions == cpu.steps == (DYNAMIC,)
    for forms in (both.vision, both.questions, both.steps):
        assert [form is DYNAMIC for form in forms] == [False, True]
        assert all(not isinstance(size, tuple) or size[0] >= 1 for shape in forms[0].shapes.values() for size in shape)


def test_bounded_graphs_answer_as_those_of_any_shape(bounded: BlipEngine, demo_engine: BlipEngine) -> None:
    answers = ask(bounded, mixed(bounded, 60))
    expected = ask(demo_engine, mixed(demo_engine, 60))

    assert essence(answers) == essence(expected)
    scores, others = ([one.confidence for one in some] for some in (answers, expected))
    assert np.allclose(scores, others, atol=1e-4)


def test_a_gpu_encodes_more_images_at_a_time(bounded: BlipEngine) -> None:
    before = bounded.counters()["vision_batches"], bounded.counters()["images"]
    ask(bounded, mixed(bounded, 4 * GPU_WAVE))
    waves = bounded.counters()["vision_batches"] - before[0]
    images = bounded.counters()["images"] - before[1]

    # Some begin with fewer: those that had come by then.
    assert images / waves > 4


def test_in_half_precision_they_answer_the_same_too(gpu_forms: Forms) -> None:
    found = []
    for forms in (gpu_forms, None):
        engine = BlipEngine(demo_model(), precision=Precision.F16, forms=forms)
        try:
            found.append(essence(ask(engine, mixed(engine, 40))))
            assert engine.info.precision == "f16"
        finally:
            engine.close()

    same = sum(one == other for one, other in zip(*found, strict=True))
    assert same >= 38


@pytest.mark.parametrize("name", ["text_encoder", "text_decoder"])
def test_what_stands_for_minus_infinity_is_within_half_precision(name: str) -> None:
    core = ov.Core()
    model = within_half(core.read_model(demo_model() / f"{name}.xml"))

    large = [
        value
        for node in model.get_ops()
        if node.get_type_name() == "Constant" and node.get_element_type().is_real()
        for value in (float(np.abs(node.data).max(initial=0)),)
        if value > 65_504
    ]
    assert large == []


def test_a_captioning_model_of_two_widths_takes_the_bounded_form() -> None:
    folder = built(CAPTIONING).folder
    forms = forms_for(GPU, load_blip(folder), MOST)
    found = []
    for own in (forms, None):
        engine = BlipEngine(folder, precision=Precision.F32, forms=own)
        try:
            found.append(essence(ask(engine, [one for one in mixed(engine, 30) if one.question is None])))
        finally:
            engine.close()

    assert found[0] == found[1]


# A form that the device refuses, for a real reason. -------------------------------------------------

NO_STREAMS = Form(name="minus five streams", properties={"NUM_STREAMS": -5})
"""Which the CPU plugin refuses: it is a number of streams."""

NO_SHAPE = Form(name="images of four colours", shapes={"image": ((1, 4), ..., ..., 4)})
"""Which the graph does not take: its weights are for three."""


@pytest.mark.parametrize("refused", [NO_STREAMS, NO_SHAPE])
def test_where_a_form_is_refused_the_next_is_taken_and_the_log_says_so(
    refused: Form, gpu_forms: Forms, caplog: pytest.LogCaptureFixture, demo_engine: BlipEngine
) -> None:
    forms = replace(gpu_forms, vision=(refused, *gpu_forms.vision))

    with caplog.at_level(logging.WARNING, "askpix"):
        engine = BlipEngine(demo_model(), precision=Precision.F32, forms=forms)
    try:
        assert essence(ask(engine, mixed(engine, 8))) == essence(ask(demo_engine, mixed(demo_engine, 8)))
    finally:
        engine.close()

    (warning,) = (record.getMessage() for record in caplog.records)
    assert warning.startswith(f"CPU does not take vision_encoder with {refused.name}, which suit it best (")
    assert warning.endswith("); it is given a bounded batch, which may be slower")


NO_CHOICES = Form(name="rows that do not fit", shapes={"ids": ((2, 4), 1), "positions": ((3, 4), 1)})
"""Which compiles, and fails when two ids meet three positions."""


@pytest.mark.parametrize("refused", [NO_STREAMS, NO_CHOICES])
def test_a_device_that_cannot_score_choices_says_so_when_it_starts(refused: Form, gpu_forms: Forms) -> None:
    with pytest.raises(DeviceError, match=r"text_decoder\.xml in no form: .*`--device CPU` takes all"):
        BlipEngine(demo_model(), precision=Precision.F32, forms=replace(gpu_forms, choices=refused))


def test_where_none_is_taken_the_reasons_are_told() -> None:
    forms = Forms(wave=4, vision=(NO_STREAMS, NO_SHAPE))

    with pytest.raises(DeviceError) as caught:
        BlipEngine(demo_model(), precision=Precision.F32, forms=forms)

    told = str(caught.value)
    assert told.startswith("CPU takes ")
    assert "minus five streams: " in told
    assert "images of four colours: " in told
    assert "\n" not in told
