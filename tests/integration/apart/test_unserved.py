"""A job whose model nobody serves: who follows it is told within seconds, and that it is over when a worker comes."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from helpers.pictures import jpeg
from helpers.processes import ASKPIX, Launcher, askpix, environment, wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter
from screenshots.terminal import Terminal

from askpix.producer.client import Client
from askpix.producer.followed import Job
from askpix.producer.serving import Lack, Serving

SOON = 20.0
"""Seconds in which it is to be said; it takes two or three of them, on a machine that does nothing else."""


@pytest.fixture
def queued(client: Client, pages: HeldServer, folder: Path) -> Job:
    """A job of the demo model, whose image waits for its server, and no worker."""
    pages.hold(f"/{folder.name}")
    return client.submit([pages.put(f"/{folder.name}", jpeg())], output=str(folder), model=MODEL)


def status(job: Job, broker: RedisServer, tmp_path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        askpix("status", job.folder.uri, "--json", cwd=tmp_path, env=broker.environment).out
    )
    return told


def test_nobody_is_told_at_once_and_gone_when_a_worker_comes(
    queued: Job, pages: HeldServer, broker: RedisServer, tmp_path: Path, start_worker: Starter, launch: Launcher
) -> None:
    # Given: three who follow it.
    command = ["watch", queued.folder.uri, "--broker", broker.url]
    lines = launch(*command, cwd=tmp_path)
    objects = launch(*command, "--json", cwd=tmp_path)
    said = f"No worker serves {MODEL}: none is running."
    with Terminal([str(ASKPIX), *command], columns=80, lines=24, cwd=tmp_path, env=environment()) as terminal:
        # Then each of them says so,
        shown = terminal.wait_for(lambda shown: f"nobody    {said}" in shown)
        assert shown[0].startswith("waiting")
        assert lines.process.stderr is not None
        assert objects.process.stdout is not None
        assert lines.process.stderr.readline().strip() == said
        first = json.loads(objects.process.stdout.readline())
        assert (first["unserved"]["reason"], first["unserved"]["text"]) == ("no_worker", said)
        told = status(queued, broker, tmp_path)
        assert (told["served"], told["unserved"]["text"]) == (False, said)
        assert said in askpix("status", queued.folder.uri, cwd=tmp_path, env=broker.environment).err

        # When a worker comes, that it is over,
        with closing(start_worker()):
            terminal.wait_for(lambda shown: bool(shown) and not any(line.startswith("nobody") for line in shown))
            assert any(line.strip() == f"{MODEL} is served now." for line in iter(lines.process.stderr.readline, ""))
            pages.let_go()
            assert terminal.end() == 0
            ended = [running.end() for running in (lines, objects)]
    # And no more of it than that.
    assert [ran.code for ran in ended] == [0, 0]
    assert said not in ended[0].err
    assert json.loads(ended[1].out.splitlines()[-1])["unserved"] is None


def test_in_python_a_watch_yields_why(queued: Job, pages: HeldServer, start_worker: Starter) -> None:
    began = time.monotonic()
    watch = queued.watch()

    serving = next(watch).serving
    assert serving is not None
    assert serving.unserved is not None
    assert serving.unserved.reason is Lack.NO_WORKER
    assert time.monotonic() - began < SOON
    assert queued.unserved() == serving.unserved

    with closing(start_worker()) as worker:
        served = next(state.serving for state in watch if state.serving is None or state.serving.unserved is None)
        assert served == Serving(devices={worker.name: "CPU"})
        assert queued.unserved() is None
        pages.let_go()
        assert list(watch)[-1].finished


def test_other_models_and_devices_are_named(
    client: Client, images: Path, folder: Path, broker: RedisServer, tmp_path: Path, start_worker: Starter
) -> None:
    image = [str(images / "000-bottle.jpg")]
    mistyped = client.submit(image, output=f"{folder}-1", model="Askpix-demo-")
    elsewhere = client.submit(image, output=f"{folder}-2", model=MODEL, device="gpu")

    with closing(start_worker()):
        said = f"No worker serves Askpix-demo-: those that run serve {MODEL}. Did you mean {MODEL}?"
        assert status(mistyped, broker, tmp_path)["unserved"]["text"] == said
        said = f"No worker serves {MODEL} on gpu: it is served on CPU."
        assert status(elsewhere, broker, tmp_path)["unserved"]["text"] == said


def test_workers_that_are_full_of_other_jobs_are_said_to_be_busy(
    client: Client, pages: HeldServer, folder: Path, start_worker: Starter, images: Path
) -> None:
    # Given: a worker that has two parts in work, which wait for their server.
    names = [f"/{folder.name}-{number}" for number in range(2)]
    pages.hold(*names)
    first = client.submit(pages.put_many(names, jpeg()), output=f"{folder}-first", model=MODEL, part_size=1)
    with closing(start_worker()):
        wait_until(lambda: set(names) <= set(pages.came), within=20, what="two parts in work")
        second = client.submit([str(images / "000-bottle.jpg")], output=f"{folder}-second", model=MODEL)

        # When it is followed
        watch = second.watch()
        told = next(state.serving for state in watch if state.serving is not None and state.serving.unserved)

        # Then
        assert told is not None
        assert told.unserved is not None
        assert told.unserved.text == f"All that serve {MODEL} are busy with other jobs: this one waits its turn."
        assert first.unserved() is None
        pages.let_go()
        assert list(watch)[-1].finished
