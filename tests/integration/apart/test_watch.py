"""What `watch` and `run` show while a job goes on: on terminals of several widths, in a log, and as JSON."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from helpers.http_server import Page
from helpers.pictures import jpeg
from helpers.processes import ASKPIX, askpix, environment, wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, WorkerProcess
from screenshots.terminal import Terminal

from askpix.producer.client import Client
from askpix.producer.followed import Job


@pytest.fixture(scope="module", autouse=True)
def worker(start_worker: Starter) -> WorkerProcess:
    return start_worker()


@pytest.fixture
def held(client: Client, pages: HeldServer, folder: Path) -> Job:
    """A job in work: of its six images, in parts of three, four are done, one of them with an error."""
    names = [f"/{folder.name}-{number}" for number in range(6)]
    pages.hold(names[2], names[5])
    urls = pages.put_many(names, jpeg())
    pages.put(names[1], Page(status=410))
    job = client.submit(urls, output=str(folder), model=MODEL, part_size=3)
    wait_until(lambda: job.progress().done == 4, within=20, what="four images done")
    return job


class Watchers:
    """Terminals in which jobs are watched."""

    def __init__(self, stack: ExitStack, env: dict[str, str], cwd: Path) -> None:
        self._stack, self._env, self._cwd = stack, env, cwd

    def __call__(self, job: Job, *, columns: int = 80, lines: int = 24, url: str | None = None) -> Terminal:
        broker = ("--broker", url) if url else ()
        return self.run("watch", job.folder.uri, *broker, columns=columns, lines=lines)

    def run(self, *arguments: str, columns: int = 80, lines: int = 24) -> Terminal:
        command = [str(ASKPIX), *arguments]
        env = environment(self._env)
        return self._stack.enter_context(Terminal(command, columns=columns, lines=lines, cwd=self._cwd, env=env))


@pytest.fixture
def watched(broker: RedisServer, tmp_path: Path) -> Iterator[Watchers]:
    with ExitStack() as stack:
        yield Watchers(stack, broker.environment, tmp_path)


def tells(*words: str) -> Any:
    return lambda lines: all(any(word in line for line in lines) for word in words)


@pytest.mark.parametrize("columns", [60, 80, 132])
def test_a_terminal_shows_how_far_the_job_is_who_works_and_what_came_of_it(
    columns: int, held: Job, watched: Watchers, worker: WorkerProcess, pages: HeldServer
) -> None:
    terminal = watched(held, columns=columns)

    shown = terminal.wait_for(tells("4 of 6", "1 x http_410", "answers"))
    assert any(line.startswith("items     4 of 6, 1 failed") for line in shown)
    assert max(map(len, shown)) < columns
    assert any(re.search(r" \d\.\d\d$", line) for line in shown)

    pages.let_go()
    assert terminal.end() == 1
    shown = terminal.shown()
    # The panel is gone; what stays is what came of the job.
    assert not any(line.startswith("items ") for line in shown)
    assert any("6 items: 5 ok, 1 failed" in line for line in shown)
    assert any("1 x http_410" in line for line in shown)


def test_the_workers_device_and_rate_are_shown(
    client: Client, pages: HeldServer, folder: Path, watched: Watchers, worker: WorkerProcess
) -> None:
    # Given: a watch that was there from the first image on.
    names = [f"/{folder.name}-{number}" for number in range(4)]
    pages.hold(*names)
    job = client.submit(pages.put_many(names, jpeg()), output=str(folder), model=MODEL, part_size=1)
    terminal = watched(job, columns=100)
    terminal.wait_for(tells("starting", "0 of 4"))

    # When
    pages.hold(names[3])
    for number, name in enumerate(names[:3]):
        pages._gates[name].set()
        terminal.wait_for(tells(f"{number + 1} of 4"))

    # Then
    shown = terminal.wait_for(lambda lines: any(line.startswith("workers") and "CPU" in line for line in lines))
    (line,) = [line for line in shown if line.startswith("workers")]
    name, device, rate, items = line.removeprefix("workers").split()
    assert (worker.name.startswith(name.rstrip("…")), device, rate[-2:], items) == (True, "CPU", "/s", "3")
    pages.let_go()
    assert terminal.end() == 0


def test_a_terminal_that_changes_its_size_shows_the_same(held: Job, watched: Watchers, pages: HeldServer) -> None:
    terminal = watched(held, columns=120, lines=40)
    terminal.wait_for(tells("4 of 6", "answers"))

    for columns, lines in ((60, 24), (200, 50), (72, 8), (80, 24)):
        terminal.resize(columns, lines)
        seen = len(terminal.written)
        wait_until(lambda seen=seen: terminal.written.count(b"2026l", seen) > 1, within=20, what="drawn anew")  # type: ignore[misc]
        shown = terminal.shown()
        assert max(map(len, shown)) < columns
        assert sum(line.startswith("items ") for line in shown) == 1

    pages.let_go()
    assert terminal.end() == 1


def test_watchers_come_and_go_as_they_like(held: Job, watched: Watchers, pages: HeldServer) -> None:
    # Given
    first, second = watched(held), watched(held, columns=60)
    for terminal in (first, second):
        terminal.wait_for(tells("4 of 6"))

    # When one is killed, one is interrupted, and two come late
    first.process.kill()
    second.process.send_signal(signal.SIGINT)
    assert second.end() == -signal.SIGINT
    late = [watched(held), watched(held, columns=100)]
    for terminal in late:
        terminal.wait_for(tells("4 of 6"))
    pages.let_go()

    # Then they end with the right numbers; and so does one that begins when all is over.
    late.append(watched(held))
    for terminal in late:
        assert terminal.end() == 1
        assert any("6 items: 5 ok, 1 failed" in line for line in terminal.shown())


def test_a_watcher_only_reads(held: Job, watched: Watchers, broker: RedisServer, pages: HeldServer) -> None:
    # Given: somebody who may only read askpix's keys.
    rules = ("reset", "on", ">secret", "~askpix:*", "+@read", "+@connection", "+time", "-@dangerous")
    broker.client.execute_command("ACL", "SETUSER", "viewer", *rules)
    url = broker.url.replace("redis://", "redis://viewer:secret@")
    with redis.Redis.from_url(url) as viewer, pytest.raises(redis.exceptions.NoPermissionError):
        viewer.set("askpix:x", "1")

    # When
    terminal = watched(held, url=url)
    terminal.wait_for(tells("4 of 6", "answers"))
    pages.let_go()

    # Then
    assert terminal.end() == 1
    assert any("6 items: 5 ok, 1 failed" in line for line in terminal.shown())


def test_what_strangers_wrote_does_nothing_to_the_terminal(
    client: Client, pages: HeldServer, folder: Path, watched: Watchers
) -> None:
    # Given: answers that hold what a terminal acts on.
    pages.hold(f"/{folder.name}-last")
    hostile = pages.put(f"/{folder.name}-\x1b]0;title\x07\x1b[2J\u202emug", Page(status=410))
    images = [hostile, pages.put(f"/{folder.name}-last", jpeg())]
    job = client.submit(images, output=str(folder), model=MODEL)

    terminal = watched(job)
    terminal.wait_for(tells("1 of 2", "answers"))
    pages.let_go()
    terminal.end()

    for sequence in (b"\x1b]0;", b"\x1b[2J", "\u202e".encode()):
        assert sequence not in terminal.written


def test_json_is_one_object_a_line_and_right_at_the_end(
    held: Job, broker: RedisServer, pages: HeldServer, tmp_path: Path, worker: WorkerProcess
) -> None:
    pages.let_go()

    ran = askpix("watch", held.folder.uri, "--json", cwd=tmp_path, env=broker.environment)

    assert (ran.code, "Traceback" in ran.err) == (1, False)
    objects = [json.loads(line) for line in ran.out.splitlines()]
    last = objects[-1]
    assert (last["state"], last["finished"], last["done"], last["ok"], last["failed"]) == ("done", True, 6, 5, 1)
    assert (last["codes"], last["eta_seconds"]) == ({"http_410": 1}, 0.0)
    assert all(glimpse["id"].startswith("http://") for glimpse in last["latest"])


def test_run_shows_the_same_and_its_answers_at_the_end(watched: Watchers, images: Path, tmp_path: Path) -> None:
    terminal = watched.run("run", str(images), "--output", "job", "--question", "what is it?", columns=72, lines=40)

    assert terminal.end() == 0

    shown = terminal.shown()
    assert b"\x1b[?2026h" in terminal.written
    assert any("48 items: 48 ok, 0 failed" in line for line in shown)
    assert any(line.split() == ["000-bottle.jpg", "what", "is", "it?", "bottle", "1.00"] for line in shown)


def test_a_log_gets_lines_though_colours_are_forced(
    held: Job, broker: RedisServer, pages: HeldServer, tmp_path: Path
) -> None:
    pages.let_go()

    ran = askpix("watch", held.folder.uri, cwd=tmp_path, env={**broker.environment, "FORCE_COLOR": "1"})

    assert ran.code == 1
    assert "\x1b[?2026h" not in ran.err


def test_run_with_json_gives_progress_alone(images: Path, tmp_path: Path) -> None:
    ran = askpix("run", images, "--output", "job", "--json", cwd=tmp_path)
    again = askpix("run", images, "--output", "job", "--json", cwd=tmp_path)

    assert ran.code == 0
    last = [json.loads(line) for line in ran.out.splitlines()][-1]
    assert (last["finished"], last["done"], last["done_before"]) == (True, 48, 0)
    assert [worker["items"] for worker in last["workers"]] == [48]
    assert "48 items: 48 ok, 0 failed" in ran.err
    assert json.loads(again.out)["finished"]
