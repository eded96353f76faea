"""`askpix ask --history`: a conversation over several images at the command line, and its settings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.processes import Ran, askpix
from helpers.system import RedisServer, Starter, WorkerProcess
from helpers.system_fixtures import broker, client, pages, root, start_worker
from helpers.vlm import TinyVlms

from askpix.cli.history import read_history
from askpix.producer import Client, Turn
from askpix.producer.items import Options

__all__ = ["broker", "client", "pages", "root", "start_worker"]

pytestmark = pytest.mark.timeout(300)

MODEL = "tiny-llava"
OPTIONS = Options(max_new_tokens=12)


@pytest.fixture(scope="module")
def worker(start_worker: Starter, tiny: TinyVlms) -> WorkerProcess:
    return start_worker("--model", tiny.folder("llava"), "--precision", "f32")


class Shell:
    """Runs `askpix ask` in a folder with two pictures."""

    def __init__(self, folder: Path, images: Path, broker: RedisServer) -> None:
        self.folder = folder
        self._env = broker.environment
        for name, picture in (("a.jpg", "001-mug.jpg"), ("b.jpg", "010-hat.jpg")):
            shutil.copy(images / picture, folder / name)

    def ask(self, *words: str) -> Ran:
        return askpix("ask", "--model", MODEL, "--max-new-tokens", "12", *words, cwd=self.folder, env=self._env)

    def grown(self, *words: str) -> dict[str, Any]:
        """Asks with talk.jsonl as history, to which the answer is added; returns the row."""
        asked = self.ask(*words, "--history", "talk.jsonl", "--json")
        assert asked.code == 0, asked.err
        with (self.folder / "talk.jsonl").open("a") as talk:
            talk.write(asked.out)
        return json.loads(asked.out)


@pytest.fixture
def shell(tmp_path: Path, images: Path, broker: RedisServer, worker: WorkerProcess) -> Shell:
    return Shell(tmp_path, images, broker)


def test_a_conversation_grows_by_what_is_printed(shell: Shell, client: Client) -> None:
    # Given
    (shell.folder / "talk.jsonl").touch()
    a, b = (str(shell.folder / name) for name in ("a.jpg", "b.jpg"))

    # When: the image is given, left out, another one, that one again, and left out.
    rows = [
        shell.grown("a.jpg", "what is it?"),
        shell.grown("in which colour?"),
        shell.grown("b.jpg", "and this?"),
        shell.grown("b.jpg", "is it worn?"),
        shell.grown("which of them is larger?"),
    ]

    # Then
    said = [row["answers"][0]["text"] for row in rows]
    turns = [
        Turn("what is it?", said[0], (a,)),
        Turn("in which colour?", said[1]),
        Turn("and this?", said[2], (b,)),
        Turn("is it worn?", said[3]),
    ]
    for number, (image, question) in enumerate(
        ((a, "what is it?"), (None, "in which colour?"), (b, "and this?"), (None, "is it worn?"),
         (None, "which of them is larger?"))
    ):  # fmt: skip
        row = client.ask(image, question, model=MODEL, history=turns[:number], options=OPTIONS).get(60)
        assert row.answers[0].text == said[number]
        assert row.answers[0].prompt_tokens == rows[number]["answers"][0]["prompt_tokens"]
    assert [row["image"] for row in rows] == ["a.jpg", "a.jpg", "b.jpg", "b.jpg", "b.jpg"]
    assert len(set(said)) == len(said)


def test_a_history_may_be_written_by_hand(shell: Shell, client: Client) -> None:
    (shell.folder / "talk.yaml").write_text(
        "- question: what is it?\n  answer: a mug\n  images: [a.jpg]\n- question: and its colour?\n  answer: red\n"
    )
    asked = shell.ask("b.jpg", "is this one red too?", "--history", "talk.yaml", "--choice", "yes", "--choice", "no")
    turns = [Turn("what is it?", "a mug", (str(shell.folder / "a.jpg"),)), Turn("and its colour?", "red")]
    free = shell.ask("is it full?", "--history", "talk.yaml", "--json")

    assert asked.code == 0, asked.err
    assert asked.out.strip() in ("yes", "no")
    row = client.ask(None, "is it full?", model=MODEL, history=turns, options=OPTIONS).get(60)
    assert json.loads(free.out)["answers"][0]["text"] == row.answers[0].text


def test_how_texts_are_drawn_and_where_they_stop_is_kept_to(shell: Shell, client: Client) -> None:
    def said(**settings: Any) -> str:
        options = Options(**{"max_new_tokens": 12, **settings})
        row = client.ask(str(shell.folder / "a.jpg"), "what is it?", model=MODEL, options=options).get(60)
        return row.answers[0].text

    # Given
    drawing = {"do_sample": True, "temperature": 1.7, "top_p": 0.9, "seed": 1}
    plain, drawn = said(), said(**drawing)
    stop = drawn[2:4]

    # When
    flags = ("--do-sample", "--temperature", "1.7", "--top-p", "0.9", "--seed", "1", "--stop", stop)
    asked = json.loads(shell.ask("a.jpg", "what is it?", "--json", *flags).out)["answers"][0]
    short = json.loads(shell.ask("a.jpg", "what is it?", "--json", "--max-new-tokens", "3").out)["answers"][0]

    # Then
    assert asked["text"] == drawn.partition(stop)[0].strip()
    assert (short["tokens"], short["finish_reason"]) == (3, "length")
    assert plain.startswith(short["text"][:2])
    assert len({plain, drawn, said(**{**drawing, "seed": 2})}) == 3
    # So little is left to draw from that the likeliest is all there is.
    assert said(do_sample=True, top_p=0.001) == plain


def test_an_image_of_before_that_cannot_be_had_fails_the_ask_which_is_no_turn(shell: Shell) -> None:
    talk = shell.folder / "talk.jsonl"
    shown = ["https://no-such-host.invalid/x.jpg", "a.jpg"]
    talk.write_text(f"{json.dumps({'question': 'a', 'answer': 'b', 'images': shown})}\n")

    asked = shell.ask("and this?", "--history", "talk.jsonl", "--json")

    assert asked.code == 1
    assert "image 1 of 2, https://no-such-host.invalid/x.jpg: " in asked.err.replace("\n", " ")
    with talk.open("a") as file:
        file.write(asked.out)
    assert len(read_history(talk)) == 1
