"""What a model's graphs are fed while they are quantized: images, and questions asked of them.

Images may be many and may come one at a time only, and quantizing reads them several times: so they are
kept in files, and one of them is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import openvino as ov

from askpix.producer.errors import ModelError
from askpix.worker.blip.questions import packed
from askpix.worker.blip.text import BlipTokenizer
from askpix.worker.image_form import Pixels
from askpix.worker.models.blip_manifest import BlipManifest, ImageInput

QUESTIONS = (
    "what is in the picture?",
    "what color is it?",
    "how many are there?",
    "is there a person in the image?",
    "where was this photo taken, and at what time of the day?",
    "what?",
)
"""Asked where nobody says what will be: short and long ones, of the kinds that are asked of photographs."""

QUESTIONS_AT_ONCE = 8
"""Asked of one image; those of a longer list are taken in turn."""

_Question = TypeVar("_Question")
_Number = TypeVar("_Number", np.uint8, np.float32)
Inputs = Mapping[str, npt.NDArray[Any]]
"""A graph's inputs by name."""


class Spool(Generic[_Number]):
    """Arrays of one shape and dtype, kept in a file behind one another."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: type[_Number]) -> None:
        self._path, self._shape = path, shape
        self._dtype: type[_Number] = dtype
        self._first, self._number = 0, 0

    def __len__(self) -> int:
        return self._number

    def split(self, number: int) -> tuple[Spool[_Number], Spool[_Number]]:
        """Returns the first so many arrays and the others, of the same file; nothing is to be appended any more."""
        head, tail = (Spool(self._path, self._shape, self._dtype) for _ in range(2))
        head._first, head._number = self._first, number
        tail._first, tail._number = self._first + number, self._number - number
        return head, tail

    def append(self, array: npt.NDArray[_Number]) -> None:
        """Raises ModelError where there is no room for it."""
        try:
            with self._path.open("ab") as file:
                file.write(np.ascontiguousarray(array).data)
        except OSError as error:
            raise ModelError(f"{self._path} cannot be written: {(error.strerror or str(error)).lower()}") from None
        self._number += 1

    def __iter__(self) -> Iterator[npt.NDArray[_Number]]:
        size = int(np.prod(self._shape))
        with self._path.open("rb") as file:
            file.seek(self._first * size * np.dtype(self._dtype).itemsize)
            for _ in range(self._number):
                yield np.fromfile(file, self._dtype, size).reshape(self._shape)


def spooled_images(images: Iterable[Pixels], form: ImageInput, number: int, path: Path) -> Spool[np.uint8]:
    """Keeps up to `number` images of the model's form, uint8 [height, width, 3] each.

    Raises:
        ModelError: there is none, or one of another form.
    """
    shape = (form.height, form.width, 3)
    spool = Spool(path, shape, np.uint8)
    for image in islice(images, number):
        if image.dtype != np.uint8 or image.shape != shape:
            raise ModelError(f"the model is calibrated on images uint8 {shape}, not {image.dtype} {image.shape}")
        spool.append(image)
    if not len(spool):
        raise ModelError("there is no image to calibrate on")
    return spool


def spooled_states(encoder: Path, images: Iterable[Pixels], manifest: BlipManifest, path: Path) -> Spool[np.float32]:
    """Keeps the image states, float32 [S, E] each, that a vision encoder makes of images."""
    # Computed in float32, as the graph that is to be quantized is while it is watched.
    compiled = ov.Core().compile_model(encoder, "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.f32})
    spool = Spool(path, (manifest.sizes.image_tokens, manifest.sizes.image_hidden), np.float32)
    for image in images:
        spool.append(compiled(image[None])["states"][0])
    return spool


def question_inputs(
    folder: Path, manifest: BlipManifest, states: Spool[np.float32], questions: Sequence[str]
) -> Iterator[Inputs]:
    """Yields what the text encoder of a folder takes: for each image, its states and some of the questions.

    These are none that is too long for the model.
    """
    tokenizer = BlipTokenizer(folder, manifest)
    asked = [tokenizer.encode_question(question) for question in questions]
    for index, one in enumerate(states):
        ids, positions, numbers = packed([turn_of(asked, index)], manifest.tokens.pad)
        yield {"ids": ids, "positions": positions, "questions": numbers, "states": one[None]}


def turn_of(questions: Sequence[_Question], index: int) -> list[_Question]:
    """Returns which of many questions are asked of an image, by its number: eight at the most, all in turn."""
    number = min(len(questions), QUESTIONS_AT_ONCE)
    return [questions[(index * number + place) % len(questions)] for place in range(number)]
