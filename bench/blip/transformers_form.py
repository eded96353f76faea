"""Forms (a) and (b): the modules of transformers, on torch, as their documentation uses them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from bench.blip.forms import SequentialForm
from bench.blip.tasks import Pair, Pixels, Said


class TransformersForm(SequentialForm):
    """A checkpoint, in float32 or bfloat16, in batches of any size.

    Questions of one batch must be equally long: these modules attend to padding.
    """

    def __init__(self, checkpoint: Path, *, dtype: str, batch: int) -> None:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        transformers.utils.logging.disable_progress_bar()
        processor = json.loads((checkpoint / "preprocessor_config.json").read_text())
        self._mean = torch.tensor(processor["image_mean"]).view(1, 3, 1, 1)
        self._std = torch.tensor(processor["image_std"]).view(1, 3, 1, 1)
        self._dtype: torch.dtype = getattr(torch, dtype)
        kind = transformers.BlipForQuestionAnswering
        self._model: Any = kind.from_pretrained(checkpoint, dtype=self._dtype, local_files_only=True).eval()
        self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(checkpoint, local_files_only=True)
        self.batch = batch
        # A larger batch needs more images for a turn of the same number of batches.
        self.share = 8 if batch > 1 else 32

    def texts(self, pairs: list[Pair], tokens: int) -> list[Said]:
        pixel_values = self._pixel_values([image for image, _ in pairs])
        questions = [question for _, question in pairs if question is not None]
        greedy = {"max_new_tokens": tokens, "do_sample": False, "num_beams": 1}
        with torch.inference_mode():
            ids = self._answers(pixel_values, questions, greedy) if questions else self._captions(pixel_values, greedy)
        return [self._said(row) for row in ids.tolist()]

    def _captions(self, pixel_values: torch.Tensor, greedy: dict[str, Any]) -> torch.Tensor:
        """A model that answers questions has no method for captions; this is what one that captions does."""
        text = self._model.config.text_config
        states = self._model.vision_model(pixel_values).last_hidden_state
        ids: torch.Tensor = self._model.text_decoder.generate(
            input_ids=torch.full((len(states), 1), text.bos_token_id),
            encoder_hidden_states=states,
            eos_token_id=text.sep_token_id,
            pad_token_id=text.pad_token_id,
            **greedy,
        )
        return ids

    def _answers(self, pixel_values: torch.Tensor, questions: list[str], greedy: dict[str, Any]) -> torch.Tensor:
        # Padded, as one would do it; the decoder then attends to the padding. What is compared has batch 1.
        inputs = self._tokenizer(questions, padding=True, return_tensors="pt")
        ids: torch.Tensor = self._model.generate(
            inputs.input_ids, pixel_values, attention_mask=inputs.attention_mask, **greedy
        )
        return ids

    def _pixel_values(self, images: list[Pixels]) -> torch.Tensor:
        """Returns [batch, 3, height, width], normalised as the checkpoint's image processor does it."""
        stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
        return ((stacked / 255 - self._mean) / self._std).to(self._dtype)

    def _said(self, ids: list[int]) -> Said:
        # The first is the start token.
        return Said(text=self._tokenizer.decode(ids, skip_special_tokens=True).strip(), tokens=len(ids) - 1)
