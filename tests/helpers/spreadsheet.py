"""What LibreOffice makes of a table."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

Cell = str | float | None
"""A text, a number, or nothing."""

_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"

# As its dialog reads a file by default: commas (44) or tabs (9), quotes (34), UTF-8 (76), from line 1.
_AS_UTF8 = "Text - txt - csv (StarCalc):{separator},34,76,1"


def opened(file: Path, *, separator: str = ",") -> list[list[Cell]]:
    """Returns the cells of a table as LibreOffice has them; skips the test where there is none.

    Raises:
        AssertionError: a cell holds a formula, or what is neither a text nor a number.
    """
    program = shutil.which("soffice")
    if program is None:
        assert "ASKPIX_TESTS_MUST_NOT_SKIP" not in os.environ, "there is no LibreOffice (libreoffice-calc-nogui)"
        pytest.skip("there is no LibreOffice (Debian package libreoffice-calc-nogui)")
    folder = file.with_name("spreadsheet")
    subprocess.run(
        [
            program, "--headless", f"-env:UserInstallation={(folder / 'profile').as_uri()}",
            f"--infilter={_AS_UTF8.format(separator=ord(separator))}",
            "--convert-to", "fods", "--outdir", str(folder), str(file),
        ],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    tree = ElementTree.parse(folder / f"{file.stem}.fods")
    return [_row(row) for row in tree.iter(f"{_TABLE}table-row")]


def _row(row: ElementTree.Element) -> list[Cell]:
    cells: list[Cell] = []
    for cell in row.findall(f"{_TABLE}table-cell"):
        times = int(cell.get(f"{_TABLE}number-columns-repeated", "1"))
        # What is beyond the last column is one cell many times.
        cells += [_value(cell)] * min(times, 100)
    while cells and cells[-1] is None:
        cells.pop()
    return cells


def _value(cell: ElementTree.Element) -> Cell:
    assert cell.get(f"{_TABLE}formula") is None
    kind = cell.get(f"{_OFFICE}value-type")
    if kind is None:
        return None
    if kind == "float":
        return float(cell.get(f"{_OFFICE}value", ""))
    assert kind == "string"
    return "\n".join("".join(_texts(paragraph)) for paragraph in cell.findall(f"{_TEXT}p"))


def _texts(element: ElementTree.Element) -> list[str]:
    """Returns the texts in an element; runs of spaces, and tabs, are elements of their own."""
    said = [element.text or ""]
    for child in element:
        if child.tag == f"{_TEXT}s":
            said.append(" " * int(child.get(f"{_TEXT}c", "1")))
        elif child.tag == f"{_TEXT}tab":
            said.append("\t")
        else:
            said += _texts(child)
        said.append(child.tail or "")
    return said
