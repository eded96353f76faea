"""A checkpoint run as transformers runs it: in PyTorch, one image and one text at a time, float32, greedy.

Needs the `convert` extra.
"""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from typing import Any

import numpy as np
import torch

from askpix.producer.errors import ModelError
from askpix.worker.converting.checkpoint import image_input, load_checkpoint
from askpix.worker.engine.base import Ability
from askpix.worker.image_form import Pixels


class Original:
    """The model of a checkpoint.

    Args:
        source: a local checkpoint folder or a hub id.
        max_new_tokens: of a text, as model folders have it.

    Raises:
        ModelError: it cannot be loaded, or generates no texts.
    """

    def __init__(self, source: str, *, max_new_tokens: int) -> None:
        checkpoint = load_checkpoint(source)
        if Ability.CAPTION not in checkpoint.abilities:
            raise ModelError(f"{source} generates no texts, it only scores them: it cannot be compared")
        self._model, self._tokenizer = checkpoint.model, checkpoint.tokenizer
        self.image = image_input(checkpoint)
        self._mean, self._std = np.array(self.image.mean, np.float32), np.array(self.image.std, np.float32)
        self.abilities = frozenset(checkpoint.abilities)
        self.bytes = sum(weights.numel() * weights.element_size() for weights in self._model.parameters())
        """That its parameters take."""
        text = self._model.config.text_config
        self._start = torch.tensor([[text.bos_token_id]])
        self._generation = {
            "max_new_tokens": max_new_tokens,
            "do_sample": False,
            "num_beams": 1,
            "eos_token_id": text.sep_token_id,
            "pad_token_id": text.pad_token_id,
        }

    def caption(self, pixels: Pixels) -> str:
        """Returns the caption of an image, uint8 [height, width, 3] in the model's size."""
        with torch.inference_mode():
            return self._generated(self._seen(pixels))

    def answer(self, pixels: Pixels, question: str) -> str:
        """Returns the answer to a question; the checkpoint is of a model that has the ability."""
        assert Ability.ANSWER in self.abilities
        ids = self._tokenizer(question, return_tensors="pt").input_ids
        with torch.inference_mode():
            read = self._model.text_encoder(ids, encoder_hidden_states=self._seen(pixels))
            return self._generated(read.last_hidden_state)

    def _seen(self, pixels: Pixels) -> Any:
        values = ((pixels.astype(np.float32) / 255 - self._mean) / self._std).transpose(2, 0, 1)[None]
        return self._model.vision_model(torch.from_numpy(values.copy())).last_hidden_state

    def _generated(self, states: Any) -> str:
        generated = self._model.text_decoder.generate(
            input_ids=self._start, encoder_hidden_states=states, **self._generation
        )
        return str(self._tokenizer.decode(generated[0], skip_special_tokens=True)).strip()
