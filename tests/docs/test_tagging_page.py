"""The page about sheets shows the sheet that is there, and has every key."""

from __future__ import annotations

import re
from pathlib import Path

from askpix.producer.sheets.keys import KEYS
from askpix.producer.titles import ENDINGS, RESULT_COLUMNS

ROOT = Path(__file__).parents[2]
SHEET = ROOT / "demo/tags.yaml"
PAGE = (ROOT / "docs/tagging.md").read_text(encoding="utf-8")


def test_the_sheet_on_the_page_is_the_demos() -> None:
    (shown,) = re.findall(r"```yaml\n(- .*?)```", PAGE, re.DOTALL)

    assert "".join(line for line in SHEET.read_text().splitlines(keepends=True) if not line.startswith("#")) == shown


def test_the_table_has_every_key_and_no_other() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)

    assert {key for row in rows for key in re.findall(r"`(\w+)`", row)} == set(KEYS)


def test_names_that_are_refused_are_told() -> None:
    for name in (*RESULT_COLUMNS, *(f"NAME{ending}" for ending in ENDINGS)):
        assert f"`{name}`" in PAGE
