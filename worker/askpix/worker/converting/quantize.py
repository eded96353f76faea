"""Quantizes a model folder, and checks on images that it was not calibrated on that it says what it said before.

Needs nncf, of the `convert` extra; running the folder does not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from askpix.producer.errors import ModelError
from askpix.worker.converting.agreement import agreement, said
from askpix.worker.converting.calibration import (
    QUESTIONS,
    Inputs,
    Spool,
    question_inputs,
    spooled_images,
    spooled_states,
)
from askpix.worker.converting.compressing import DecoderWeights, compress_graph, quantize_graph
from askpix.worker.converting.mixing import Mixing, chosen
from askpix.worker.converting.readable import Readable
from askpix.worker.converting.staging import check_output, staged
from askpix.worker.converting.told import Told, nobody, told_of
from askpix.worker.engine.base import READING, Ability
from askpix.worker.engine.devices import Precision
from askpix.worker.image_form import Pixels
from askpix.worker.models.blip_manifest import Agreement, BlipManifest, Quantization
from askpix.worker.models.folder import load_blip

SAMPLES = 300
"""Images to calibrate on, as NNCF suggests."""

HELD_OUT = 100
"""Images to check on."""

LEAST = 8
"""Images without which nothing can be said of how a quantized model compares."""

MIN_AGREEMENT = 0.97


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """How a quantized model is checked."""

    images: int = HELD_OUT
    """How many are held out at the most; where there are few, a quarter of all."""

    min_agreement: float = MIN_AGREEMENT
    """Share of captions, and of answers, that must be as before. Below it, what costs the most stays whole."""


def quantize(
    folder: Path,
    output: Path,
    images: Iterable[Pixels],
    *,
    questions: Sequence[str] | None = None,
    samples: int = SAMPLES,
    name: str | None = None,
    decoder: DecoderWeights | None = None,
    check: Check | None = None,
    told: Told = nobody,
) -> BlipManifest:
    """Writes the quantized model folder of a model folder and returns its manifest.

    The encoders are brought to INT8, the text decoder's weights to INT8 or INT4.

    Args:
        folder: a model folder made by `askpix model convert`.
        output: a folder that is not there yet, or empty.
        images: of the kind that the model will see, uint8 [height, width, 3] in its form. They are read once.
        questions: of the kind that will be asked, for a model that answers them, which has some by default; or
            descriptions, for a model that says how well they fit.
        samples: so many of the images are taken, or all if there are fewer.
        name: what the model is called; by default the folder's name and "-int8" or "-int4".
        decoder: how the text decoder's weights are stored; by default in INT8.
        check: holds some more images out, and leaves components whole without which the quantized model would
            not say of these what it said before.
        told: follows what is done.

    Raises:
        ModelError: the folder is none or is quantized already, there is too little to calibrate on, the output is
            taken or cannot be written, or no component can be quantized.
    """
    decoder = decoder or DecoderWeights()
    manifest = load_blip(folder)
    if manifest.quantization is not None:
        raise ModelError(f"{folder} is quantized already: give the folder that it was made from")
    if samples < 1:
        raise ModelError(f"a model cannot be calibrated on {samples} images")
    asked = _asked(folder, manifest, questions)
    name = name or f"{manifest.name}-{decoder.name}"
    check_output(output, name)
    with staged(output) as new, tempfile.TemporaryDirectory(dir=new.parent, prefix=f"{new.name}-") as temporary:
        space = Path(temporary)
        wanted = samples + (check.images if check else 0)
        spool = spooled_images(
            told_of(images, told, "reading images", wanted), manifest.image, wanted, space / "images"
        )
        held, calibrating = _split(spool, check, samples)
        stored = _quantize(folder, manifest, space, calibrating, asked, decoder, told)
        mixing = Mixing(
            whole=folder,
            quantized=space,
            manifest=manifest.model_copy(
                update={
                    "name": name,
                    "precision": "int8",
                    "versions": {**manifest.versions, "openvino": version("openvino"), "nncf": version("nncf")},
                }
            ),
            quantization=Quantization(
                source=manifest.fingerprint,
                images=len(calibrating),
                questions=asked,
                components=dict.fromkeys(stored, manifest.precision),
            ),
            stored=stored,
        )
        components, found = list(stored), None
        if check is not None:
            trial = _trial(mixing, held, asked, space / "trial", told)
            components, found = chosen(components, trial, check.min_agreement)
        return mixing.write(new, components, found)


def _asked(folder: Path, manifest: BlipManifest, questions: Sequence[str] | None) -> tuple[str, ...]:
    """Returns the texts to calibrate with, without those that the model cannot be asked; none, if it reads none."""
    if not manifest.abilities & READING:
        return ()
    if questions is None:
        if Ability.MATCH in manifest.abilities:
            raise ModelError("there is no text to calibrate with: name some descriptions, right ones and wrong ones")
        questions = QUESTIONS
    asked = Readable(folder, manifest).of(questions)
    if not asked:
        raise ModelError("there is no question to calibrate on: those given are blank, or too long for the model")
    return asked


def _split(spool: Spool[np.uint8], check: Check | None, samples: int) -> tuple[Spool[np.uint8], Spool[np.uint8]]:
    """Returns the images to check on and those to calibrate on, of which there are up to `samples`."""
    if check is None:
        return spool.split(0)
    if len(spool) < LEAST:
        raise ModelError(
            f"quantizing needs {LEAST} different images that can be read, better {SAMPLES}: {len(spool)} are there"
        )
    held, others = spool.split(min(check.images, len(spool) // 4))
    calibrating, _ = others.split(min(samples, len(others)))
    return held, calibrating


def _quantize(
    folder: Path,
    manifest: BlipManifest,
    space: Path,
    pictures: Spool[np.uint8],
    questions: Sequence[str],
    decoder: DecoderWeights,
    told: Told,
) -> dict[str, str]:
    """Writes each component's quantized graph; returns in what their weights are stored."""
    stored = {}
    vision, number = folder / "vision_encoder.xml", len(pictures)

    def seen() -> Iterator[Inputs]:
        return ({"image": image[None]} for image in told_of(pictures, told, "calibrating the vision encoder", number))

    quantize_graph(vision, space / vision.name, seen, number)
    stored["vision_encoder"] = "int8"
    if questions:
        encoded = told_of(pictures, told, "encoding images", number)
        states = spooled_states(vision, encoded, manifest, space / "states")

        def read() -> Iterator[Inputs]:
            inputs = question_inputs(folder, manifest, states, questions)
            return told_of(inputs, told, "calibrating the text encoder", number)

        quantize_graph(folder / "text_encoder.xml", space / "text_encoder.xml", read, number)
        stored["text_encoder"] = "int8"
    if Ability.CAPTION in manifest.abilities:
        told("compressing the text decoder", 0, 1)
        compress_graph(folder / "text_decoder.xml", space / "text_decoder.xml", decoder)
        stored["text_decoder"] = decoder.name
    return stored


def _trial(
    mixing: Mixing, held: Spool[np.uint8], questions: Sequence[str], folder: Path, told: Told
) -> Callable[[Sequence[str]], Agreement]:
    """Returns what tries a choice of components on the held-out images."""
    before = said(mixing.whole, held, questions, precision=Precision.F32, what="asking the model as it was", told=told)

    def tried(components: Sequence[str]) -> Agreement:
        mixing.write(folder, components)
        what = f"asking it with {_words(components)} quantized"
        return agreement(before, said(folder, held, questions, what=what, told=told))

    return tried


def _words(components: Sequence[str]) -> str:
    return " and ".join(component.replace("_", " ") for component in components)
