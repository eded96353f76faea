"""What a gallery holds of a job's rows."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.galleries import COLORS, Maker, choice, no_file, shown, write_job
from helpers.gallery_files import GalleryFiles, column
from helpers.rows import failed_row, ok_row
from helpers.tagged import COLOR, PRINTS
from helpers.tagged import answer as tagged_answer

from askpix.producer import Alternative, Answer, Choice, Kind, Row
from askpix.producer.calibration import Calibration
from askpix.producer.report import columns
from askpix.producer.report.gallery import write_gallery

HOSTILE = "</script><script>alert(1)</script><!-- --> ]]> \u2028\u2029 & ' \" \\ \x7f"


def written(folder: Path, *rows: Row, target: str = "out.html", **values: Any) -> GalleryFiles:
    """Returns the gallery of a job with those rows."""
    job = write_job(folder / "job", rows, items=len(rows))
    path = folder / target
    assert write_gallery(job, str(path), **values).items == len(rows)
    return GalleryFiles(path)


def answer(text: str, *, name: str = "q", confidence: float = 0.5, **values: Any) -> Answer:
    given = {"name": name, "question": name, "kind": Kind.OPEN, "tokens": 2, **values}
    return Answer(text=text, confidence=confidence, **given)


def row(identity: str, *answers: Answer, **values: Any) -> Row:
    return replace(ok_row(identity), answers=answers, **values)


def digest(text: str) -> str:
    """Returns how a policy names a script or a style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# What is in it. ----------------------------------------------------------------------------------


def test_a_caption_is_on_its_card_and_in_the_details(tmp_path: Path) -> None:
    caption = Answer(name="caption", kind=Kind.CAPTION, text="a mug", confidence=0.75, tokens=3, finish_reason="length")

    made = written(tmp_path, row("a.jpg", caption, group="g", seconds=1.23456))

    assert made.index["names"] == ["caption"]
    assert made.cards("ids") == ["a.jpg"]
    assert made.cards("answers") == [[0, "a mug"]]
    (detail,) = made.details
    assert detail["answers"] == [
        {"name": "caption", "kind": "caption", "text": "a mug", "confidence": 0.75, "cutOff": True, "tokens": 3}
    ]
    assert (detail["group"], detail["seconds"], detail["attempts"]) == ("g", 1.2346, 1)
    assert made.blocks["details-0"]["makers"] == [["m", "f", "f32", "CPU"]]


def test_answers_of_every_kind_are_whole_in_the_details(tmp_path: Path) -> None:
    # Given
    answers = (
        choice("color", "red", COLORS, 0.3),
        Answer(name="fits", question="a dog", kind=Kind.MATCH, text="yes", confidence=0.875, tokens=0),
        Answer(name="all", question="describe it", kind=Kind.JSON, text='{"a": [1]}', confidence=0.5, tokens=9),
        answer("first", name="s", alternatives=(Alternative(text="second", confidence=0.25),)),
        answer("why not", name="then"),
    )

    # When
    made = written(tmp_path, row("a", *answers))

    # Then
    told = made.details[0]["answers"]
    assert [(one["name"], one["kind"], one["text"]) for one in told] == [
        ("color", "choice", "red"),
        ("fits", "match", "yes"),
        ("all", "json", '{"a": [1]}'),
        ("s", "open", "first"),
        ("then", "open", "why not"),
    ]
    assert told[0]["choices"] == [["red", 0.3]] + [[color, 0.1] for color in COLORS[1:]]
    assert told[3]["alternatives"] == [["second", 0.25]]
    assert [one["name"] for one in made.index["attributes"]] == ["color", "fits", "all", "s", "then"]


