"""Asking: what cannot be asked is said at once, every wait ends, and what is no answer is not taken for one."""

from __future__ import annotations

import base64
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import redis
from helpers.asks import IMAGE, ROW, client, reply, succeeded

from askpix.producer import Ask, AskpixError, Client, MessageError, Question, Turn
from askpix.producer.asking import ASK_SECONDS
from askpix.producer.errors import BrokerError, InputError
from askpix.producer.records import row_to_json

__all__ = ["client"]


def failed(result: Any, status: str = "FAILURE") -> dict[str, Any]:
    return {"status": status, "result": result}


def test_a_row_comes_back_as_it_was_told(client: Client, counters: redis.Redis) -> None:
    asked = client.ask(IMAGE, model="m")
    reply(asked, counters, succeeded(row_to_json(ROW)))

    assert asked.get(timeout=5) == ROW


NO_ROWS: dict[str, Any] = {
    "nothing": None,
    "a text": "evil",
    "a number": 5,
    "a list": [{}],
    "an empty object": {},
    "an id alone": {"id": "x"},
    "an unknown status": {**row_to_json(ROW), "status": "great"},
    "answers that are text": {**row_to_json(ROW), "answers": "a mug"},
    "answers that are numbers": {**row_to_json(ROW), "answers": [5]},
    "an answer without text": {**row_to_json(ROW), "answers": [{"kind": "caption", "choices": None}]},
    "a text that is a number": {**row_to_json(ROW), "answers": [{**row_to_json(ROW)["answers"][0], "text": 5}]},
    "a width that is text": {**row_to_json(ROW), "width": "wide"},
}


@pytest.mark.parametrize("what", NO_ROWS)
def test_a_result_that_is_no_row_is_an_error(what: str, client: Client, counters: redis.Redis) -> None:
    asked = client.ask(IMAGE, model="m")
    reply(asked, counters, succeeded(NO_ROWS[what]))

    with pytest.raises(AskpixError, match="is no result row"):
        asked.get(timeout=5)


@pytest.mark.parametrize(
    "stored", ["", "x", "5", "[]", "{}", '{"status": 5, "result": 1}', '{"status": "SUCCESS"}', "[" * 9_999]
)
def test_what_is_no_result_of_celery_is_an_error(stored: str, client: Client, counters: redis.Redis) -> None:
    asked = client.ask(IMAGE, model="m")
    reply(asked, counters, stored)

    with pytest.raises(BrokerError, match="somebody else's"):
        asked.get(timeout=5)


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        (
            failed({"exc_type": "TaskRevokedError", "exc_message": ["expired"]}, "REVOKED"),
            "has begun in time: ask again",
        ),
        (failed(None), "did not say why"),
        (failed("x"), "did not say why"),
        (failed({}), "gave no answer"),
        (failed({"exc_type": 5, "exc_message": 5, "exc_module": []}), "gave no answer"),
        (
            failed({"exc_type": "system", "exc_message": ["touch x"], "exc_module": "os"}),
            "gave no answer: system: touch x",
        ),
        (failed({"exc_type": "Odd", "exc_message": ["why"], "exc_module": "askpix.producer.errors"}), "^why$"),
    ],
)
def test_a_failure_is_told_in_words(meta: dict[str, Any], words: str, client: Client, counters: redis.Redis) -> None:
    asked = client.ask(IMAGE, model="m")
    reply(asked, counters, meta)

    with pytest.raises(AskpixError, match=words) as caught:
        asked.get(timeout=5)

    assert type(caught.value) is AskpixError


def test_turns_are_checked_before_anything_is_sent(client: Client) -> None:
    with pytest.raises(InputError, match="this cannot be asked: history"):
        client.ask(IMAGE, "and?", model="m", history=[Turn("what is it?", "a" * 20_001)])
    with pytest.raises(InputError, match="needs a question"):
        client.ask(IMAGE, model="m", history=[{"question": "what is it?", "answer": "a mug"}])


def _sent(asked: Ask, counters: redis.Redis) -> dict[str, Any]:
    """Returns the message of an ask, which no worker takes."""
    messages = (json.loads(message) for message in counters.lrange("askpix:m.ask", 0, -1))
    body = next(one["body"] for one in messages if one["headers"]["id"] == asked.id)
    return json.loads(base64.b64decode(body))[0][0]


def test_local_files_that_turns_show_are_sent_along(client: Client, counters: redis.Redis, tmp_path: Path) -> None:
    # Given
    (tmp_path / "a.jpg").write_bytes(b"picture a")
    file, uri = str(tmp_path / "a.jpg"), "data:application/octet-stream;base64,cGljdHVyZSBh"

    # When
    turn = {"question": "and now?", "answer": "a plate", "images": [IMAGE, f"file://{file}"]}
    asked = client.ask(None, "why?", model="m", history=[Turn("what?", "a mug", images=(file,)), turn, Turn("a", "b")])

    # Then
    sent = _sent(asked, counters)
    assert [one.get("images") for one in sent["history"]] == [[uri], [IMAGE, uri], None]
    assert "image" not in sent


