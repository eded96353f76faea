"""What a language model is given for some images and questions, for the scales of its weights to be estimated on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from PIL import Image

from askpix.worker.converting.weights import Weights
from askpix.worker.models.vlm_manifest import FixedTokens
from askpix.worker.vlm.preparing import prepared
from askpix.worker.vlm.templates import CAPTION, template_named

IMAGE_ENCODER = "openvino_vision_embeddings_model.xml"
TOKEN_EMBEDDING = "openvino_text_embeddings_model.xml"  # noqa: S105 - a file's name

IMAGE = "<image>"
"""The token in whose place an image is put."""


class Samples:
    """Inputs of a language model's graph, one image with a question each; read anew each time.

    Args:
        template: how questions are written.
        edge: of the encoder's images, in pixels.
        settings: of the image processor: image_mean and image_std.
        folder: where the graphs of image encoder and token embedding are.
        weights: whose images and questions are taken.
    """

    def __init__(
        self,
        tokenizer: Any,
        template: str,
        edge: int,
        settings: dict[str, Any],
        folder: Path,
        weights: Weights,
        told: Callable[[str], None],
    ) -> None:
        self._tokenizer, self._template = tokenizer, template_named(template)
        self._form = FixedTokens(tokens=1, edge=edge)
        self._mean, self._std = (np.array(settings[name], np.float32) for name in ("image_mean", "image_std"))
        self._folder, self._told = folder, told
        self._images, self._texts = weights.images, weights.questions or (CAPTION,)

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        core = ov.Core()
        encoder, embedding = (
            core.compile_model(self._folder / name, "CPU") for name in (IMAGE_ENCODER, TOKEN_EMBEDDING)
        )
        for number, path in enumerate(self._images):
            self._told(f"looking at images: {number + 1} of {len(self._images)}")
            with Image.open(path) as image:
                pixels = prepared(self._form, np.asarray(image.convert("RGB")))
            values = ((pixels.astype(np.float32) / 255 - self._mean) / self._std).transpose(2, 0, 1)[None]
            seen = encoder(values)[0]
            prompt = self._template.prompt(self._texts[number % len(self._texts)], image=self._template.image)
            before, behind = (embedding(self._ids(text))[0] for text in prompt.split(IMAGE, 1))
            embeds = np.concatenate([before, seen, behind], axis=1)
            yield {
                "inputs_embeds": embeds,
                "attention_mask": np.ones(embeds.shape[:2], np.int64),
                "beam_idx": np.zeros(1, np.int32),
            }

    def _ids(self, text: str) -> NDArray[np.int64]:
        return np.array([self._tokenizer(text)["input_ids"]], np.int64)
