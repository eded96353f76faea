"""Model folders quantized to INT8: how near they stay to what they were made from, and what they say they are."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from catalogue import picture
from helpers.engine_calls import ask, essence, handle, mixed, opened, png, product, request
from helpers.photographs import photographs
from helpers.random_blip import BASE, CAPTIONING, built, built_int8

from askpix.producer.errors import ModelError
from askpix.producer.rows import Answer
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.converting.compressing import DecoderWeights
from askpix.worker.converting.quantize import quantize
from askpix.worker.engine.base import Ability, Request
from askpix.worker.engine.devices import Precision
from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.images.decode import decode
from askpix.worker.local import demo_model
from askpix.worker.models.blip_manifest import BlipManifest
from askpix.worker.models.folder import load_manifest

# Where a random model is not in the cache: OpenVINO's converter traces with what torch wants to replace.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

CALIBRATION_SEED, SAMPLES = 31, 48
FRESH_SEED, FRESH = 9191, 1_000

SAME = {"int8": 0.99, "int4": 0.97}
"""Share of captions, and of answers, that are those of the unquantized model."""

CONFIDENCE = {"int8": 0.02, "int4": 0.2}
"""How far confidences move for that share of the texts; seen: 0.004 with INT8."""

ALONE = 0.02
"""How far a confidence moves with what shares the batch. What float32 rounds otherwise at another batch size can move
a number by one of its 255 steps."""

BASE_COSINE = 0.95
"""Between the image states of a random model of the base size before and after, the least of all 577; seen: 0.981."""

FORM = ImageForm(width=120, height=120)


def _pixels(number: int) -> Iterator[Pixels]:
    """Yields pictures of the demo's kind, in the form that its model takes, each drawn when it is asked for."""
    for index in range(number):
        yield decode(png(picture(CALIBRATION_SEED, index)[0]), FORM).pixels


def _questions() -> list[str]:
    return [question for index in range(4) for question, _ in picture(CALIBRATION_SEED, index)[2]]


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo model, calibrated on pictures and questions of its kind."""
    folder = tmp_path_factory.mktemp("quantized") / "int8"
    quantize(demo_model(), folder, _pixels(SAMPLES), questions=_questions(), samples=SAMPLES)
    return folder


@pytest.fixture(scope="module")
def int4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with the decoder's weights in 4 bits."""
    folder = tmp_path_factory.mktemp("quantized") / "int4"
    decoder = DecoderWeights(bits=4, group_size=32, ratio=1.0)
    quantize(demo_model(), folder, _pixels(SAMPLES), questions=_questions(), samples=SAMPLES, decoder=decoder)
    return folder


def _texts(engine: BlipEngine) -> tuple[list[Answer], list[Answer]]:
    """Returns the captions of fresh pictures, and the answer to one question about each."""
    requests: list[Request] = []
    for index in range(FRESH):
        image, _, asked = picture(FRESH_SEED, index)
        opened_image = handle(engine, image)
        requests += (request(opened_image), request(opened_image, asked[index % len(asked)][0]))
    answers = ask(engine, requests)
    return answers[::2], answers[1::2]


@pytest.fixture(scope="module")
def whole(demo_engine: BlipEngine) -> tuple[list[Answer], list[Answer]]:
    """What the demo model says in FP32."""
    return _texts(demo_engine)


@pytest.mark.parametrize(
    ("bits", "precision"), [("int8", Precision.F32), ("int8", Precision.AUTO), ("int4", Precision.AUTO)]
)
def test_captions_and_answers_of_fresh_pictures_are_those_of_the_model_before(
    bits: str,
    precision: Precision,
    whole: tuple[list[Answer], list[Answer]],
    request: pytest.FixtureRequest,
) -> None:
    # When
    with opened(request.getfixturevalue(bits), precision) as engine:
        quantized = _texts(engine)

    # Then
    for before, after in zip(whole, quantized, strict=True):
        assert len({answer.text for answer in before}) > 20, "texts that hardly differ show little"
        same = np.mean([one.text == other.text for one, other in zip(before, after, strict=True)])
        moved = [abs(one.confidence - other.confidence) for one, other in zip(before, after, strict=True)]
        assert same >= SAME[bits], same
        assert np.quantile(moved, SAME[bits]) <= CONFIDENCE[bits]
        assert max(moved) > 0, "nothing was quantized"


def test_a_quantized_answer_does_not_depend_on_its_neighbours(int8: Path) -> None:
    with opened(int8) as engine:
        # Given
        alone = [ask(engine, [one])[0] for one in mixed(engine)]

        # When
        together = ask(engine, mixed(engine))

    # Then
    assert essence(together) == essence(alone)
    assert [one.confidence for one in together] == pytest.approx([one.confidence for one in alone], abs=ALONE)


def test_the_folder_says_what_it_is_and_takes_under_a_third_of_the_room(int8: Path) -> None:
    # When
    before, manifest = load_manifest(demo_model()), load_manifest(int8)

    # Then
    assert (before.precision, before.quantization) == ("f32", None)
    assert (manifest.precision, manifest.name) == ("int8", f"{before.name}-int8")
    assert manifest.quantization is not None
    assert manifest.quantization.source == before.fingerprint != manifest.fingerprint
    assert (manifest.quantization.images, list(manifest.quantization.questions)) == (SAMPLES, _questions())
    assert {"nncf", "openvino", "torch", "transformers"} <= set(manifest.versions)
    told = ("abilities", "image", "tokens", "sizes", "generation", "source")
    assert [getattr(manifest, name) for name in told] == [getattr(before, name) for name in told]
    assert set(manifest.files) == set(before.files)
    assert _weight_bytes(manifest) <= 0.33 * _weight_bytes(before)


