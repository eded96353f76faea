"""What users write, before it goes into a prompt: no text of theirs may stand for an image, or end its turn."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PIPELINE_TAGS = r"<ov_genai_(?:image|video|audio)_\d+>"
"""The pipeline's own way to name images, which it looks for in any prompt."""


class Cleaner:
    """Takes out of texts what a model has a meaning of its own for.

    Args:
        reserved: the texts of its special tokens.
    """

    def __init__(self, reserved: Iterable[str]) -> None:
        longest_first = sorted((text for text in reserved if text), key=len, reverse=True)
        self._pattern = re.compile("|".join([*map(re.escape, longest_first), _PIPELINE_TAGS]))

    def clean(self, text: str) -> str:
        """Returns a text without them, also where one is left when another is taken out of it."""
        while (cleaned := self._pattern.sub("", text)) != text:
            text = cleaned
        return text
