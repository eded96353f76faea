"""The table of settings is that of the class."""

from __future__ import annotations

import pytest
from docs._site import settings

from askpix.producer.settings import Settings


def test_the_page_is_as_make_settings_writes_it() -> None:
    page = settings.PAGE.read_text(encoding="utf-8")

    assert settings.written(page) == page, "the table of docs/settings.md is stale: run `make settings`"


def test_every_setting_is_in_it_with_one_sentence() -> None:
    table = settings.table()

    for name, field in Settings.model_fields.items():
        assert (f"| `ASKPIX_{name.upper()}` |" in table) is (field.validation_alias is None)
    assert all(len(line.split(" | ")) == 4 for line in table.splitlines())


def test_a_page_without_a_place_for_it_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no place for the table"):
        settings.written("# Settings\n")
