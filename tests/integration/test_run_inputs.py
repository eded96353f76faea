"""`askpix run` on every form of input, with the bundled pictures, model and truth."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

from helpers.http_server import Server
from helpers.processes import Ran, askpix

from askpix.producer import Job, Kind, Row, Status

RIGHT_ENOUGH = 0.9


def rows_of(job: Path) -> list[Row]:
    return list(Job.open(str(job)).results())


def answered(ran: Ran, job: Path) -> list[Row]:
    """Returns the rows of a run in which every item was answered."""
    assert ran.code == 0, ran.err
    rows = rows_of(job)
    assert all(row.status is Status.OK and row.error_code is None for row in rows)
    return rows


def truth(images: Path) -> dict[str, dict[str, object]]:
    lines = (images / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    return {value["image"]: value for value in map(json.loads, lines)}


def test_a_folder_is_captioned_and_most_captions_are_true(images: Path, tmp_path: Path) -> None:
    # Given: pictures in folders within folders, beside a file that is no picture.
    for index, path in enumerate(sorted(images.glob("*.jpg"))):
        (tmp_path / "shop" / f"shelf-{index % 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "shop" / f"shelf-{index % 2}")
    (tmp_path / "shop" / "notes.md").write_text("not a picture")

    # When
    ran = askpix("run", "shop", "--output", "job", cwd=tmp_path)

    # Then
    rows = answered(ran, tmp_path / "job")
    names = [row.id.rpartition("/")[2] for row in rows]
    assert [row.id for row in rows] == sorted(row.id for row in rows)
    assert sorted(names) == sorted(path.name for path in images.glob("*.jpg"))
    assert {answer.kind for row in rows for answer in row.answers} == {Kind.CAPTION}
    right = [row.answers[0].text == truth(images)[name]["caption"] for row, name in zip(rows, names, strict=True)]
    assert sum(right) >= RIGHT_ENOUGH * len(right)
    # And it says what a newcomer needs to know: which model, how many, and what next.
    assert "demo model" in ran.err
    assert f"{len(rows)} items: {len(rows)} ok, 0 failed" in ran.err
    assert "askpix export job --to" in ran.err
    assert rows[0].answers[0].text in ran.out


def test_questions_of_each_image_in_a_jsonl_are_answered_and_mostly_right(images: Path, tmp_path: Path) -> None:
    # When
    ran = askpix("run", images / "questions.jsonl", "--output", "job", cwd=tmp_path)

    # Then: every question of every image has an answer, in the order in which they were asked.
    rows = answered(ran, tmp_path / "job")
    asked = [json.loads(line) for line in (images / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row.id for row in rows] == [item["image"] for item in asked]
    assert [[answer.question for answer in row.answers] for row in rows] == [item["questions"] for item in asked]
    right = [
        answer.text == truth(images)[row.id]["answers"][answer.question]  # type: ignore[index]
        for row in rows
        for answer in row.answers
    ]
    assert sum(right) >= RIGHT_ENOUGH * len(right)
    assert all(0 <= answer.confidence <= 1 and answer.kind is Kind.OPEN for row in rows for answer in row.answers)


def test_a_csv_keeps_its_ids_groups_and_other_columns(images: Path, tmp_path: Path) -> None:
    # Given: a list as a spreadsheet writes it, with a byte-order mark and columns of the shop's own.
    names = [path.name for path in sorted(images.glob("*.jpg"))[:3]]
    with (tmp_path / "list.csv").open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file)
        table.writerow(("SKU", "Image", "ID", "group", "question", "price"))
        table.writerow(("=1+1", images / names[0], "first", "shelf 1", "what is it?", "-3"))
        table.writerow(("b", images / names[1], "second", "", "", "3,50"))
        table.writerow(("c", images / names[2], "", "shelf 2", "what is it?", ""))

    # When: images are elsewhere, so their folder is opened; rows without a question get the job's.
    ran = askpix(
        "run", "list.csv", "--output", "job", "--files-root", images, "--question", "what color is it?", cwd=tmp_path
    )

    # Then
    rows = answered(ran, tmp_path / "job")
    assert [row.id for row in rows] == ["first", "second", str(images / names[2])]
    assert [row.group for row in rows] == ["shelf 1", None, "shelf 2"]
    assert [row.answers[0].question for row in rows] == ["what is it?", "what color is it?", "what is it?"]
    assert json.loads(rows[0].extra or "") == {"SKU": "=1+1", "price": "-3"}

    # And the exported table has the shop's columns; no cell of it runs as a formula.
    assert askpix("export", "job", "--to", "out.csv", cwd=tmp_path).code == 0
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        exported = list(csv.DictReader(file))
    assert [line["id"] for line in exported] == [row.id for row in rows]
    assert [line["answer"] for line in exported] == [row.answers[0].text for row in rows]
    assert [line["SKU"] for line in exported] == ["'=1+1", "b", "c"]
    assert [line["price"] for line in exported] == ["-3", "3,50", ""]

    # And the same as JSON lines has all that is known of each item.
    assert askpix("export", "job", "--to", "out.jsonl", cwd=tmp_path).code == 0
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == [row.id for row in rows]
    assert lines[0]["extra"] == {"SKU": "=1+1", "price": "-3"}
    assert lines[0]["answers"][0]["text"] == rows[0].answers[0].text


def test_a_txt_mixes_paths_and_urls_and_repeats(images: Path, tmp_path: Path, server: Server) -> None:
    # Given
    shutil.copy(images / "000-bottle.jpg", tmp_path / "here.jpg")
    url = server.put("/shop/000%20bottle.jpg?size=large", (images / "000-bottle.jpg").read_bytes())
    (tmp_path / "list.txt").write_text(f"here.jpg\n\n  {url}  \n{tmp_path / 'here.jpg'}\nhere.jpg\n{url}\n")

    # When
    ran = askpix("run", "list.txt", "--output", "job", "--allow-net", "127.0.0.0/8", cwd=tmp_path)

    # Then: each is an item of its own, with an id of its own, and the same picture has the same caption.
    rows = answered(ran, tmp_path / "job")
    assert [row.id for row in rows] == ["here.jpg", url, str(tmp_path / "here.jpg"), "here.jpg#2", f"{url}#2"]
    assert len({row.answers[0].text for row in rows}) == 1
    assert len({row.sha256 for row in rows}) == 1
    # And the site's owner can see who asks.
    assert any(agent.startswith("askpix/") for agent in server.agents)


def test_one_image_with_a_prompt_and_a_limit_is_captioned_so(images: Path, tmp_path: Path) -> None:
    # When
    ran = askpix(
        "run", images / "000-bottle.jpg", "--output", tmp_path / "job", "--prompt", "two plain",
        "--max-new-tokens", "2", "--precision", "f32", cwd=tmp_path,
    )  # fmt: skip

    # Then
    (row,) = answered(ran, tmp_path / "job")
    (answer,) = row.answers
    assert row.precision == "f32"
    assert answer.text.startswith("two plain ")
    assert (answer.tokens, answer.finish_reason) == (2, "length")


def test_questions_with_names_and_choices_come_from_a_file(images: Path, tmp_path: Path) -> None:
    # Given
    (tmp_path / "questions.yaml").write_text(
        "- what is it?\n- text: what color is it?\n  name: color\n  choices: [red, orange, blue]\n"
    )

    # When
    ran = askpix(
        "run", images / "000-bottle.jpg", "--output", tmp_path / "job", "--questions", "questions.yaml",
        "--question", "how many are there?", cwd=tmp_path,
    )  # fmt: skip

    # Then
    (row,) = answered(ran, tmp_path / "job")
    assert [answer.name for answer in row.answers] == ["how many are there?", "what is it?", "color"]
    color = row.answers[2]
    assert (color.kind, color.text, color.question) == (Kind.CHOICE, "orange", "what color is it?")
    assert color.choices is not None
    assert [choice.text for choice in color.choices] == ["red", "orange", "blue"]
    assert abs(sum(choice.probability for choice in color.choices) - 1) < 1e-3
    assert color.confidence == max(choice.probability for choice in color.choices)