def test_the_choices_that_the_model_took_are_told_in_its_own_words(tmp_path: Path) -> None:
    # Given: answers in the shop's terms, one of several terms, and one that was not sure enough.
    unsure = COLOR.model_copy(update={"below": 0.9, "then": "unknown"})
    hot = COLOR.model_copy(update={"calibration": Calibration(temperature=2.0)})
    answers = (
        tagged_answer(COLOR, (0.1, 0.2, 0.7)),
        tagged_answer(PRINTS, (0.9, 0.6, 0.1)),
        tagged_answer(PRINTS, (0.2, 0.1, 0.1)),
        tagged_answer(unsure, (0.7, 0.2, 0.1)),
        replace(tagged_answer(hot, (0.64, 0.04, 0.32)), cached=True, prompt_tokens=300),
    )

    told = written(tmp_path, row("a", *answers)).details[0]["answers"]

    assert [(one["text"], one.get("said"), one.get("chosen")) for one in told] == [
        ("grey", "gray", ["gray"]),
        ("star, heart", None, ["star", "heart"]),
        ("", None, None),
        ("unknown", "red", ["red"]),
        ("red", None, ["red"]),
    ]
    assert ["raw" in one or "cached" in one or "promptTokens" in one for one in told] == [False] * 4 + [True]
    assert (told[4]["raw"], told[4]["cached"], told[4]["promptTokens"]) == ([0.64, 0.04, 0.32], True, 300)


def test_an_error_keeps_its_code_message_and_the_answers_beside_it(tmp_path: Path) -> None:
    failed = replace(failed_row("b", "http_503"), error_message="the server is busy", answers=(answer("red"),))

    made = written(tmp_path, row("a", answer("blue")), failed, replace(failed_row("c"), error_code=None))

    assert made.index["failed"] == 2
    assert made.index["codes"] == ["http_503", "error"]
    assert column(made.index["code"], "B") == [0, 1, 2]
    assert made.values("q") == ["blue", "red", "(none)"]
    detail = made.details[1]
    assert (detail["code"], detail["message"], detail["retryable"]) == ("http_503", "the server is busy", True)
    assert detail["answers"][0]["text"] == "red"


def test_columns_hold_the_lowest_confidence_seconds_and_the_order_of_ids(tmp_path: Path) -> None:
    made = written(
        tmp_path,
        row("c", answer("x", confidence=0.9), answer("y", name="r", confidence=0.12344), seconds=2.5),
        row("a", answer("x", confidence=1.0), seconds=0.0004),
        row("b", seconds=float("nan")),
        row("d", answer("x", confidence=float("nan"))),
    )

    assert column(made.index["confidence"], "H") == [1234, 10_000, 0xFFFF, 0xFFFF]
    assert column(made.attribute("q")["confidence"], "H") == [9_000, 10_000, 0xFFFF, 0xFFFF]
    assert column(made.index["milliseconds"], "I") == [2_500, 0, 0, 100]
    assert column(made.index["byId"], "I") == [1, 2, 0, 3]
    assert made.details[3]["answers"][0].get("confidence") is None


def test_answers_without_a_confidence_are_shown_without_one(tmp_path: Path) -> None:
    # Given: what no askpix writes, of every kind.
    none: Any = None
    answers = [answer("x", name=kind, kind=kind, confidence=none) for kind in Kind]
    choices = (Choice(text="x", probability=none),)

    made = written(tmp_path, *(row(one.name, replace(one, choices=choices)) for one in answers))

    assert column(made.index["confidence"], "H") == [0xFFFF] * len(Kind)
    assert ["confidence" in detail["answers"][0] for detail in made.details] == [False] * len(Kind)


def test_ids_that_are_in_order_need_no_column(tmp_path: Path) -> None:
    assert written(tmp_path, row("a"), row("b")).index["byId"] is None


def test_values_are_told_apart_most_frequent_first(tmp_path: Path) -> None:
    made = written(tmp_path, *(row(str(n), answer(text)) for n, text in enumerate(["red", "blue", "blue", ""])))

    assert made.attribute("q")["values"] == ["blue", "red", ""]
    assert made.values("q") == ["red", "blue", "blue", ""]


def test_texts_that_hardly_ever_come_twice_are_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "FEW_VALUES", 3)
    texts = ["one", "two", "two", "three", "four", "three"]

    made = written(tmp_path, *(row(str(n), answer(text)) for n, text in enumerate(texts)))

    assert made.attribute("q")["others"] == 2
    assert made.values("q") == ["(other)", "two", "two", "three", "(other)", "three"]


def test_only_so_many_values_are_filtered_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_VALUES", 2)
    texts = ["a", "b", "b", "c", "c", "c"]

    made = written(tmp_path, *(row(str(n), answer(text)) for n, text in enumerate(texts)))

    assert made.values("q") == ["(other)", "b", "b", "c", "c", "c"]


