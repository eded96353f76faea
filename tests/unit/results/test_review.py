"""What a person is given to check: the worst first, each with what else it may be."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.rows import failed_row
from helpers.tagged import COLOR, PRINTS, STYLE, Said, row, tagged

from askpix.producer import Item, Job, Kind, review
from askpix.producer.correcting import correct
from askpix.producer.corrections import corrections
from askpix.producer.errors import InputError
from askpix.producer.review import write_review
from askpix.producer.storage import LocalStorage


def made(folder: Path, rows: dict[str, Said]) -> Job:
    return tagged(LocalStorage(folder / "job"), (COLOR, PRINTS, STYLE), rows)


def reviewed(job: Job, below: float = 1.0, **options: object) -> list[list[str]]:
    file = io.BytesIO()
    write_review(job, file, below=below, **options)  # type: ignore[arg-type]
    return list(csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline="")))


def test_the_worst_answers_come_first_with_what_else_they_may_be(tmp_path: Path) -> None:
    job = made(
        tmp_path,
        {
            "sure": {"color": (0.99, 0.01, 0.0)},
            "bad": {"color": (0.3, 0.25, 0.45), "prints": (0.9, 0.6, 0.1)},
            "=a": {"color": (0.2, 0.41, 0.39)},
            "bare": {"prints": (0.2, 0.4, 0.1)},
        },
    )

    head, *lines = reviewed(job, below=0.6)

    assert head == ["id", "group", "image", "attribute", "answer", "confidence", "choices", "correction"]
    assert lines == [
        ["'=a", "", "/shop/2.jpg", "color", "green", "0.4100", "green 0.41, grey 0.39, red 0.20", ""],
        ["bare", "", "/shop/3.jpg", "prints", "[]", "0.4320", "heart 0.40, star 0.20, moon 0.10", ""],
        ["bad", "", "/shop/1.jpg", "color", "grey", "0.4500", "grey 0.45, red 0.30, green 0.25", ""],
        ["bad", "", "/shop/1.jpg", "prints", "star, heart", "0.4860", "star 0.90, heart 0.60, moon 0.10", ""],
    ]


def test_a_review_begins_with_the_mark_by_which_excel_knows_utf_8(tmp_path: Path) -> None:
    file = io.BytesIO()

    write_review(made(tmp_path, {"gr\u00fcn": {"color": (0.5, 0.3, 0.2)}}), file, below=1.0)

    assert file.getvalue().startswith(b"\xef\xbb\xbfid,")
    assert "\r\ngr\u00fcn,".encode() in file.getvalue()


def test_what_was_reviewed_and_filled_in_is_kept_and_not_asked_again(tmp_path: Path) -> None:
    # Given
    job = made(tmp_path, {name: {"color": (0.5, 0.3, 0.2)} for name in ("=a", "b,\n'c'", "d")})
    head, *lines = reviewed(job)

    # When: two of three are filled in.
    with (tmp_path / "checked.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, [*lines[0][:-1], "green"], [*lines[1][:-1], "red"], lines[2]])
    done = correct(job, tmp_path / "checked.csv")

    # Then
    assert (done.kept, done.refused) == (2, ())
    assert corrections(job.folder) == {"=a": {"color": "green"}, "b,\n'c'": {"color": "red"}}
    assert [line[0] for line in reviewed(job)[1:]] == ["d"]


def test_failed_items_are_not_reviewed_and_what_is_no_number_comes_first(tmp_path: Path) -> None:
    # Given: a result that nobody of askpix wrote.
    job = made(tmp_path, {"a": {"color": (0.5, 0.3, 0.2)}, "b": {"color": (0.4, 0.3, 0.3)}})
    first, second = job.results()
    odd = replace(second, answers=(replace(second.answers[0], confidence=float("nan")),))
    job.folder.write_result(0, [first, odd, failed_row("c")])

    assert [line[0] for line in reviewed(job)[1:]] == ["b", "a"]


def test_that_a_text_surely_does_not_fit_is_sure(tmp_path: Path) -> None:
    # Given: matches, whose confidence is how likely it is that the text fits; the last has none.
    job = made(tmp_path, {name: {"style": "plain"} for name in ("no", "yes", "perhaps", "odd")})
    fits = {"no": 0.001, "yes": 0.97, "perhaps": 0.45, "odd": float("nan")}
    rows = [
        replace(each, answers=(replace(each.answers[0], kind=Kind.MATCH, confidence=fits[each.id]),))
        for each in job.results()
    ]
    job.folder.write_result(0, rows[:2])
    job.folder.write_result(1, rows[2:])

    assert [(line[0], line[5]) for line in reviewed(job, below=0.98)[1:]] == [
        ("odd", "0.0000"),
        ("perhaps", "0.4500"),
        ("yes", "0.9700"),
    ]


def test_an_items_own_questions_say_what_its_choices_are_called(tmp_path: Path) -> None:
    # Given: the sheet's color, and an item's own, which calls gray otherwise.
    said: Said = {"color": (0.1, 0.4, 0.5)}
    job = made(tmp_path, {"a": said, "b": said})
    own = COLOR.model_copy(update={"map": {"gray": "silver"}})
    items = [Item(image="/shop/0.jpg", id="a"), Item(image="/shop/1.jpg", id="b", questions=(own,))]
    job.folder.write_input(0, items, job.spec.id)
    job.folder.write_result(0, [row("a", (COLOR,), said), row("b", (own,), said)])

    assert [(line[4], line[6]) for line in reviewed(job)[1:]] == [
        ("grey", "grey 0.50, green 0.40, red 0.10"),
        ("silver", "silver 0.50, green 0.40, red 0.10"),
    ]


def test_answers_are_chosen_by_attribute_and_number(tmp_path: Path) -> None:
    rows: dict[str, Said] = {
        str(number): {"color": (0.4 + number / 10, 0.6 - number / 10, 0.0), "style": "plain"} for number in range(5)
    }
    job = made(tmp_path, rows)

    found = reviewed(job, attributes=("style",), limit=2)[1:]

    assert [(line[0], line[3]) for line in found] == [("0", "style"), ("1", "style")]
    with pytest.raises(InputError, match="no answer of the job is called 'colour': is it 'color'"):
        reviewed(job, attributes=("colour",))


@pytest.mark.parametrize("limit", [None, 1, 7, 40])
def test_more_answers_than_are_held_are_sorted_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    # Given: so many that files are merged into others several times.
    monkeypatch.setattr(review, "_RUN", 3)
    monkeypatch.setattr(review, "_RUNS", 4)
    rng = random.Random(5)
    shares = [round(rng.uniform(0.5, 0.9), 2) for _ in range(100)]
    job = made(tmp_path, {str(number): {"color": (p, 1 - p, 0.0)} for number, p in enumerate(shares)})

    found = [float(line[5]) for line in reviewed(job, limit=limit)[1:]]

    assert found == pytest.approx(sorted(shares)[:limit])
