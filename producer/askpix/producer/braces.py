"""What stands in braces in a text that is asked: `{column}`, and `{choice}` for each of several choices."""

from __future__ import annotations

import re

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^\W\d][\w .-]{0,99})\}")
"""Two braces stand for one; what is in a pair of them and looks like a name is one. JSON in a text is left alone."""

CHOICE = "choice"
"""What stands in braces for the choice that is asked about, in a question about each of its choices."""


def with_choice(text: str, choice: str) -> str:
    """Returns a text with a choice in the place of `{choice}`; all else in it stays as it is."""
    return PLACEHOLDER.sub(lambda found: choice if found[1] == CHOICE else found[0], text)


def asks_of_choice(text: str) -> bool:
    """Returns whether `{choice}` in a text stands for one: `{{choice}}` stands for the word in braces."""
    return any(found[1] == CHOICE for found in PLACEHOLDER.finditer(text))