def test_of_very_many_questions_the_most_frequent_are_filtered_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "MAX_ATTRIBUTES", 2)
    monkeypatch.setattr(columns, "MAX_NAMES", 3)
    rows = [
        row("a", answer("1", name="rare"), answer("2", name="x"), answer("3", name="y"), answer("4", name="too many")),
        row("b", answer("5", name="x"), answer("6", name="y"), answer("again", name="y")),
    ]

    made = written(tmp_path, *rows)

    assert [one["name"] for one in made.index["attributes"]] == ["x", "y"]
    assert made.index["leftOut"] == 1
    assert made.values("y") == ["3", "6"]
    assert made.cards("answers")[0] == [0, "1", 1, "2", 2, "3", -1, "4"]
    assert [one["text"] for one in made.details[1]["answers"]] == ["5", "6", "again"]


def test_what_is_searched_is_more_than_what_is_shown_but_not_without_end(tmp_path: Path) -> None:
    long = "x" * 300 + "needle" + "y" * 20_000
    extra = json.dumps({"price": 3, "note": ["é"], "text": "bargain"}, ensure_ascii=False)
    found = replace(row("a", answer(long), group="spring"), image="https://shop.example/a.jpg", extra=extra)

    made = written(tmp_path, found)

    (more,) = made.cards("more")
    for word in ("needle", "spring", "https://shop.example/a.jpg", "bargain", '["é"]', "3"):
        assert word in more
    assert len(more) < 5_000
    assert len(made.cards("answers")[0][1]) == 240
    assert made.details[0]["answers"][0]["text"] == long
    assert made.details[0]["extra"] == [["price", "3"], ["note", '["é"]'], ["text", "bargain"]]


def test_a_data_uri_is_told_and_not_repeated(tmp_path: Path) -> None:
    uri = "data:image/png;base64," + "A" * 1_000_000

    made = written(tmp_path, replace(row("a"), id=uri, image=uri))

    assert len(made.text) < 200_000
    assert made.details[0]["image"] == "data:image/png;base64,… (1,000,022 characters)"


@pytest.mark.parametrize("target", ["out.html", "out/"])
def test_hostile_texts_stay_data(tmp_path: Path, target: str) -> None:
    # Given: each text of a row, and a lone half of a character as only JSON can hold it.
    extra = '{"__proto__": "\\ud800", "' + HOSTILE.split()[0].replace('"', "") + '": 1}'
    choices = (Choice(text=HOSTILE, probability=0.5), Choice(text="x", probability=0.5))
    hostile = Answer(
        name=HOSTILE,
        question=HOSTILE,
        kind=Kind.CHOICE,
        text=HOSTILE,
        confidence=0.5,
        tokens=1,
        choices=choices,
        alternatives=(Alternative(text=HOSTILE, confidence=0.5),),
    )
    rows = [
        replace(row(HOSTILE, hostile), image=HOSTILE, group=HOSTILE, extra=extra, model=HOSTILE),
        replace(failed_row("b", HOSTILE), error_message=HOSTILE),
    ]

    # When
    made = written(tmp_path, *rows, target=target)

    # Then: every text comes out as it went in, and the page has no script but its own.
    first, second = made.details
    assert (first["id"], first["image"], first["group"]) == (HOSTILE, HOSTILE, HOSTILE)
    (told,) = first["answers"]
    assert (told["name"], told["question"], told["text"], told["choices"][0][0]) == (HOSTILE,) * 4
    assert told["alternatives"] == [[HOSTILE, 0.5]]
    assert first["extra"][0] == ["__proto__", "\ud800"]
    assert (second["code"], second["message"]) == (HOSTILE, HOSTILE)
    assert made.index["names"] == [HOSTILE]
    assert len(made.scripts) == 1
    assert "alert" not in made.scripts[0]
    for path in [tmp_path / target] if target == "out.html" else (tmp_path / target / "data").iterdir():
        text = path.read_text(encoding="utf-8")
        assert "alert(1)</script>" not in text
        assert not re.search("[\u2028\u2029]", text)


