"""What plain PyTorch says of a LLaVA-MPT.

It knows nothing of askpix's conversion: it reads the checkpoint's files, and attends in lines of its own.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from helpers.tiny_mpt import SIDE
from PIL import Image
from torch.nn import functional
from transformers import CLIPVisionModel, PreTrainedTokenizerFast

_Pixels = np.ndarray[Any, Any]


class Reference:
    """A checkpoint, run by plain PyTorch in float32, one text at a time, without a cache."""

    def __init__(self, folder: Path, tower: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.weights: dict[str, torch.Tensor] = {}
        for path in sorted(folder.glob("pytorch_model*.bin")):
            self.weights |= torch.load(path, weights_only=True)
        self.weights = {name.removeprefix("transformer."): one.float() for name, one in self.weights.items()}
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
        self.tower = CLIPVisionModel.from_pretrained(tower).eval()
        self.settings = json.loads((tower / "preprocessor_config.json").read_text())
        self.marked = bool(self.config["mm_use_im_start_end"])
        self.ends = [self.tokenizer.convert_tokens_to_ids(token) for token in ("<|endoftext|>", "<|im_end|>")]

    def prompt_ids(self, prompt: str) -> list[list[int]]:
        """Returns the tokens before and behind each image: they are made apart, as LLaVA does."""
        written = prompt.replace("<image>", "<im_start><image><im_end>") if self.marked else prompt
        return [self.tokenizer(text)["input_ids"] for text in written.split("<image>")]

    @torch.inference_mode()
    def generate(self, pixels: Sequence[_Pixels], prompt: str, length: int) -> list[int]:
        """Returns the likeliest tokens, one by one, up to one that ends the text."""
        states = self._states(pixels, prompt)
        ids: list[int] = []
        while len(ids) < length and not (ids and ids[-1] in self.ends):
            ids.append(int(self._logits(states)[-1].argmax()))
            states = torch.cat([states, self.weights["wte.weight"][ids[-1]][None]])
        return ids

    @torch.inference_mode()
    def scores(self, pixels: Sequence[_Pixels], prompt: str, ids: Sequence[int]) -> torch.Tensor:
        """Returns the log-probabilities [N + 1, V] of what stands behind a prompt and each of N tokens after it."""
        states = torch.cat([self._states(pixels, prompt), self.weights["wte.weight"][torch.tensor(ids)]])
        return self._logits(states)[-len(ids) - 1 :].log_softmax(-1)

    @torch.inference_mode()
    def written(self, pixels: Sequence[_Pixels], prompt: str, text: str) -> tuple[float, int]:
        """Returns the log-probability of writing a text, with a space before it or without, where nothing else may be;
        and its tokens, the end included.

        Of the tokens that go on with it the likeliest is taken each time.
        """
        letters = {number: self.tokenizer.decode([number]) for number in range(len(self.tokenizer))}
        states, done, total = self._states(pixels, prompt), "", 0.0
        for length in itertools.count(1):
            if done.strip() == text:
                allowed = list(self.ends)
            else:
                left = [whole[len(done) :] for whole in (text, " " + text) if whole.startswith(done)]
                allowed = [number for number, part in letters.items() if part and any(map(_begins(part), left))]
            scores = self._logits(states)[-1].log_softmax(-1)[torch.tensor(allowed)]
            best = int(scores.argmax())
            total += float(scores[best])
            if allowed[best] in self.ends:
                return total, length
            done += letters[allowed[best]]
            states = torch.cat([states, self.weights["wte.weight"][allowed[best]][None]])
        raise AssertionError

    def _states(self, pixels: Sequence[_Pixels], prompt: str) -> torch.Tensor:
        """Returns a prompt and its images as embeddings [N, D]."""
        first, *texts = (self.weights["wte.weight"][torch.tensor(ids)] for ids in self.prompt_ids(prompt))
        shown = [part for one, text in zip(pixels, texts, strict=True) for part in (self._image(one), text)]
        return torch.cat([first, *shown])

    def _image(self, pixels: _Pixels) -> torch.Tensor:
        """Returns an image as embeddings [P, D]."""
        seen = self.tower(torch.from_numpy(normalised(pixels, self.settings)), output_hidden_states=True)
        first = 0 if self.config.get("mm_vision_select_feature") == "cls_patch" else 1
        states = seen.hidden_states[self.config["mm_vision_select_layer"]][0, first:]
        return states @ self.weights["mm_projector.weight"].T + self.weights["mm_projector.bias"]

    def _logits(self, states: torch.Tensor) -> torch.Tensor:
        """Returns logits [N, V] of embedded tokens [N, D]."""
        for number in range(self.config["n_layers"]):
            states = self._block(states, {
                name.removeprefix(f"blocks.{number}."): one
                for name, one in self.weights.items() if name.startswith(f"blocks.{number}.")
            })  # fmt: skip
        normed = functional.layer_norm(states, states.shape[1:], self.weights["norm_f.weight"])
        head = self.weights.get("lm_head.weight", self.weights["wte.weight"])
        scale = self.config["logit_scale"] or 1
        return normed @ head.T * (self.config["d_model"] ** -0.5 if scale == "inv_sqrt_d_model" else scale)

    def _block(self, states: torch.Tensor, own: dict[str, torch.Tensor]) -> torch.Tensor:
        attention, heads = self.config["attn_config"], self.config["n_heads"]
        length, width = states.shape
        made = functional.layer_norm(states, (width,), own["norm_1.weight"]) @ own["attn.Wqkv.weight"].T
        if attention["clip_qkv"]:
            made = made.clamp(-attention["clip_qkv"], attention["clip_qkv"])
        query, key, value = (part.view(length, heads, -1).transpose(0, 1) for part in made.split(width, dim=1))
        scores = query @ key.transpose(1, 2) * (attention["softmax_scale"] or (width / heads) ** -0.5)
        distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        slope = torch.tensor(_slopes(heads, attention["alibi_bias_max"]))[:, None, None]
        scores = (scores - slope * distance).masked_fill(distance < 0, -math.inf)
        attended = (scores.softmax(-1) @ value).transpose(0, 1).reshape(length, width)
        states = states + attended @ own["attn.out_proj.weight"].T
        inner = functional.layer_norm(states, (width,), own["norm_2.weight"]) @ own["ffn.up_proj.weight"].T
        return states + functional.gelu(inner) @ own["ffn.down_proj.weight"].T


def normalised(pixels: _Pixels, settings: Mapping[str, Any]) -> _Pixels:
    """Returns an image as an encoder takes it [1, 3, S, S]: the shorter side is resized, the middle cut out."""
    image = Image.fromarray(pixels)
    scale = SIDE / min(image.size)
    wide, high = (max(int(size * scale), SIDE) for size in image.size)
    left, top = (wide - SIDE) // 2, (high - SIDE) // 2
    cut = image.resize((wide, high), Image.Resampling.BICUBIC).crop((left, top, left + SIDE, top + SIDE))
    values = (np.asarray(cut, np.float32) / 255 - settings["image_mean"]) / settings["image_std"]
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32)


def _begins(part: str) -> Callable[[str], bool]:
    return lambda whole: whole.startswith(part)


def _slopes(heads: int, most: float) -> list[float]:
    """Returns a slope for each head; of 6 those of 8 heads, every other one, the second first."""
    power = 1
    while power < heads:
        power *= 2
    every = [2 ** (-most * number / power) for number in range(1, power + 1)]
    return every if power == heads else (every[1::2] + every[0::2])[:heads]
