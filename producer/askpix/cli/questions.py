"""What the file that `--questions` names has a model asked, where only the texts count."""

from __future__ import annotations

from pathlib import Path

from askpix.producer.placeholders import with_choice
from askpix.producer.sheets.reading import read_questions


def texts_asked(path: Path) -> tuple[str, ...]:
    """Returns the texts of a sheet; one that asks of each of several choices comes once for each of them.

    Raises:
        InputError: the file cannot be read, or the sheet has mistakes.
    """
    return tuple(
        text
        for question in read_questions(path)
        for text in (
            [with_choice(question.text, choice) for choice in question.choices or ()]
            if question.multiple
            else [question.text]
        )
    )
