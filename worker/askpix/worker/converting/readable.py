"""Which texts a model can be asked: so that one odd row of a list ends no calibration and no comparison."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from askpix.worker.blip.text import BlipTokenizer
from askpix.worker.models.blip_manifest import BlipManifest


class Readable:
    """Knows the texts that the model of a folder can be asked.

    Raises:
        ModelError: its tokenizer cannot be read.
    """

    def __init__(self, folder: Path, manifest: BlipManifest) -> None:
        self._tokenizer = BlipTokenizer(folder, manifest)
        self._longest = manifest.sizes.max_positions

    def of(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Returns those of some texts that are neither blank nor too long."""
        return tuple(
            text for text in texts if text.strip() and len(self._tokenizer.encode_question(text)) <= self._longest
        )