def test_a_hostile_name_of_a_job_stays_a_text(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>{script}"
    job = write_job(tmp_path / name, [ok_row("a")], items=1)

    write_gallery(job, str(tmp_path / "out.html"))

    made = GalleryFiles(tmp_path / "out.html")
    assert made.index["job"]["name"] == name
    assert [tag for tag, _ in made.tags if tag == "img"] == []
    assert "<title>&lt;img src=x onerror=alert(1)&gt;{script}</title>" in made.text


@pytest.mark.parametrize(("target", "sources"), [("out.html", "data:"), ("out/", "data: 'self'")])
def test_the_policy_lets_nothing_run_but_the_pages_own_script(tmp_path: Path, target: str, sources: str) -> None:
    made = written(tmp_path, ok_row("a"), target=target)

    policy = made.policy()
    (script,) = made.scripts
    (style,) = re.findall(r"<style>(.*?)</style>", made.text, re.DOTALL)
    loaded = ["'strict-dynamic'"] if target == "out/" else []
    assert policy["default-src"] == "'none'"
    assert policy["script-src"].split() == [digest(script), *loaded]
    assert policy["style-src"] == digest(style)
    assert policy["img-src"] == sources
    assert policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "connect-src" not in policy
    assert "unsafe" not in " ".join(policy.values())
    # Neither handlers nor styles in tags, nor anything from elsewhere.
    for tag, attributes in made.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcdoc")], tag
        assert not (attributes.get("src") or attributes.get("href") or "").startswith(("http", "//")), tag


# Pictures. ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["out.html", "out/"])
def test_an_image_is_made_once_however_many_items_show_it(tmp_path: Path, target: str) -> None:
    mug, hat = no_file("mug"), no_file("hat")
    maker = Maker()

    made = written(tmp_path, *(shown(row(name), one) for name, one in zip("abc", (mug, hat, mug), strict=True)),
                   target=target, make=maker)  # fmt: skip

    assert maker.asked == ["/shop/mug", "/shop/hat"]
    assert made.pictures == {mug.sha256[:24]: b"/shop/mug", hat.sha256[:24]: b"/shop/hat"}
    assert made.cards("pictures") == [mug.sha256[:24], hat.sha256[:24], mug.sha256[:24]]


@pytest.mark.parametrize("digest", [None, "", "A" * 64, "a" * 63, "../../../../etc/passwd" + "a" * 42])
def test_an_image_without_a_digest_is_not_even_asked_for(tmp_path: Path, digest: str | None) -> None:
    maker = Maker()

    made = written(tmp_path, replace(row("a"), image="/etc/passwd", sha256=digest, width=1, height=1), make=maker)

    assert maker.asked == []
    assert made.cards("pictures") == [""]


def test_a_picture_that_cannot_be_had_has_its_reason(tmp_path: Path) -> None:
    job = write_job(tmp_path / "job", [shown(row(name), no_file("mug")) for name in "ab"], items=2)

    came = write_gallery(job, str(tmp_path / "out.html"), make=Maker(mug="file_not_found"))

    assert GalleryFiles(tmp_path / "out.html").cards("pictures") == ["!file_not_found"] * 2
    assert (came.pictures, dict(came.without)) == (0, {"file_not_found": 2})


def test_without_thumbnails_nothing_is_asked_for(tmp_path: Path) -> None:
    made = written(tmp_path, shown(row("a"), no_file("mug")))

    assert made.index["pictures"] is False
    assert made.cards("pictures") == [""]


def test_a_folder_that_is_made_again_keeps_its_thumbnails(tmp_path: Path) -> None:
    # Given
    job = write_job(tmp_path / "job", [shown(row("a"), no_file("mug"))], items=1)
    write_gallery(job, str(tmp_path / "out"), make=Maker())
    job.folder.write_result(0, [shown(row("a"), no_file("mug")), shown(row("b"), no_file("hat"))])

    # When
    again = Maker()
    came = write_gallery(job, str(tmp_path / "out"), make=again, force=True)

    # Then
    assert again.asked == ["/shop/hat"]
    assert came.pictures == 2
    assert sorted(GalleryFiles(tmp_path / "out").pictures.values()) == [b"/shop/hat", b"/shop/mug"]
