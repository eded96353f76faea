"""A worker says what starting took, starts from what was compiled before, and keeps to its cores."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.affinity import affinities
from helpers.processes import askpix, the_complaint
from helpers.system import MODEL, RedisServer, Starter

from askpix.producer.client import Client
from askpix.worker.cores import allowed
from askpix.worker.local import LocalSystem, demo_model

QUESTION = "what color is it?"


def graphs(log: str) -> list[str]:
    """Returns how each graph came to be there."""
    return re.findall(r"read in [\d.]+ s, (compiled|loaded from the cache) in", log)


def answer(client: Client, images: Path) -> str | None:
    row = client.ask(str(images / "000-bottle.jpg"), QUESTION, model=MODEL).get(timeout=30)
    return row.answers[0].text


def test_the_second_start_loads_what_the_first_compiled(
    start_worker: Starter, client: Client, images: Path, tmp_path: Path
) -> None:
    # Given
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    first = start_worker("--log-level", "debug", env=env)
    said = answer(client, images)
    first.close()

    # When
    second = start_worker("--log-level", "debug", env=env)

    # Then
    assert graphs(first.log) == ["compiled"] * 3
    assert graphs(second.log) == ["loaded from the cache"] * 3
    assert answer(client, images) == said
    for stage in ("loading modules", "the engine of demo_model", "connecting to the broker"):
        assert re.search(rf"DEBUG start: {stage} took [\d.]+ s$", second.log, re.MULTILINE), second.log
    assert re.search(r"INFO ready [\d.]+ s after the start$", second.log, re.MULTILINE)
    folder = tmp_path / "askpix" / "models"
    assert folder.stat().st_mode & 0o777 == 0o700
    second.close()


def test_where_nothing_can_be_kept_it_serves_all_the_same(start_worker: Starter, client: Client, images: Path) -> None:
    worker = start_worker(env={"ASKPIX_MODEL_CACHE": "/proc/nowhere"})

    assert "WARNING compiled models cannot be kept in /proc/nowhere/models" in worker.log
    assert answer(client, images)
    worker.close()


def test_an_empty_setting_keeps_nothing(start_worker: Starter, tmp_path: Path) -> None:
    env = {"ASKPIX_MODEL_CACHE": "", "XDG_CACHE_HOME": str(tmp_path)}

    worker = start_worker("--log-level", "debug", env=env)

    assert graphs(worker.log) == ["compiled"] * 3
    assert list(tmp_path.iterdir()) == []
    worker.close()


def test_unless_asked_it_does_not_say_how_long_stages_took(start_worker: Starter) -> None:
    worker = start_worker()

    assert "DEBUG" not in worker.wait_for_log("INFO ready")
    worker.close()


def test_all_threads_of_a_worker_keep_to_its_cpus(start_worker: Starter, client: Client, images: Path) -> None:
    # Given
    last = allowed()[-1]
    worker = start_worker("--cpus", str(last))

    # When: all kinds of threads have been at work.
    assert answer(client, images)

    # Then
    assert affinities(worker.process.pid) == {frozenset({last})}
    worker.close()


def test_a_whole_system_in_python_keeps_to_its_cpus_too(images: Path, tmp_path: Path) -> None:
    last = allowed()[-1]

    with LocalSystem(cpus=str(last), threads=1, storage_root=tmp_path, files_roots=[images]) as local:
        job = local.client.submit([str(images / "000-bottle.jpg")], output=str(tmp_path / "job"), model=local.model)
        local.wait(job, timeout=60)
        masks = affinities(local.worker.pid)

    assert masks == {frozenset({last})}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cpus", "0-"], "--cpus 0- is no list of CPUs"),
        (["--cpus", "99999"], "there is no CPU 99999"),
        (["--threads", "0"], "--threads 0 does not go with"),
        (["--threads", "99999"], "--threads 99999 does not go with"),
    ],
)
@pytest.mark.parametrize("command", ["worker", "run"])
def test_cores_that_are_not_there_are_said_in_one_line(
    broker: RedisServer, images: Path, tmp_path: Path, command: str, options: list[str], words: str
) -> None:
    needed = {"worker": ["--storage-root", "."], "run": [str(images), "--output", "job", "--model", str(demo_model())]}

    ran = askpix(command, *needed[command], *options, cwd=tmp_path, env=broker.environment)

    assert words in the_complaint(ran)
    assert not (tmp_path / "job").exists()
