"""Form (c): the public OpenVINO notebook's pipeline, batch 1, with the compile settings that OpenVINO has by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from bench.blip.forms import SequentialForm
from bench.blip.tasks import Pair, Pixels, Said
from tokenizers import Tokenizer

Floats = npt.NDArray[np.float32]


class NotebookForm(SequentialForm):
    """One image at a time; each question runs vision encoder, text encoder and decoder.

    Args:
        checkpoint: whose configuration, image processor and tokenizer are used.
        graphs: the folder that `save_notebook_graphs` wrote.
        f32: compute in full precision, to be compared; else in what OpenVINO chooses.
    """

    def __init__(self, checkpoint: Path, graphs: Path, *, f32: bool = False) -> None:
        core = ov.Core()
        config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": ov.Type.f32} if f32 else {}
        names = ("vision", "text_encoder", "text_decoder")
        compiled = [core.compile_model(graphs / f"{name}.xml", "CPU", config) for name in names]
        self._vision, self._text_encoder, self._text_decoder = compiled
        processor = json.loads((checkpoint / "preprocessor_config.json").read_text())
        self._mean, self._std = np.float32(processor["image_mean"]), np.float32(processor["image_std"])
        text = json.loads((checkpoint / "config.json").read_text())["text_config"]
        self._start, self._end = text["bos_token_id"], text["sep_token_id"]
        heads = text["num_attention_heads"]
        empty = np.zeros((1, heads, 0, text["hidden_size"] // heads), np.float32)
        self._no_past = [empty] * (2 * text["num_hidden_layers"])
        self._tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))

    def texts(self, pairs: list[Pair], tokens: int) -> list[Said]:
        return [self._text(image, question, tokens) for image, question in pairs]

    def _text(self, image: Pixels, question: str | None, tokens: int) -> Said:
        pixel_values = ((image.astype(np.float32) / 255 - self._mean) / self._std).transpose(2, 0, 1)[None]
        states: Floats = self._vision([pixel_values])[0]
        if question is not None:
            ids = np.array([self._tokenizer.encode(question).ids], np.int64)
            states = self._text_encoder([ids, np.ones(ids.shape, np.float32), states])[0]
        generated = self._generate(states, tokens)
        return Said(text=self._tokenizer.decode(generated, skip_special_tokens=True).strip(), tokens=len(generated))

    def _generate(self, states: Floats, tokens: int) -> list[int]:
        """Decodes greedily, as `generate` of transformers does, with all of the past in and out at each step."""
        ids, past = [self._start], self._no_past
        while len(ids) <= tokens and ids[-1] != self._end:
            mask = np.ones((1, len(ids)), np.float32)
            outputs = self._text_decoder([np.array([ids[-1:]], np.int64), mask, states, *past])
            logits, *past = outputs.values()
            ids.append(int(logits[0, -1].argmax()))
        return ids[1:]
