"""What transformers makes of an image: its own modules, greedy, one image and one text at a time."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A text as transformers generates it."""

    text: str
    tokens: int
    """How many were generated, the end token included."""

    confidence: float
    """The geometric mean of their probabilities."""


class Reference:
    """A checkpoint, as a user of transformers would run it.

    One thread for a small model: on a busy machine torch's threads wait for each other ten times
    longer than they compute.
    """

    def __init__(self, checkpoint: Path, *, max_new_tokens: int = 20, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        config = json.loads((checkpoint / "config.json").read_text())
        processor = json.loads((checkpoint / "preprocessor_config.json").read_text())
        transformers.utils.logging.disable_progress_bar()
        kind = getattr(transformers, config["architectures"][0])
        self.model: Any = kind.from_pretrained(checkpoint, dtype=torch.float32).eval()
        self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(checkpoint)
        self._size = (processor["size"]["width"], processor["size"]["height"])
        self._mean, self._std = np.float32(processor["image_mean"]), np.float32(processor["image_std"])
        self._generation = {
            "max_new_tokens": max_new_tokens,
            "do_sample": False,
            "num_beams": 1,
            "output_scores": True,
            "return_dict_in_generate": True,
        }

    def pixel_values(self, image: Image.Image) -> Tensor:
        """Returns float32 [1, 3, height, width], as the checkpoint's own image processor makes it."""
        resized = np.asarray(image.convert("RGB").resize(self._size, Image.Resampling.BICUBIC), np.float32)
        return torch.from_numpy(((resized / 255 - self._mean) / self._std).transpose(2, 0, 1)[None].copy())

    def caption(self, image: Image.Image, prompt: str | None = None) -> Expected:
        """Captions as BlipForConditionalGeneration does: the decoder over the image's states."""
        text = self.model.config.text_config
        with torch.inference_mode():
            if isinstance(self.model, transformers.BlipForConditionalGeneration):
                given = self.tokenizer(prompt, return_tensors="pt").input_ids if prompt else None
                return self._expected(self.model.generate(self.pixel_values(image), given, **self._generation))
            generated = self.model.text_decoder.generate(
                input_ids=torch.tensor([[text.bos_token_id]]),
                encoder_hidden_states=self._attended(image, None),
                eos_token_id=text.sep_token_id,
                pad_token_id=text.pad_token_id,
                **self._generation,
            )
        return self._expected(generated)

    def answer(self, image: Image.Image, question: str) -> Expected:
        ids = self.tokenizer(question, return_tensors="pt").input_ids
        with torch.inference_mode():
            return self._expected(self.model.generate(ids, self.pixel_values(image), **self._generation))

    def match(self, image: Image.Image, text: str) -> float:
        """Returns the probability that a text fits an image, as the model's matching head has it."""
        ids = self.tokenizer(text, return_tensors="pt").input_ids
        with torch.inference_mode():
            return float(self.model(ids, self.pixel_values(image)).itm_score.softmax(-1)[0, 1])

    def texts(self, image: Image.Image, question: str | None = None, **settings: Any) -> list[tuple[str, int]]:
        """Returns the texts that `generate` gives with these settings, and how many tokens each has."""
        text = self.model.config.text_config
        with torch.inference_mode():
            sequences = self.model.text_decoder.generate(
                input_ids=torch.tensor([[text.bos_token_id]]),
                encoder_hidden_states=self._attended(image, question),
                eos_token_id=text.sep_token_id,
                pad_token_id=text.pad_token_id,
                **{"do_sample": False, "num_beams": 1, **settings},
            )
        found = []
        for ids in sequences.tolist():
            new = ids[1:]
            length = new.index(text.sep_token_id) + 1 if text.sep_token_id in new else len(new)
            found.append((self.tokenizer.decode(new[:length], skip_special_tokens=True).strip(), length))
        return found

    def next_probabilities(
        self, image: Image.Image, question: str | None, before: Sequence[int] = (), **settings: Any
    ) -> Tensor:
        """Returns how likely `generate` draws each token after the start and these, float64 [V]."""
        text = self.model.config.text_config
        with torch.inference_mode():
            generated = self.model.text_decoder.generate(
                input_ids=torch.tensor([[text.bos_token_id, *before]]),
                encoder_hidden_states=self._attended(image, question),
                eos_token_id=text.sep_token_id,
                pad_token_id=text.pad_token_id,
                max_new_tokens=1,
                do_sample=True,
                output_scores=True,
                return_dict_in_generate=True,
                **settings,
            )
        return generated.scores[0][0].double().softmax(-1)

    def _attended(self, image: Image.Image, question: str | None) -> Tensor:
        """Returns the states that a caption, or an answer, attends to."""
        with torch.inference_mode():
            states = self.model.vision_model(self.pixel_values(image)).last_hidden_state
            if question is None:
                return states
            ids = self.tokenizer(question, return_tensors="pt").input_ids
            return self.model.text_encoder(ids, encoder_hidden_states=states).last_hidden_state

    def choices(self, image: Image.Image, question: str, choices: tuple[str, ...]) -> list[float]:
        """Returns how likely each is, by teacher forcing one at a time: the softmax over the means of its tokens'
        log-probabilities, each times the choices' mean length; of choices equally long, over their log-likelihoods."""
        text = self.model.config.text_config
        states = self._attended(image, question)
        means, lengths = [], []
        with torch.inference_mode():
            for choice in choices:
                target = [*self.tokenizer(choice, add_special_tokens=False).input_ids, text.sep_token_id]
                given = torch.tensor([[text.bos_token_id, *target[:-1]]])
                logits = self.model.text_decoder(given, encoder_hidden_states=states).logits[0]
                means.append(logits.log_softmax(-1)[range(len(target)), target].double().mean())
                lengths.append(len(target))
        return (torch.stack(means) * (sum(lengths) / len(lengths))).softmax(0).tolist()

    def _expected(self, generated: Any) -> Expected:
        ids = generated.sequences[0].tolist()
        new = ids[len(ids) - len(generated.scores) :]
        log_probabilities = [
            float(scores[0].log_softmax(-1)[token]) for scores, token in zip(generated.scores, new, strict=True)
        ]
        return Expected(
            text=self.tokenizer.decode(ids, skip_special_tokens=True).strip(),
            tokens=len(new),
            confidence=math.exp(sum(log_probabilities) / len(log_probabilities)),
        )
