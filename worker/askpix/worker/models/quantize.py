"""Quantizes a model folder to INT8: encoders by what real images make of them, the decoder by its weights alone.

Needs nncf, of the `convert` extra; running the folder does not.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import openvino as ov

from askpix.producer.errors import ModelError
from askpix.worker.engine.base import Ability, Pixels
from askpix.worker.models.calibration import (
    QUESTIONS,
    Inputs,
    question_inputs,
    spooled_images,
    spooled_states,
)
from askpix.worker.models.manifest import Manifest, Quantization, load_manifest
from askpix.worker.models.staging import check_output, sealed, staged

# NNCF reports each use of it to its makers, unless it takes itself to be under test.
os.environ.setdefault("NNCF_CI", "1")
import nncf

SAMPLES = 300
"""Images to calibrate on, as NNCF suggests."""


def quantize(
    folder: Path,
    output: Path,
    images: Iterable[Pixels],
    *,
    questions: Sequence[str] = QUESTIONS,
    samples: int = SAMPLES,
    name: str | None = None,
) -> Manifest:
    """Writes the INT8 model folder of a model folder and returns its manifest.

    Args:
        folder: a model folder made by `askpix model convert`.
        output: a folder that is not there yet, or empty.
        images: of the kind that the model will see, uint8 [height, width, 3] in its form. They are read once.
        questions: of the kind that will be asked, for a model that answers them.
        samples: so many of the images are taken, or all if there are fewer.
        name: what the model is called; by default the folder's name and "-int8".

    Raises:
        ModelError: the folder is none or is quantized already, there is nothing to calibrate on, or the output
            is taken.
    """
    manifest = load_manifest(folder)
    if manifest.quantization is not None:
        raise ModelError(f"{folder} is quantized already: give the folder that it was made from")
    if samples < 1:
        raise ModelError(f"a model cannot be calibrated on {samples} images")
    answers = Ability.ANSWER in manifest.abilities
    if answers and not any(question.strip() for question in questions):
        raise ModelError("there is no question to calibrate on")
    name = name or f"{manifest.name}-int8"
    check_output(output, name)
    with staged(output) as new, tempfile.TemporaryDirectory(dir=new.parent, prefix=f"{new.name}-") as spool:
        pictures = spooled_images(images, manifest.image, samples, Path(spool) / "images")
        vision = folder / "vision_encoder.xml"
        if answers:
            states = spooled_states(vision, pictures, manifest, Path(spool) / "states")
            inputs = lambda: question_inputs(folder, manifest, states, questions)  # noqa: E731
            _quantize(folder / "text_encoder.xml", new, inputs, len(states))
        _quantize(vision, new, lambda: ({"image": image[None]} for image in pictures), len(pictures))
        _compress(folder / "text_decoder.xml", new)
        shutil.copy(folder / "tokenizer.json", new)
        quantization = Quantization(
            source=manifest.fingerprint, images=len(pictures), questions=tuple(questions) if answers else ()
        )
        changed = {
            "name": name,
            "precision": "int8",
            "quantization": quantization,
            "versions": {**manifest.versions, "openvino": version("openvino"), "nncf": version("nncf")},
        }
        return sealed(new, manifest.model_copy(update=changed))


class _Again:
    """An iterable that begins anew each time: NNCF reads its samples once for each thing that it gathers."""

    def __init__(self, inputs: Callable[[], Iterator[Inputs]]) -> None:
        self._inputs = inputs

    def __iter__(self) -> Iterator[Inputs]:
        return self._inputs()


def _quantize(path: Path, output: Path, inputs: Callable[[], Iterator[Inputs]], number: int) -> None:
    model = ov.Core().read_model(path)
    with _quiet():
        quantized = nncf.quantize(
            model,
            nncf.Dataset(_Again(inputs)),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=number,
            ignored_scope=nncf.IgnoredScope(names=_whole(model)),
        )
    _save(quantized, output / path.name)


def _whole(model: ov.Model) -> list[str]:
    """Returns the names of the matmuls that stay as they are.

    - The patch embedding: 0.6 % of the vision encoder's work, and all of the picture goes through it.
    - What weighs image states by a softmax. Of one scale for all heads, 8 bits hold no weight under a 510th of
      the largest: beside a head that looks at one place, one that looks at all 577 alike would see nothing.
      (It costs a sixth of the text encoder's speed. The scores before the softmax are in INT8, and so are
      the image states for them. In the vision encoder NNCF leaves it out by itself.)
    """
    return [
        one.get_friendly_name()
        for one in model.get_ops()
        if one.get_type_name() == "MatMul"
        and (".patches." in one.get_friendly_name() or one.input_value(0).get_node().get_type_name() == "Softmax")
    ]


def _compress(path: Path, output: Path) -> None:
    with _quiet():
        compressed = nncf.compress_weights(ov.Core().read_model(path), mode=nncf.CompressWeightsMode.INT8_SYM)
    _save(compressed, output / path.name)


def _save(model: ov.Model, path: Path) -> None:
    # What is left are biases and norms: little, and not to be rounded too.
    ov.save_model(model, path, compress_to_fp16=False)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps NNCF's progress bars and notes from the standard output, which is for results."""
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):
        yield
