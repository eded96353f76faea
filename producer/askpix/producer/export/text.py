"""A text file for each answered image, as training sets have them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from askpix.producer.export.form import Exported, Form, Source
from askpix.producer.export.sidecars import write_sidecars
from askpix.producer.results import Line, Said
from askpix.producer.rows import Answer


def write_texts(source: Source, target: Path, *, force: bool) -> Exported:
    """Writes a file `mug.txt` for the image `mug.jpg`; see `write_sidecars`."""
    return write_sidecars(source, target, force=force, suffix=".txt", content=_content, noun="text file")


def sidecar_text(answers: Sequence[Answer | Said]) -> str:
    """Returns the caption, or the text of the only answer; of several answers, a line each with its question."""
    if len(answers) == 1:
        return _line(answers[0].text)
    lines = ((_line(answer.name), _line(answer.text)) for answer in answers)
    return "\n".join(f"{name}{' ' if name.endswith(('?', ':')) else ': '}{text}" for name, text in lines)


def _content(line: Line) -> bytes:
    return f"{sidecar_text(line.answers)}\n".encode(errors="replace")


def _line(text: str) -> str:
    spaced = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text or "")
    return " ".join(spaced.split())


FORM = Form(name="text", said="a text file for each image", folder=write_texts)