def test_images_that_cannot_be_shown_are_told_before_anything_is_sent(client: Client, tmp_path: Path) -> None:
    (tmp_path / "large.jpg").write_bytes(bytes(12_000_000))
    large, missing = str(tmp_path / "large.jpg"), str(tmp_path / "none.jpg")
    for image, shown, words in (
        (IMAGE, [missing], r"none\.jpg cannot be read: no such file"),
        (None, [large, large], "its images' references come to more than 28,000,000 characters together"),
        (large, [large], "its images' references come to more"),
        (IMAGE, [IMAGE] * 8, "it shows 9 images; 8 are taken"),
        (IMAGE, [missing] * 8, "it shows 9 images; 8 are taken"),
        (None, [missing] * 1_000, "it shows 1,000 images; 8 are taken"),
        (None, [], "it shows no image: give one, or a history that shows one"),
        (IMAGE, "a.jpg", r"history\.0\.images"),
        (IMAGE, [7], r"history\.0\.images\.0"),
    ):
        turn = {"question": "what?", "answer": "a mug", "images": shown}
        with pytest.raises(InputError, match=words):
            client.ask(image, "and?", model="m", history=[turn])
    with pytest.raises(InputError, match="it has 1,000 turns; 20 are taken"):
        client.ask(IMAGE, "and?", model="m", history=[Turn("what?", "a mug", (missing,))] * 1_000)
    with pytest.raises(InputError, match="it shows 9 images; 8 are taken"):
        client.ask(missing, "and?", model="m", history=[Turn("what?", "a mug", (missing,))] * 8)
    with pytest.raises(InputError, match=r"history\.0"):
        client.ask(IMAGE, "and?", model="m", history="what?")


def test_a_file_that_is_shown_often_is_read_once(client: Client, counters: redis.Redis, tmp_path: Path) -> None:
    # Given: one that can be read but once.
    pipe = tmp_path / "a.jpg"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_bytes, args=(b"picture a",), daemon=True)
    writing.start()

    asked = client.ask(str(pipe), "and?", model="m", history=[Turn("what?", "a mug", (str(pipe),) * 2)])

    writing.join(20)
    sent, uri = _sent(asked, counters), "data:application/octet-stream;base64,cGljdHVyZSBh"
    assert (sent["history"][0]["images"], sent["image"]) == ([uri, uri], uri)


def test_a_refusal_is_an_error_of_its_own(client: Client, counters: redis.Redis) -> None:
    asked = client.ask(IMAGE, model="m")
    reply(
        asked,
        counters,
        failed({"exc_type": "MessageError", "exc_message": ["no"], "exc_module": MessageError.__module__}),
    )

    with pytest.raises(MessageError, match=r"^no$"):
        asked.get(timeout=5)


@pytest.mark.parametrize("timeout", [math.nan, math.inf, -math.inf, 1e300, -1, 3_601])
def test_nobody_waits_for_ever(timeout: float, client: Client) -> None:
    with pytest.raises(InputError, match="from 0 to 3600 seconds"):
        client.ask(IMAGE, model="m").get(timeout)


@pytest.mark.parametrize("expires", [math.nan, math.inf, 1e300, 0, -1, 86_401])
def test_an_ask_expires_within_a_day(expires: float, client: Client) -> None:
    with pytest.raises(InputError, match="expire"):
        client.ask(IMAGE, model="m", expires=expires)


def test_an_ask_expires_by_itself(client: Client, counters: redis.Redis) -> None:
    client.ask(IMAGE, model="expiring")

    (sent,) = counters.lrange("askpix:expiring.ask", 0, -1)  # type: ignore[misc]
    assert json.loads(sent)["headers"]["expires"] is not None
    assert ASK_SECONDS == 300


@pytest.mark.parametrize("device", ["ask", "cup", "a b"])
def test_a_device_that_is_none_is_refused_before_anything_is_written(
    device: str, client: Client, tmp_path: Path, counters: redis.Redis
) -> None:
    for doing in (
        lambda: client.ask(IMAGE, model="odd", device=device),
        lambda: client.submit([IMAGE], output=str(tmp_path / "job"), model="odd", device=device),
    ):
        with pytest.raises(InputError, match="no kind of device"):
            doing()

    assert not (tmp_path / "job").exists()
    assert counters.keys("askpix:odd*") == []


def test_too_much_in_one_ask_is_the_askers_mistake(client: Client) -> None:
    choices = tuple(str(number) for number in range(600))

    with pytest.raises(InputError, match=r"^this cannot be asked: an ask may have 1,000 choices in all"):
        client.ask(IMAGE, [Question("q", choices=choices)] * 2, model="m")


def test_what_ask_raises_comes_with_the_producer_which_stays_light() -> None:
    code = "import sys; from askpix.producer import MessageError; print(*sys.modules)"

    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, encoding="utf-8", check=True)

    assert not {"openvino", "PIL", "tokenizers", "askpix.worker", "boto3"} & set(ran.stdout.split())
