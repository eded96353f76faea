"""Labels as people give them, and which answers of a job become examples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.rows import failed_row
from helpers.tagged import COLOR, PRINTS, STYLE, Said, tagged

from askpix.producer import Choice, Job
from askpix.producer.calibrating.calibrate import calibrate
from askpix.producer.calibrating.examples import gathered
from askpix.producer.calibrating.labels import Labels, read_labels
from askpix.producer.calibration import Calibration
from askpix.producer.corrections import Correction, keep_corrections
from askpix.producer.errors import InputError
from askpix.producer.results import Results
from askpix.producer.storage import LocalStorage

SHEET = (COLOR, PRINTS, STYLE)
CHOOSING = (COLOR, PRINTS)
SAID: Said = {"color": (0.5, 0.3, 0.2), "prints": (0.9, 0.6, 0.1)}


def made(folder: Path, count: int = 4) -> Job:
    return tagged(LocalStorage(folder / "job"), SHEET, {f"item-{number}": SAID for number in range(count)})


def labels(folder: Path, text: str, name: str = "labels.csv") -> Labels:
    (folder / name).write_text(text, encoding="utf-8")
    return read_labels(folder / name, SHEET)


def found(job: Job, given: Labels) -> dict[str, list[str]]:
    return {each.question.title: [one.label for one in each.examples] for each in gathered(job, CHOOSING, given)}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('id,color,prints,price\nitem-1,grey,"moon, star",3\nitem-2,,none,\n', "labels.csv"),
        ("ID;Color;Prints\nitem-1;GRAY;Star,moon\nitem-2;;None\n", "labels.csv"),
        ("image\tcolor\tprints\n/shop/1.jpg\tgrey\tstar, moon\n/shop/2.jpg\t\tnone\n", "labels.tsv"),
        (
            '{"id": "item-1", "color": "grey", "prints": ["moon", "star"]}\n'
            '{"id": "item-2", "color": null, "prints": []}\n',
            "labels.jsonl",
        ),
    ],
)
def test_labels_are_in_the_shops_terms_by_id_or_image(tmp_path: Path, text: str, name: str) -> None:
    given = labels(tmp_path, text, name)

    assert given.refused == []
    assert found(made(tmp_path), given) == {"color": ["grey"], "prints": ["star, moon", ""]}


def test_what_is_no_label_is_told_with_its_line_and_the_others_are_taken(tmp_path: Path) -> None:
    given = labels(tmp_path, "id,color,prints\nitem-1,blue,star\nitem-2,red,sun\n")

    assert given.refused == [
        f"{tmp_path / 'labels.csv'}, line 2: color: 'blue' is none of its terms, which are red, green, grey",
        f"{tmp_path / 'labels.csv'}, line 3: prints: 'sun' is none of its terms, which are star, heart, moon",
    ]
    assert found(made(tmp_path), given) == {"color": ["red"], "prints": ["star"]}


def test_labels_of_one_item_that_contradict_each_other_are_all_refused(tmp_path: Path) -> None:
    lines = ("item-1,red,", "item-1,red,star", "item-2,grey,moon", "item-1,GREEN,moon", "item-1,green,star")

    given = labels(tmp_path, "id,color,prints\n" + "\n".join(lines))

    why = "this table labels {} of 'item-1' in two ways: leave one line of them"
    assert given.refused == [
        f"{tmp_path / 'labels.csv'}, line {line}: {why.format(name)}"
        for line, name in [(2, "color"), (5, "color"), (3, "prints"), (5, "prints"), (6, "color"), (6, "prints")]
    ]
    assert found(made(tmp_path), given) == {"color": ["grey"], "prints": ["moon"]}


def test_of_labels_that_are_wrong_throughout_the_first_are_told_and_all_are_counted(tmp_path: Path) -> None:
    many = COLOR.model_copy(update={"choices": tuple(f"colour {number:03}" for number in range(900)), "map": None})
    (tmp_path / "labels.csv").write_text("id,color\n" + "".join(f"item-{n},colour {n + 1_000}\n" for n in range(3_000)))

    given = read_labels(tmp_path / "labels.csv", (many,))

    assert (len(given.refused), given.refused_too) == (1_000, 2_000)
    assert ["is it 'colour" in line for line in given.refused] == [True] * 20 + [False] * 980


def test_ids_that_a_spreadsheet_made_one_number_of_are_refused(tmp_path: Path) -> None:
    # Given: two items that a spreadsheet writes alike, one that it writes otherwise, and one that it leaves alone.
    job = tagged(LocalStorage(tmp_path / "job"), SHEET, dict.fromkeys(("001", "1", "02", "item"), SAID))
    table = "id,color\n1,red\n2,red\nitem,green\n"

    # When
    given = labels(tmp_path, table)
    given.refuse_twins(Results.of(job.folder).ids())

    # Then
    assert given.refused == [
        f"{tmp_path / 'labels.csv'}: '1': the ids '001', '1' are one number to a spreadsheet, which writes them alike: "
        "give a column `image` in place of `id`, or labels as .jsonl"
    ]
    assert found(job, given)["color"] == ["green"]


def test_ids_as_json_and_images_are_what_they_are(tmp_path: Path) -> None:
    job = tagged(LocalStorage(tmp_path / "job"), SHEET, dict.fromkeys(("001", "1"), SAID))
    by_line = labels(tmp_path, '{"id": "1", "color": "red"}\n', "labels.jsonl")
    by_image = labels(tmp_path, "image,color\n/shop/0.jpg,green\n")

    for given in (by_line, by_image):
        given.refuse_twins(Results.of(job.folder).ids())

    assert (by_line.refused, by_image.refused) == ([], [])
    assert found(job, by_line)["color"] == ["red"]
    assert found(job, by_image)["color"] == ["green"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("color\nred\n", "line 2: labels need a column `id` or `image`; this row has 'color'"),
        ("id,colour\na,red\n", "labels nothing: it has a column 'colour': is that 'color'?"),
        (
            "id,price\na,3\n",
            "labels nothing: it has the columns id, price, and the attributes are color, prints, style",
        ),
        ("id,color\na,\n", "labels nothing"),
    ],
)
def test_a_table_without_labels_is_told_what_it_lacks(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        labels(tmp_path, text)

    assert said in str(caught.value)


def test_what_stands_for_all_that_is_not_sure_is_no_label(tmp_path: Path) -> None:
    unsure = COLOR.model_copy(update={"below": 0.9, "then": "unknown"})
    (tmp_path / "labels.csv").write_text("id,color\nitem-1,unknown\nitem-2,red\n")

    given = read_labels(tmp_path / "labels.csv", (unsure,))

    assert given.by_item == {"item-2": {"color": "red"}}


def test_examples_have_the_models_own_numbers_whatever_it_was_calibrated_by(tmp_path: Path) -> None:
    hot = COLOR.model_copy(update={"calibration": Calibration(temperature=4.0)})
    job = tagged(LocalStorage(tmp_path / "job"), (hot,), {"item-0": {"color": (0.9, 0.05, 0.05)}})

    (each,) = gathered(job, (COLOR,), labels(tmp_path, "id,color\nitem-0,red\n"))

    assert each.examples[0].probabilities == (0.9, 0.05, 0.05)


def test_corrections_are_labels_where_some_confirm_what_was_right(tmp_path: Path) -> None:
    # Given: of color, all are of mistakes; of prints, one is not.
    job = made(tmp_path)
    keep_corrections(
        job.folder,
        [
            Correction(id="item-0", attribute="color", text="green"),
            Correction(id="item-0", attribute="prints", text=""),
            Correction(id="item-1", attribute="prints", text="star, heart"),
            Correction(id="item-2", attribute="prints", text="a comet"),
        ],
    )

    color, prints = gathered(job, CHOOSING, Labels())

    assert (color.examples, color.mistakes) == ([], 1)
    assert [one.label for one in prints.examples] == ["", "star, heart"]
    assert prints.mistakes == 0


def test_a_label_counts_before_a_correction(tmp_path: Path) -> None:
    job = made(tmp_path)
    keep_corrections(job.folder, [Correction(id="item-0", attribute="color", text="red")])

    assert found(job, labels(tmp_path, "id,color\nitem-0,green\n"))["color"] == ["green"]


def test_what_the_job_did_not_answer_or_asked_otherwise_is_counted(tmp_path: Path) -> None:
    # Given: an item that failed, one without an answer, and results that nobody of askpix wrote.
    job = made(tmp_path, 6)
    rows = list(job.results())
    odd = [
        tuple(Choice(text=choice.text, probability=p) for choice in rows[0].answers[0].choices or ())
        for p in (float("nan"), -1.0)
    ]
    job.folder.write_result(0, [failed_row("item-0"), replace(rows[1], answers=())])
    job.folder.write_result(
        1,
        [
            replace(row, answers=(replace(row.answers[0], choices=each),))
            for row, each in zip(rows[2:4], odd, strict=True)
        ],
    )
    given = labels(tmp_path, "id,color\n" + "".join(f"item-{number},red\n" for number in range(6)))
    other = COLOR.model_copy(update={"choices": ("red", "grey"), "map": None})

    assert [(len(each.examples), each.unanswered, each.otherwise) for each in gathered(job, (COLOR,), given)] == [
        (2, 2, 2)
    ]
    assert [(len(each.examples), each.otherwise) for each in gathered(job, (other,), given)] == [(0, 4)]


def test_few_examples_are_not_fitted_and_that_is_said(tmp_path: Path) -> None:
    job = made(tmp_path, 6)
    given = labels(tmp_path, "id,color\n" + "".join(f"item-{number},green\n" for number in range(6)))

    color, prints = calibrate(job, SHEET, given, precision=0.9)

    assert (color.calibration, color.examples, color.notes) == (
        None,
        6,
        ("not calibrated: 6 examples, of 20 that are the least",),
    )
    assert color.before is not None
    assert color.before == color.after
    assert color.before.answers.accuracy == 0
    assert (prints.before, prints.notes) == (None, ("not calibrated: no examples",))


@pytest.mark.parametrize(
    ("text", "sheet", "said"),
    [
        ("id,color\nelsewhere,red\n", SHEET, "no label is of its items; give --labels, with the ids of the job"),
        (
            "id,color\nitem-1,red\n",
            (COLOR.model_copy(update={"choices": ("red", "green", "gray", "b")}),),
            "something else",
        ),
        ("id,color\nitem-1,red\n", (STYLE,), "the sheet has no choices, which are what calibration is for"),
    ],
)
def test_where_there_is_no_example_it_is_said_why(tmp_path: Path, text: str, sheet: tuple, said: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError) as caught:
        calibrate(made(tmp_path), sheet, labels(tmp_path, text), precision=0.9)

    assert said in str(caught.value)
