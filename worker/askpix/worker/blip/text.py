"""Texts to token ids and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from askpix.producer.errors import ModelError
from askpix.worker.models.blip_manifest import BlipManifest

Ids = npt.NDArray[np.int64]


class BlipTokenizer:
    """A BERT tokenizer; `encode_question` gives [CLS] text [SEP], the others what a decoder writes."""

    def __init__(self, folder: Path, manifest: BlipManifest) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # noqa: BLE001 - the library raises plain Exception
            raise ModelError(f"{folder}/tokenizer.json cannot be read: {error}") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.end: int = manifest.tokens.end

    def encode_question(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def encode_prompt(self, text: str) -> list[int]:
        """Returns the ids of a text that a caption begins with, without the start token."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def encode_answer(self, text: str) -> list[int]:
        """Returns the ids of a whole answer, the end token included."""
        return [*self.encode_prompt(text), self.end]

    def decode(self, ids: list[int]) -> str:
        """Returns the text of ids, without special tokens."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text.strip()
