"""`askpix review` and `askpix correct`: what they say, and what they leave behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.processes import Ran, askpix, the_complaint
from helpers.tagged import COLOR, tagged

from askpix.producer.storage import LocalStorage


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a job of three answers."""
    tagged(LocalStorage(tmp_path / "job"), (COLOR,), {name: {"color": (0.5, 0.3, 0.2)} for name in "abc"})
    return tmp_path


def test_a_review_is_written_filled_in_and_read_back(place: Path) -> None:
    wrote = askpix("review", "job", "--below", "0.6", "--to", "check.csv", cwd=place)
    assert wrote == Ran(0, "", "check.csv: 3 answers to check, of 3\n")
    lines = (place / "check.csv").read_text(encoding="utf-8").splitlines()
    lines[1:] = [lines[1] + "gray", lines[2] + "blue", lines[3]]
    (place / "check.csv").write_text("\n".join(lines), encoding="utf-8")

    kept = askpix("correct", "job", "check.csv", cwd=place)
    again = askpix("review", "job", "--to", "-", cwd=place)

    assert kept.code == 1
    assert kept.err.splitlines() == [
        "check.csv, line 3: color: 'blue' is none of its terms, which are red, green, grey",
        f"{place / 'job'}: 1 correction kept, 1 refused: put them right and run it again",
    ]
    assert [line.split(",")[0] for line in again.out.splitlines()] == ["\ufeffid", "b", "c"]
    assert again.err == "standard output: 2 answers to check, of 3; 1 were corrected already\n"


def test_a_table_of_which_nothing_is_right_ends_with_2(place: Path) -> None:
    (place / "check.csv").write_text("id,attribute,correction\nz,color,red\n", encoding="utf-8")

    assert askpix("correct", "job", "check.csv", cwd=place).code == 2
    assert not (place / "job" / "corrections").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("review", "job", "--to", "check.xlsx"), "check.xlsx is no place for a review: give a name here that ends in"),
        (("review", "job", "--to", "s3://a/b.csv"), "is no place for a review"),
        (("review", "job", "--to", "there.csv"), "there.csv exists already: choose another name, or --force"),
        (("review", "none", "--to", "a.csv"), "none holds no job"),
        (("correct", "job", "none.csv"), "none.csv cannot be read: no such file"),
        (("correct", "job", "there.csv"), "there.csv corrects nothing: fill in the column `correction`"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(place: Path, arguments: tuple[str, ...], said: str) -> None:
    (place / "there.csv").write_text("id\n1\n", encoding="utf-8")

    assert said in the_complaint(askpix(*arguments, cwd=place))
    assert (place / "there.csv").read_text(encoding="utf-8") == "id\n1\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("review", "job", "--to", "a.csv", "--below", "nan"),
        ("calibrate", "there.yaml", "--job", "job", "--precision", "nan"),
    ],
)
def test_what_is_no_number_is_no_confidence(place: Path, arguments: tuple[str, ...]) -> None:
    ran = askpix(*arguments, cwd=place)

    assert ran.code == 2
    assert f"Invalid value for '{arguments[-2]}': nan is not in the range 0<x<=1." in ran.err
    assert not (place / "a.csv").exists()
