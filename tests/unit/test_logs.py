"""Log lines: for people and for programs, with what they are about, and with nothing that forges another line."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextvars import copy_context
from io import StringIO
from typing import Any

import pytest

from askpix.worker.logs.about import about, about_items, carried, concerning
from askpix.worker.logs.setup import LogForm, formatter

HOSTILE = '\n2026-01-01 00:00:00,000 INFO forged\x1b[2J\r{"level": "info"}\u2028'


class Log:
    """A logger of its own, and what it has written."""

    def __init__(self, form: LogForm) -> None:
        self._stream = StringIO()
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(formatter(form))
        self.logger = logging.Logger("askpix.test", logging.INFO)
        self.logger.addHandler(handler)

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def json_log() -> Log:
    return Log(LogForm(json=True))


@pytest.fixture
def plain_log() -> Log:
    return Log(LogForm())


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


@pytest.mark.parametrize("as_json", [False, True])
def test_a_traceback_is_masked_and_forges_nothing(as_json: bool) -> None:
    log = Log(LogForm(json=as_json, secrets=("redis://:long-password@h/0",)))

    try:
        raise ValueError(f"https://h/a.jpg?sig=Xy7 long-password {HOSTILE}")
    except ValueError:
        log.logger.exception("it failed")

    assert "long-password" not in log.text
    assert "Xy7" not in log.text
    assert "\x1b" not in log.text
    if as_json:
        (line,) = log.objects
        assert "ValueError: https://h/a.jpg?***" in line["exception"]
    else:
        first, *others = log.text.splitlines()
        assert first.endswith("it failed")
        assert others
        assert all(line.startswith("    ") for line in others)


@pytest.mark.parametrize("said", ["m" * 1_000_000, "a line of a message\n" * 10_000, "\n" * 20_000])
def test_a_traceback_keeps_its_last_frames_and_what_was_raised_however_long_that_is(said: str, json_log: Log) -> None:
    def deeper(depth: int) -> None:
        if depth:
            deeper_still(depth - 1)
        raise ValueError(f"{said}")

    def deeper_still(depth: int) -> None:
        deeper(depth)

    try:
        deeper(200)
    except ValueError:
        json_log.logger.exception("it failed")

    (line,) = json_log.objects
    told = line["exception"].split("\n")
    assert told[0] == "..."
    assert ", in deeper_still" in line["exception"]
    assert [one for one in told if one.startswith("  File")][-1].endswith(", in deeper")
    assert f"\nValueError: {said[:3_000]}" in line["exception"]
    assert "... (" in told[-1]
    assert len(line["exception"]) < 12_100


@pytest.mark.parametrize("distance", range(3_960, 4_001, 8))
def test_no_half_of_a_secret_is_left_where_a_message_of_a_traceback_is_cut(distance: int) -> None:
    log = Log(LogForm(json=True, secrets=("redis://:long-password@h/0",)))

    try:
        raise ValueError(f"{'x' * (distance - len('ValueError: '))}long-password{'x' * 10_000}")
    except ValueError:
        log.logger.exception("it failed")

    assert "xlong" not in log.text
    assert "xlon" not in log.text


def test_a_chain_of_errors_is_told_from_its_end(json_log: Log) -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError:
        json_log.logger.exception("it failed")

    told = json_log.objects[0]["exception"]
    assert told.startswith("Traceback (most recent call last):\n  File")
    assert "KeyError: 'first'\n\nThe above exception was the direct cause" in told
    assert told.endswith("ValueError: second")


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


_PROGRAM = """
import logging, sys, threading, warnings
from askpix.worker.logs.setup import LogForm, log_to_stderr
log_to_stderr(LogForm(json="json" in sys.argv, secrets=("redis://:long-password@h/0",)))
logging.getLogger("celery").info("a library speaks of long-password")
logging.getLogger("askpix").warning("careful")
warnings.warn("old long-password")
thread = threading.Thread(target=lambda: 1 / 0, name="worker-1")
thread.start()
thread.join()
raise RuntimeError("the end of long-password")
"""


def test_all_that_a_process_says_is_lines_of_one_form() -> None:
    ran = subprocess.run([sys.executable, "-c", _PROGRAM, "json"], capture_output=True, encoding="utf-8", timeout=60)

    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert ran.returncode == 1
    assert "long-password" not in ran.stderr
    assert [(line["logger"], line["level"]) for line in lines] == [
        ("celery", "info"),
        ("askpix", "warning"),
        ("py.warnings", "warning"),
        ("askpix", "critical"),
        ("askpix", "critical"),
    ]
    assert "ZeroDivisionError" in lines[3]["exception"]
    assert lines[4]["exception"].endswith("RuntimeError: the end of ***")


_FAULTY = """
import logging, sys
from askpix.worker.logs.setup import LogForm, log_to_stderr

class Unsaid:
    def __str__(self):
        raise RuntimeError("no words for long-password")

log_to_stderr(LogForm(json="json" in sys.argv, secrets=("redis://:long-password@h/0",)))
library = logging.getLogger("library")
library.warning("%d of long-password", "of-an-argument")
library.error("%s", Unsaid())
library.error(Unsaid())
try:
    raise ConnectionResetError("the connection broke")
except ConnectionResetError:
    library.exception("")
    library.exception("not\\nsent")
    library.exception("%d", "of-an-argument")
"""


@pytest.mark.parametrize("form", ["json", "plain"])
def test_a_line_that_cannot_be_made_is_told_of_in_one_of_the_same_form(form: str) -> None:
    ran = subprocess.run([sys.executable, "-c", _FAULTY, form], capture_output=True, encoding="utf-8", timeout=60)

    assert ran.returncode == 0
    assert "long-password" not in ran.stderr
    assert "of-an-argument" not in ran.stderr
    shown = ran.stderr.splitlines()
    first, second, third, empty, broken, both = [json.loads(one)["message"] if form == "json" else one for one in shown]
    assert "a line of <string>:11 cannot be logged: TypeError: %d format: a real number is required" in first
    assert first.endswith(": %d of ***")
    assert second.endswith("a line of <string>:12 cannot be logged: RuntimeError: no words for ***: %s")
    assert third.endswith("a line of <string>:13 cannot be logged: RuntimeError: no words for ***: (Unsaid)")
    assert empty.endswith("the connection broke")
    assert broken.endswith("not: the connection broke")
    assert "a line of <string>:19 cannot be logged: TypeError" in both


_ENDED = """
import logging, sys
from askpix.worker.logs.setup import LogForm, log_to_stderr
log_to_stderr(LogForm())
sys.stderr.close()
logging.getLogger("askpix").warning("nobody hears this")
print("done")
"""


def test_a_log_that_nobody_takes_any_more_ends_nothing() -> None:
    ran = subprocess.run([sys.executable, "-c", _ENDED], capture_output=True, encoding="utf-8", timeout=60)
    assert (ran.returncode, ran.stdout) == (0, "done\n")


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)


@pytest.mark.parametrize(
    ("environment", "colored"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colors_are_for_terminals_of_those_who_want_them(
    environment: dict[str, str], colored: bool, terminal: tuple[int, int]
) -> None:
    ours, theirs = terminal
    own = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}

    subprocess.run([sys.executable, "-c", _PROGRAM], stderr=theirs, env={**own, **environment}, timeout=60)
    os.close(theirs)

    assert ("\x1b[33mWARNING\x1b[0m careful" in os.read(ours, 1 << 16).decode()) is colored


def test_a_file_has_no_colors() -> None:
    ran = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, encoding="utf-8", timeout=60)
    assert "WARNING careful" in ran.stderr
    assert "\x1b" not in ran.stderr
