"""Log lines: for people and for programs, with what they are about, and with nothing that forges another line."""

from __future__ import annotations

import os
import threading
from contextvars import copy_context

import pytest
from helpers.logs import HOSTILE, Log, json_log, plain_log

from askpix.worker.logs.about import about, about_items, carried, concerning
from askpix.worker.logs.setup import LogForm

__all__ = ["json_log", "plain_log"]


def test_a_line_for_programs_is_one_object_of_known_fields(json_log: Log) -> None:
    with about(task="id-1", job="s3://shop/jobs/a", part=3, round=1, item="mug"):
        json_log.logger.warning("it took %d tries", 2)

    (line,) = json_log.objects
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "message": "it took 2 tries",
        "logger": "askpix.test",
        "pid": os.getpid(),
        "task": "id-1",
        "job": "s3://shop/jobs/a",
        "part": 3,
        "round": 1,
        "item": "mug",
    }


def test_a_line_for_people_adds_what_its_message_does_not_say(plain_log: Log) -> None:
    with about(task="id-1", job="/jobs/a", part=3, round=0):
        plain_log.logger.info("part 3 of /jobs/a is done")
        with about(item="a mug"):
            plain_log.logger.info("its image is none")

    first, second = plain_log.text.splitlines()
    assert first[23:] == " INFO part 3 of /jobs/a is done"
    assert second[23:] == ' INFO its image is none  job=/jobs/a part=3 item="a mug"'


def test_replicas_say_which_they_are_and_their_parent_whom_it_means() -> None:
    replica, parent = Log(LogForm(json=True, replica=2)), Log(LogForm(json=True, replica=0))

    replica.logger.info("ready")
    parent.logger.info("starting")
    with about(replica=2):
        parent.logger.error("replica 2 ended")

    assert [line["replica"] for line in (*replica.objects, *parent.objects)] == [2, 0, 2]


def test_on_a_terminal_a_replicas_lines_begin_with_its_number() -> None:
    log = Log(LogForm(replica=2))
    log.logger.info("ready")
    assert log.text[23:] == f" [2:{os.getpid()}] INFO ready\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_that_strangers_named_makes_a_line_of_its_own(as_json: bool) -> None:
    log = Log(LogForm(json=as_json))

    with about(task=HOSTILE, job=f"/jobs/{HOSTILE}", part=3, round=0, item=HOSTILE):
        log.logger.info("no image %s", HOSTILE)

    (line,) = log.text.splitlines()
    assert line.isprintable()
    if as_json:
        assert log.objects[0]["item"] == HOSTILE.encode("unicode_escape").decode()
    else:
        assert line[23:].startswith(" INFO no image \\n2026-01-01")


def test_an_id_that_is_a_signed_url_is_masked_to_its_end(json_log: Log) -> None:
    with about(**about_items(["https://h/a b.jpg?sig=Xy7 and more#2"])):
        json_log.logger.info("no image")
    assert json_log.objects[0]["item"] == "https://h/a%20b.jpg?***#2"


def test_long_values_are_cut(json_log: Log) -> None:
    with about(item="i" * 10_000):
        json_log.logger.info("m" * 100_000)

    (line,) = json_log.objects
    assert line["item"] == "i" * 500 + "... (10000 characters)"
    assert len(line["message"]) < 4_100


def test_celerys_own_lines_have_the_id_of_their_task(json_log: Log) -> None:
    json_log.logger.info("Task succeeded", extra={"data": {"id": "id-1", "name": "askpix.part"}})
    assert json_log.objects[0]["task"] == "id-1"


def test_a_thread_takes_along_what_it_is_about(json_log: Log) -> None:
    def say() -> None:
        json_log.logger.info("loaded")

    with about(job="/jobs/a", part=3):
        told, untold = carried(say), say
    for target in (told, untold):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()

    lines = json_log.objects
    assert (lines[0].get("job"), lines[0].get("part")) == ("/jobs/a", 3)
    assert "job" not in lines[1]


def test_what_is_carried_may_be_called_within_itself_and_by_several() -> None:
    depth = 0

    def again() -> None:
        nonlocal depth
        depth += 1
        if depth < 3:
            call()

    call = carried(again)
    call()
    assert depth == 3


def test_a_batch_is_about_what_its_requests_have_in_common_and_their_items() -> None:
    contexts = []
    for part, item in ((3, "mug"), (3, "cap"), (4, "bag")):
        with about(job="/jobs/a", part=part, item=item):
            contexts.append(copy_context())

    assert concerning(contexts[:2]) == {"job": "/jobs/a", "part": 3, "items": ["mug", "cap"]}
    assert concerning(contexts) == {"job": "/jobs/a", "items": ["mug", "cap", "bag"]}
    assert concerning(contexts[:1]) == {"job": "/jobs/a", "part": 3, "item": "mug"}
    assert concerning([]) == {}


def test_of_many_items_some_are_named() -> None:
    assert about_items(range(20)) == {"items": [*map(str, range(8)), "and 12 more"]}
    assert about_items([]) == {}
