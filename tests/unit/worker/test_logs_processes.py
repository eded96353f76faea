"""All that a process says is lines of one form, whatever becomes of where they go."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest

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
