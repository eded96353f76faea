"""The file that --history names."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from askpix.cli.history import read_history
from askpix.cli.main import main
from askpix.producer import Turn
from askpix.producer.errors import InputError

TURNS = (Turn("what is it?", "a mug", ("a.jpg",)), Turn("in which colour?", "red"))


def _file(folder: Path, text: str | bytes, name: str = "talk") -> Path:
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def _row(image: str, question: str | None, text: str, **more: Any) -> dict[str, Any]:
    """Returns what `askpix ask --json` prints, or what of it counts."""
    answer = {"name": "x", "kind": "open", "question": question, "text": text, "confidence": 0.5}
    return {"id": "x", "image": image, "status": "ok", "answers": [answer], "error_code": None, **more}


def _lines(*values: Any) -> str:
    return "".join(f"{json.dumps(value)}\n" for value in values)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{"question": "what is it?", "answer": "a mug", "images": ["a.jpg"]},
                    {"question": "in which colour?", "answer": "red"}]),
        '{"question": "what is it?", "answer": "a mug", "images": ["a.jpg"]}\n\n'
        '{"question": "in which colour?", "answer": "red", "images": []}',
        "- question: what is it?\n  answer: a mug\n  images: [a.jpg]\n- {question: 'in which colour?', answer: red}\n",
        "\ufeff# so far\n- question: what is it?\n  answer: a mug\n  images:\n  - a.jpg\n"
        "- question: in which colour?\n  answer: red\n",
    ],
    ids=["json", "lines", "yaml", "yaml with a mark"],
)  # fmt: skip
def test_turns_are_a_list_or_lines(text: str, tmp_path: Path) -> None:
    assert read_history(_file(tmp_path, text)) == TURNS


def test_yes_and_no_are_words(tmp_path: Path) -> None:
    assert read_history(_file(tmp_path, "- {question: is it red?, answer: no}")) == (Turn("is it red?", "no"),)


def test_a_file_that_is_called_yaml_is_yaml(tmp_path: Path) -> None:
    assert read_history(_file(tmp_path, "[{question: a, answer: b},]", "talk.yaml")) == (Turn("a", "b"),)


@pytest.mark.parametrize("text", ["", " \n\n", "# nothing yet\n", "[]"])
def test_an_empty_file_is_the_beginning_of_a_conversation(text: str, tmp_path: Path) -> None:
    assert read_history(_file(tmp_path, text)) == ()


def test_rows_are_turns_and_an_image_is_shown_with_the_first_about_it(tmp_path: Path) -> None:
    rows = [
        _row("a.jpg", "what is it?", "a mug"),
        {"piece": "re"},
        {"piece": "d"},
        _row("a.jpg", "in which colour?", "red"),
        _row("b.jpg", "and this?", "", status="error", answers=[], error_code="http_404"),
        _row("b.jpg", "and this?", "a plate"),
        {"question": "why?", "answer": "so", "images": ["c.jpg"]},
        _row("c.jpg", "is it?", "no"),
        _row("a.jpg", None, "a mug on a table"),
    ]

    assert read_history(_file(tmp_path, _lines(*rows))) == (
        *TURNS,
        Turn("and this?", "a plate", ("b.jpg",)),
        Turn("why?", "so", ("c.jpg",)),
        Turn("is it?", "no"),
        Turn("", "a mug on a table", ("a.jpg",)),
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_looks_like_the_end_of_a_line_in_a_text_is_none(end: str, tmp_path: Path) -> None:
    turns = [Turn("what\u2028is it?", "a\u2029mug"), Turn("so\x85?", "red\u2028")]
    lines = [json.dumps({"question": turn.question, "answer": turn.answer}, ensure_ascii=False) for turn in turns]

    assert read_history(_file(tmp_path, end.join([*lines, ""]))) == tuple(turns)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("what is it?", "talk must hold a list of {question, answer, images}"),
        ("question: what is it?", "talk must hold a list"),
        ("- [a, b", "talk is not YAML: "),
        ("- !!python/object/apply:os.system ['true']", "talk is not YAML: "),
        ("&a [*a]", "talk, turn 1: this is no object"),
        ('[{"question": "a", "answer": "b"},]', "talk: this is not JSON: "),
        ("[" * 100_000, "talk: this is not JSON: "),
        ('{"question": "a", "answer": "b"}\n{"question": "a"\n', "talk, line 2: this is not JSON: "),
        ('{"question": "a", "answer": "b"}\n\n{"question": "a"}\n', "talk, line 3: answer: "),
        ('{"question": "a", "answer": "b"}\n7\n', "talk, line 2: this is no object with question, answer and images"),
        ("- {question: a, answer: 7}", "talk, turn 1: answer: .*string"),
        ("- {question: a, answer: b, image: a.jpg}", "talk, turn 1: image: "),
        ("- {question: a, answer: b, images: a.jpg}", "talk, turn 1: images: .*tuple"),
        ("- {question: a, answer: b, images: ['']}", "talk, turn 1: images.0: "),
        (f"- {{question: {'q' * 2_001}, answer: b}}", "talk, turn 1: question: .*2000"),
        (_lines({**_row("a", "q", "t"), "answers": []}), "talk, line 1: of a result row, one answer is a turn"),
        (_lines({**_row("a", "q", "t"), "answers": [{}, {}]}), "talk, line 1: of a result row, one answer"),
        (_lines({**_row("a", "q", "t"), "answers": {"a": 1}}), "talk, line 1: of a result row, one answer"),
        (_lines({**_row("a", "q", "t"), "answers": [{"text": 7}]}), "talk, line 1: answer: "),
        (_lines({**_row("a", "q", "t"), "image": None}), "talk, line 1: this result row names no image"),
        (_lines(_row("data:0123456789abcdef", "q", "t")), "talk, line 1: the image of this result row was sent along"),
        (b"\xff\xfe", "talk is not UTF-8 text"),
        (b"#" * 64_000_001, "talk has more than 64 MB"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_mistakes_are_told_with_their_place(text: str | bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_history(_file(tmp_path, text))

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere cannot be read: no such file"):
        read_history(tmp_path / "nowhere")
    with pytest.raises(InputError, match="cannot be read: is a directory"):
        read_history(tmp_path)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Missing argument 'IMAGE'"),
        (("--history", "talk.yaml"), "Missing argument 'IMAGE'"),
        (("a.jpg", "--history", "talk.yaml"), "with --history, a QUESTION is needed, and a.jpg is an image"),
        (
            ("https://x.example/1.jpg", "--history", "talk.yaml"),
            "QUESTION is needed, and https://x.example/1.jpg is an",
        ),
        (("what is it?", "--history", "none.yaml"), "none.yaml shows no image: give IMAGE too"),
        (("what is it?", "--history", "bad.yaml"), "bad.yaml, turn 2: answer: "),
        (("what is it?", "--history", "nowhere.yaml"), "nowhere.yaml cannot be read: no such file"),
        (("what is it?", "--history", "gone.yaml"), "gone.jpg cannot be read: no such file"),
        (("what is it?", "--history", "long.yaml"), "history: it has 1,000 turns; 20 are taken"),
        (("what is it?", "--history", "many.yaml"), "it shows 9 images; 8 are taken"),
        ((f"{'q' * 300}?", "--history", "gone.yaml"), "gone.jpg cannot be read: no such file"),
    ],
)
def test_what_cannot_be_asked_is_told(
    words: tuple[str, ...],
    told: str,
    broker_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    _file(tmp_path, b"a picture", "a.jpg")
    for name, text in {
        "talk": "- {question: a, answer: b, images: [a.jpg]}",
        "none": "- {question: a, answer: b}",
        "bad": "- {question: a, answer: b}\n- {question: a}",
        "gone": "- {question: a, answer: b, images: [gone.jpg]}",
        "long": "- {question: a, answer: b, images: [a.jpg]}\n" + "- {question: a, answer: b}\n" * 999,
        "many": "- {question: a, answer: b, images: [a.jpg, a.jpg, a.jpg]}\n" * 3,
    }.items():
        _file(tmp_path, text, f"{name}.yaml")
    monkeypatch.setattr(sys, "argv", ["askpix", "ask", *words, "--model", "m", "--broker", broker_url])

    with pytest.raises(SystemExit) as caught:
        main()

    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, "")
    assert told in " ".join(err.split())
    assert "Traceback" not in err
