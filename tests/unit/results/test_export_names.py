"""Names that many want: each is found at once, and none is long."""

from __future__ import annotations

from itertools import islice, product
from pathlib import Path

import pytest
from helpers.exports import row, table

from askpix.producer.export.named_files import NamedFiles
from askpix.producer.export.tables import ColumnNames


def test_the_first_clash_is_told_by_a_word_and_later_ones_by_numbers() -> None:
    names = ColumnNames(["Status"])

    found = [names.free(name, before="input_") for name in ("status", "STATUS", "sTatus", "input_status_3", "other")]

    assert found == ["input_status", "input_STATUS_2", "input_sTatus_3", "input_input_status_3", "other"]


def test_a_number_that_a_column_has_already_is_left_out() -> None:
    names = ColumnNames(["a", "input_a", "input_a_2", "input_a_3_said"])

    assert names.free("A", before="input_", endings=("", "_said")) == "input_A_4"


def test_keys_that_differ_by_capitals_alone_have_short_names_of_their_own(tmp_path: Path) -> None:
    keys = ["".join(letters) for letters in islice(product(*zip("abcdefghijklm", "ABCDEFGHIJKLM", strict=True)), 8_000)]

    head, _ = table(tmp_path, row(extra=dict.fromkeys(keys, 1)))

    assert len({name.casefold() for name in head}) == len(head) == 12 + len(keys)
    assert max(map(len, head)) < 30


@pytest.mark.parametrize("stem", ["front", "x" * 255])
def test_of_equal_names_each_tries_its_own_number_alone(
    tmp_path: Path, stem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *mode: (tried.append(path.name), opened(path, *mode))[1])
    named = NamedFiles(tmp_path)
    assert named.write(("shop", stem[:250]), ".txt", b"1") == f"shop/{stem[:250]}.txt"

    found = [
        named.write_numbered(("shop", f"{stem[:-1]}{last}"), ".txt", b"x") for last in "tt" + "uv" * (len(stem) > 9)
    ]

    assert len(set(found)) == len(found)
    assert len(tried) == len(found) + 1
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("shop/*-*")) == sorted(found)
    assert all(path.endswith(f"-{number}.txt") for number, path in enumerate(found, 2))
