"""The file that --questions names."""

from __future__ import annotations

from pathlib import Path

import pytest

from askpix.cli.questions import read_questions
from askpix.producer import Question
from askpix.producer.errors import InputError


def test_questions_are_texts_or_objects_with_names_and_choices(tmp_path: Path) -> None:
    file = tmp_path / "questions.yaml"
    file.write_text("- what is it?\n- text: what color is it?\n  name: color\n  choices: [red, blue]\n")

    assert read_questions(file) == [
        Question("what is it?"),
        Question("what color is it?", name="color", choices=("red", "blue")),
    ]


def test_json_is_yaml_too(tmp_path: Path) -> None:
    file = tmp_path / "questions.json"
    file.write_text('\ufeff["what is it?", {"text": "is it red?", "choices": ["yes", "no"]}]', encoding="utf-8")

    assert read_questions(file)[1].choices == ("yes", "no")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"what is it?",
        b"text: what is it?",
        b"- [a, b",
        b"- !!python/object/apply:os.system ['true']",
        b"- {name: n}",
        b"- {text: t, choise: [a, b]}",
        b"- yes",
        b"\xff\xfe",
        b"&a [*a]",
        b"[" * 5_000,
    ],
)
def test_what_is_no_list_of_questions_is_said_with_the_files_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "questions.yaml"
    file.write_bytes(content)

    with pytest.raises(InputError, match=r"questions\.yaml") as caught:
        read_questions(file)
    assert "\n" not in str(caught.value)


def test_choices_that_yaml_takes_for_yes_and_no_are_explained(tmp_path: Path) -> None:
    file = tmp_path / "questions.yaml"
    file.write_text("- text: is it red?\n  choices: [yes, no]\n")

    with pytest.raises(InputError, match="quot"):
        read_questions(file)
