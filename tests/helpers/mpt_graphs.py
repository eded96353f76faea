"""The graphs of a converted LLaVA-MPT, run by OpenVINO alone, without the pipeline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from helpers.mpt_reference import Reference, normalised

_Numbers = np.ndarray[Any, Any]
_EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}


class Graphs:
    """Of a model folder; what they compute is f32.

    Args:
        reference: of the checkpoint, for its tokenizer.
    """

    def __init__(self, folder: Path, reference: Reference) -> None:
        self._reference = reference
        self._settings = json.loads((folder / "preprocessor_config.json").read_text())
        core = ov.Core()
        self._encoder, self._embedding, self._decoder = (
            core.compile_model(folder / f"openvino_{part}_model.xml", "CPU", _EXACT)
            for part in ("vision_embeddings", "text_embeddings", "language")
        )

    def scores(self, pixels: _Numbers, prompt: str, ids: Sequence[int]) -> torch.Tensor:
        """Returns the log-probabilities [N + 1, V] of what stands behind a prompt and each of N tokens after it.

        They are read in two halves, of which the second goes on with what the first has left.
        """
        before, behind = (self._reference.tokenizer(text)["input_ids"] for text in prompt.split("<image>"))
        seen = self._encoder(normalised(pixels, self._settings))[0]
        states = np.concatenate([self._embedded(before), seen, self._embedded([*behind, *ids])], axis=1)
        request, total = self._decoder.create_infer_request(), states.shape[1]
        logits = []
        for first, last in ((0, total // 2), (total // 2, total)):
            given = {"inputs_embeds": states[:, first:last], "attention_mask": np.ones((1, last), np.int64)}
            logits.append(request.infer({**given, "beam_idx": np.zeros(1, np.int32)})["logits"].copy())
        return torch.from_numpy(np.concatenate(logits, axis=1)[0, -len(ids) - 1 :]).log_softmax(-1)

    def _embedded(self, ids: Sequence[int]) -> _Numbers:
        return np.asarray(self._embedding(np.array([ids], np.int64))[0])
