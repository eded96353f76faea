"""Wide tables of jobs, read back."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from askpix.producer import Question
from askpix.producer.export import Wishes, export
from askpix.producer.job_folder import JobFolder

COLOR = Question("what color?", name="color", choices=["red", "blue"])
PRINT = Question("is there a {choice} on it?", name="print", choices=["cat", "star"], multiple=True)
WIDE = Wishes(form="wide")


def cells(folder: JobFolder, name: str = "out.csv", wishes: Wishes = WIDE) -> list[list[str]]:
    """Returns the lines of the CSV that is made of a job."""
    place = Path(folder.uri).parent / name
    export(folder, str(place), force=True, wishes=wishes)
    with place.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t" if name.endswith(".tsv") else ","))


def objects(folder: JobFolder, wishes: Wishes = WIDE) -> list[dict[str, Any]]:
    """Returns the lines of the .jsonl that is made of a job."""
    place = Path(folder.uri).parent / "out.jsonl"
    export(folder, str(place), force=True, wishes=wishes)
    return [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()]


def table(folder: JobFolder, wishes: Wishes = WIDE) -> pa.Table:
    """Returns the Parquet file that is made of a job."""
    place = Path(folder.uri).parent / "out.parquet"
    export(folder, str(place), force=True, wishes=wishes)
    return pq.read_table(place)
