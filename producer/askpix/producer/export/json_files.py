"""A JSON file for each answered image, with the columns of the wide table."""

from __future__ import annotations

from pathlib import Path

from askpix.producer.export.columns import wide_columns
from askpix.producer.export.form import Exported, Form, Source
from askpix.producer.export.rows import json_line
from askpix.producer.export.sidecars import write_sidecars
from askpix.producer.results import Line


def write_objects(source: Source, target: Path, *, force: bool) -> Exported:
    """Writes a file `mug.json` for the image `mug.jpg`; see `write_sidecars`."""
    columns = wide_columns(source)
    names = columns.schema().names

    def content(line: Line) -> bytes:
        return json_line(dict(zip(names, columns.values(line), strict=True)))

    return write_sidecars(source, target, force=force, suffix=".json", content=content, noun="JSON file")


FORM = Form(name="json", said="a JSON file for each image", folder=write_objects)