def _weight_bytes(manifest: BlipManifest) -> int:
    return sum(entry.bytes for name, entry in manifest.files.items() if name.endswith(".bin"))


def test_what_would_cost_accuracy_stays_whole(int8: Path) -> None:
    """Of the encoders' matmuls, only the patch embedding and those behind a softmax take float32 numbers."""
    whole: dict[str, list[str]] = {}
    for graph in ("vision_encoder", "text_encoder"):
        operations = ov.Core().read_model(int8 / f"{graph}.xml").get_ops()
        matmuls = [one for one in operations if one.get_type_name() == "MatMul"]
        whole[graph] = [_kind(one) for one in matmuls if not _takes_int8(one)]
        assert len(matmuls) > len(whole[graph]) + 10
    assert whole == {"vision_encoder": ["patches"], "text_encoder": ["Softmax"] * 3}


def _takes_int8(matmul: Any) -> bool:
    source = matmul.input_value(0).get_node()
    while source.get_type_name() in ("Reshape", "Transpose"):
        source = source.input_value(0).get_node()
    return bool(source.get_type_name() == "FakeQuantize")


def _kind(matmul: Any) -> str:
    source = str(matmul.input_value(0).get_node().get_type_name())
    return "patches" if ".patches." in matmul.get_friendly_name() else source


def test_calibration_images_are_taken_one_at_a_time_and_no_more_than_wanted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Given: images of which it is known how many are in memory
    drawn, most = 0, 0
    ended: list[int] = []

    def images() -> Iterator[Pixels]:
        nonlocal drawn, most
        for pixels in _pixels(40):
            weakref.finalize(pixels, ended.append, drawn)
            drawn += 1
            most = max(most, drawn - len(ended))
            yield pixels

    # When
    manifest = quantize(demo_model(), tmp_path / "int8", images(), samples=12, name="twelve")

    # Then
    assert manifest.name == "twelve"
    assert manifest.quantization is not None
    assert manifest.quantization.images == drawn == 12
    assert most <= 2
    assert capfd.readouterr().out == "", "the standard output is for results"
    assert [path.name for path in tmp_path.iterdir()] == ["int8"], "spooled images are left behind"


def test_a_model_that_only_captions_is_quantized_without_questions(tmp_path: Path) -> None:
    # Given
    source = built(CAPTIONING).folder
    form = ImageForm(width=96, height=96)

    # When
    manifest = quantize(
        source, tmp_path / "int8", (decode(file, form).pixels for file in photographs().values()), questions=()
    )

    # Then
    assert manifest.quantization is not None
    assert (manifest.quantization.images, manifest.quantization.questions) == (len(photographs()), ())
    assert manifest.abilities == {Ability.CAPTION}
    with opened(tmp_path / "int8") as engine:
        (answer,) = ask(engine, [request(handle(engine, product()), max_new_tokens=4)])
    assert answer.tokens == 4


def _wrong(**given: Any) -> dict[str, Any]:
    return {"images": _pixels(2), **given}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (_wrong(images=[]), "no image"),
        (_wrong(images=[np.zeros((60, 60, 3), np.uint8)]), "uint8 (120, 120, 3), not uint8 (60, 60, 3)"),
        (_wrong(images=[np.zeros((120, 120, 3), np.float32)]), "not float32"),
        (_wrong(samples=0), "0 images"),
        (_wrong(questions=("", " ")), "no question"),
        (_wrong(name="a name"), "--name"),
        (_wrong(folder=Path("nowhere")), "no model folder nowhere"),
    ],
)
def test_what_cannot_be_quantized_is_told_in_one_line(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    # When
    with pytest.raises(ModelError) as raised:
        quantize(given.pop("folder", demo_model()), tmp_path / "int8", **given)

    # Then
    assert words in str(raised.value)
    assert str(raised.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_a_quantized_folder_is_not_quantized_again(int8: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="quantized already"):
        quantize(int8, tmp_path / "twice", _pixels(2))


def test_a_folder_that_holds_something_is_not_written_to(tmp_path: Path) -> None:
    # Given
    (tmp_path / "int8").mkdir()
    (tmp_path / "int8" / "mine").write_text("here")

    # Then
    with pytest.raises(ModelError, match="not empty"):
        quantize(demo_model(), tmp_path / "int8", _pixels(2))
    assert [path.name for path in tmp_path.rglob("*")] == ["int8", "mine"]


def test_a_quantized_folder_that_was_changed_is_refused(int8: Path, tmp_path: Path) -> None:
    # Given
    shutil.copytree(int8, tmp_path / "changed")
    weights = bytearray((tmp_path / "changed" / "vision_encoder.bin").read_bytes())
    weights[1000] ^= 1
    (tmp_path / "changed" / "vision_encoder.bin").write_bytes(weights)

    # Then
    with pytest.raises(ModelError, match="damaged"):
        load_manifest(tmp_path / "changed")


@pytest.mark.timeout(900)
def test_the_base_size_takes_a_quarter_of_the_room_and_sees_about_the_same() -> None:
    # Given
    whole, int8 = built(BASE).folder, built_int8(BASE)
    form = ImageForm(width=384, height=384)
    image = decode(png(picture(FRESH_SEED, 0)[0]), form).pixels[None]

    # When
    before, after = (
        ov.Core().compile_model(folder / "vision_encoder.xml", "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.f32})
        for folder in (whole, int8)
    )
    expected, found = (compiled(image)["states"][0] for compiled in (before, after))

    # Then
    assert _weight_bytes(load_manifest(int8)) <= 0.27 * _weight_bytes(load_manifest(whole))
    cosine = (expected * found).sum(-1) / np.linalg.norm(expected, axis=-1) / np.linalg.norm(found, axis=-1)
    assert cosine.min() >= BASE_COSINE
    assert cosine.max() < 1
