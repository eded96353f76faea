"""Calibrations are written into sheets in which nothing else changes, however they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from askpix.cli.calibrate import write_calibrated
from askpix.producer.calibrating.calibrate import Found
from askpix.producer.calibrating.writing import with_calibrations, written
from askpix.producer.calibration import Calibration, Whole
from askpix.producer.errors import InputError
from askpix.producer.sheets.reading import read_questions

HOT = Calibration(temperature=1.5, shifts={"red": 0.25, "navy blue": -1.0})
SHEET = """\
# The shop's colours.
- name: color   # of the cloth
  text: "what color is it?"
  choices:
    - red
    - navy blue  # like the sea

# What it is.
-   text: what is it?
    choices: [mug, hat]   # two
    below: 0.4
    then: |
      unknown

- free text?
"""


def test_a_calibration_is_added_below_what_is_there_with_every_comment_kept() -> None:
    text = with_calibrations(SHEET, {"color": HOT, "what is it?": Calibration(temperature=2.0)})

    lines = text.splitlines()
    assert lines[6] == "  calibration: {temperature: 1.5, shifts: {red: 0.25, navy blue: -1}}"
    assert lines[14] == "    calibration: {temperature: 2}"
    assert "\n".join(line for line in lines if "calibration" not in line) + "\n" == SHEET


def test_another_calibration_takes_the_place_of_the_first_and_none_removes_it() -> None:
    once = with_calibrations(SHEET, {"color": Calibration(temperature=3.0), "what is it?": HOT})
    twice = with_calibrations(once, {"color": HOT, "what is it?": HOT})

    assert twice == with_calibrations(SHEET, {"color": HOT, "what is it?": HOT})
    assert with_calibrations(twice, {"color": None}) == with_calibrations(SHEET, {"what is it?": HOT})
    assert with_calibrations(twice, {"color": None, "what is it?": None}) == SHEET


@pytest.mark.parametrize(
    "sheet",
    [
        SHEET.replace("\n", "\r\n"),
        "- {name: color, text: q, choices: [red, navy blue]}\n",
        "- {name: color, calibration: {temperature: 4}, text: q, choices: [red, navy blue], }\n",
        '[{"calibration": {"temperature": 4}, "name": "color", "text": "q", "choices": ["red", "navy blue"]}]',
        '[\n  {\n    "name": "color",\n    "text": "q",\n    "choices": ["red", "navy blue"]\n  }\n]',
        "- calibration:\n    temperature: 4\n    shifts:\n      red: 1   # by hand\n  name: color\n  text: q\n"
        "  choices: [red, navy blue]",
        "- name: color\n  calibration:\n    temperature: 4\n  text: q\n  choices: [red, navy blue]\n- q2\n",
        "  - name: color\n    text: q\n    choices:\n    - red\n    - navy blue",
        '[\n\t{\n\t\t"name": "color",\n\t\t"text":\t"q",\n\t\t"choices": ["red", "navy blue"]\n\t}\n]\n',
        "---\n- name: color\n  choices: [red,\n   navy blue]  # both\n  text: >-\n    q\n\n\n# The end.\n...\n",
    ],
)
def test_every_form_of_a_sheet_is_read_back_with_what_was_written(tmp_path: Path, sheet: str) -> None:
    # Given
    path = tmp_path / "tags.yaml"
    path.write_bytes(sheet.encode())
    before = read_questions(path)

    # When
    path.write_bytes(with_calibrations(sheet, {"color": HOT}).encode())
    after = read_questions(path)
    path.write_bytes(with_calibrations(path.read_bytes().decode(), {"color": None}).encode())
    without = read_questions(path)

    # Then
    assert after == [before[0].model_copy(update={"calibration": HOT}), *before[1:]]
    assert without == [before[0].model_copy(update={"calibration": None}), *before[1:]]
    assert ("\r\n" in sheet) == (b"\r\n" in path.read_bytes())


@pytest.mark.parametrize(
    "sheet",
    [
        "- name: one\n  text: q\n  choices: &colors [red, navy blue]\n- name: color\n  text: r\n  choices: *colors\n",
        "- name: one\n  text: q\n  choices: &colors\n  - red\n  - navy blue\n"
        "- name: color\n  text: r\n  choices: *colors # too\n\n# The end.\n",
        "- {name: one, text: q, choices: &colors [red, navy blue]}\n- {name: color, text: r, choices: *colors }\n",
        "- name: one\n  text: &q q\n  choices:\n  - red\n  - &n navy blue\n"
        "- name: color\n  text: r\n  choices:\n  - red\n  - *n\n",
        "- name: one\n  text: q\n  choices: &a [red, navy blue]\n  map: {red: &c color}\n"
        "- name: *c\n  text: r\n  choices: *a\n  map:\n    red: *c\n",
        "- &one\n  name: one\n  text: q\n  choices: &a [red, navy blue]\n- <<: *one\n  name: color\n",
        "- name: one\n  text: &a q\n  choices: &a [red, navy blue]\n- name: color\n  text: r\n  choices: *a\n",
        "- name: one\n  text: q\n  choices: &a [red, navy blue]\n  calibration: {temperature: 3}\n"
        "- name: color\n  text: r\n  choices: *a\n  calibration: {temperature: 3}\n- free?\n",
    ],
)
def test_a_calibration_stands_with_its_attribute_where_aliases_end_it(tmp_path: Path, sheet: str) -> None:
    # Given
    path = tmp_path / "tags.yaml"
    path.write_text(sheet)
    before = read_questions(path)
    other = Calibration(temperature=2.0)

    # When
    path.write_text(with_calibrations(sheet, {"one": other, "color": HOT}))
    after = read_questions(path)

    # Then
    assert [question.title for question in before[:2]] == ["one", "color"]
    made = [
        question.model_copy(update={"calibration": new}) for question, new in zip(before, (other, HOT), strict=False)
    ]
    assert after == [*made, *before[2:]]


@pytest.mark.parametrize(
    "word", ["no", "Off", "1", "a: b", "it's", '"', "{", "#1", "é", " red", "~", "- x", "-", "null"]
)
def test_words_of_every_kind_are_written_so_that_they_are_read_as_they_are(tmp_path: Path, word: str) -> None:
    path = tmp_path / "tags.yaml"
    calibration = Calibration(shifts={word: 1.25})
    sheet = f"- name: color\n  text: q\n  choices: ['{word.replace(chr(39), chr(39) * 2)}', other]\n"

    path.write_text(with_calibrations(sheet, {"color": calibration}), encoding="utf-8")

    assert read_questions(path)[0].calibration == calibration


def test_what_is_done_to_whole_answers_is_written_and_read_again(tmp_path: Path) -> None:
    calibration = Calibration(shifts={"red": -1.5}, whole=Whole(temperature=1.25, shift=-0.5))
    path = tmp_path / "sheet.yaml"
    sheet = "- name: prints\n  text: a {choice}?\n  choices: [red, blue]\n  multiple: true\n"

    path.write_text(with_calibrations(sheet, {"prints": calibration}))

    assert "{temperature: 1, shifts: {red: -1.5}, whole: {temperature: 1.25, shift: -0.5}}" in path.read_text()
    assert read_questions(path)[0].calibration == calibration


def test_a_calibration_in_one_line_has_no_more_digits_than_it_needs() -> None:
    assert written(Calibration(temperature=1.23, shifts={"a": -0.5})) == "{temperature: 1.23, shifts: {a: -0.5}}"
    assert written(Calibration()) == "{temperature: 1}"


def test_a_sheet_that_would_not_be_read_again_is_named_and_stays(tmp_path: Path) -> None:
    # Given: what is to be taken out of the first is named again in the second.
    path = tmp_path / "tags.yaml"
    text = (
        "- name: color\n  text: q\n  choices: [red, blue]\n  calibration: {temperature: &t 0.5}\n"
        "- text: r\n  below: *t\n  then: unknown\n"
    )
    path.write_text(text)
    found = [Found(title="color", examples=9, by_term={})]

    # When
    with pytest.raises(InputError, match=r"/tags\.yaml is written in a way .*write each attribute out") as caught:
        write_calibrated(path, None, read_questions(path), found, force=False)

    # Then
    assert caught.value.lines == (str(caught.value),)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("tags.yaml", text)]


def test_what_is_not_yaml_is_said() -> None:
    with pytest.raises(InputError, match="is not YAML"):
        with_calibrations("- {", {"color": HOT})
