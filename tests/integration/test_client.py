"""Submitting from Python, to the embedded broker and to a Redis server, with `askpix worker` on the other side."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from helpers.http_server import closed_port
from helpers.processes import ASKPIX, environment, wait_until

from askpix.producer import AskpixError, Client, Item, Job, Question, Status
from askpix.producer.errors import BrokerError, InputError, JobError
from askpix.worker.local import EmbeddedBroker, LocalSystem, WorkerProcess, demo_model
from askpix.worker.models.folder import load_manifest

NAME = load_manifest(demo_model()).name


@pytest.fixture(params=["embedded", "redis-server"])
def any_broker(request: pytest.FixtureRequest, short_tmp: Path) -> Iterator[str]:
    """A broker of each kind, with nothing on it."""
    if request.param == "embedded":
        broker = EmbeddedBroker(short_tmp)
        broker.start()
        yield broker.url
        broker.close()
        return
    program = redis_server()
    socket = short_tmp / "redis.sock"
    password = "p@ss/w:rd"
    arguments = ["--port", "0", "--unixsocket", str(socket), "--requirepass", password, "--save", ""]
    with subprocess.Popen([program, *arguments], cwd=short_tmp, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: answers(socket, password), within=10, what="a Redis server that answers")
        yield f"redis+socket://:p%40ss%2Fw%3Ard@{socket}"
        process.terminate()


def redis_server() -> str:
    program = shutil.which("redis-server")
    if program is not None:
        return program
    reason = "there is no redis-server on the PATH"
    if os.environ.get("ASKPIX_TESTS_MUST_NOT_SKIP"):
        pytest.fail(reason)
    pytest.skip(reason)


def answers(socket: Path, password: str) -> bool:
    with redis.Redis(unix_socket_path=str(socket), password=password) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def test_a_client_and_a_worker_of_their_own_do_a_job(any_broker: str, tmp_path: Path, images: Path) -> None:
    # Given: a worker that somebody else started.
    worker = subprocess.Popen(
        [ASKPIX, "worker", "--model", demo_model(), "--storage-root", tmp_path, "--files-root", images],
        env=environment({"ASKPIX_BROKER_URL": any_broker}),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        # When
        with Client(any_broker) as client:
            job = client.submit(
                [Item(image=str(images / "000-bottle.jpg"), id="a", extra={"price": 3}), str(images / "001-mug.jpg")],
                output=str(tmp_path / "job"),
                model=NAME,
                questions=[Question("what color is it?", name="color", choices=("orange", "black"))],
                part_size=1,
            )
            progress = list(job.watch(interval=0.05))

        # Then
        assert (progress[-1].finished, progress[-1].ok, progress[-1].failed) == (True, 2, 0)
        assert [one.done for one in progress] == sorted(one.done for one in progress)
        rows = list(job.results())
        assert [row.answers[0].text for row in rows] == ["orange", "black"]
        assert [row.id for row in rows] == ["a", str(images / "001-mug.jpg")]
    finally:
        worker.send_signal(signal.SIGTERM)
        _, log = worker.communicate(timeout=30)

    # And the worker ends as it was told to, without a word on passwords.
    assert worker.returncode == 0, log
    assert "p@ss" not in log
    assert "p%40ss" not in log


def test_a_worker_process_ends_cleanly_when_it_is_told_to(any_broker: str, tmp_path: Path, images: Path) -> None:
    # Given: a worker as `askpix run` starts it, which has done some work.
    log = tmp_path / "worker.log"
    arguments = ["--model", demo_model(), "--storage-root", tmp_path, "--files-root", images]
    process = WorkerProcess(map(str, arguments), broker_url=any_broker, log=log)
    with Client(any_broker) as client:
        job = client.submit([str(images / "000-bottle.jpg")], output=str(tmp_path / "job"), model=NAME)
        assert list(job.watch())[-1].ok == 1

    # When
    process.close()

    # Then
    assert "Fatal" not in log.read_text()
    assert "Traceback" not in log.read_text()


def test_the_same_job_is_carried_on_and_another_is_refused(system: LocalSystem, workplace: Path, images: Path) -> None:
    # Given
    asked = [str(images / "000-bottle.jpg")]
    output = str(workplace / "again")
    job = system.client.submit(asked, output=output, model=system.model, questions=["what is it?"])
    system.wait(job, timeout=30)
    before = list(job.results())

    # When the same is submitted again, then it is the same job, with its results.
    again = system.client.submit(asked, output=output, model=system.model, questions=["what is it?"])
    assert again.spec == job.spec
    assert system.wait(again, timeout=30).ok == 1
    assert list(again.results()) == before

    # And when anything of it is another, then it is refused and nothing changes.
    with pytest.raises(JobError, match="holds another job"):
        system.client.submit(asked, output=output, model=system.model, questions=["what color is it?"])
    with pytest.raises(JobError, match="holds another job"):
        system.client.submit(asked * 2, output=output, model=system.model, questions=["what is it?"])
    assert list(Job.open(output).results()) == before


def test_small_parts_follow_each_other_at_once(system: LocalSystem, workplace: Path, images: Path) -> None:
    # Given: a worker that is up, and work of a tenth of a second or so in parts of one image.
    asked = [str(path) for path in sorted(images.glob("*.jpg"))[:16]]
    warm = system.client.submit(asked[:1], output=str(workplace / "warm"), model=system.model)
    system.wait(warm, timeout=60)

    # When
    started = time.monotonic()
    job = system.client.submit(asked, output=str(workplace / "small-parts"), model=system.model, part_size=1)
    system.wait(job, timeout=60)

    # Then: it does not wait between them; a second for each would be 16.
    assert time.monotonic() - started < 6


def test_a_submit_that_was_killed_is_completed_by_submitting_again(
    system: LocalSystem, workplace: Path, images: Path
) -> None:
    # Given: what is left when a submit is killed between its second part and job.json.
    output = workplace / "killed"
    names = ["000-bottle.jpg", "001-mug.jpg", "002-bottle.jpg"]
    asked = [str(images / name) for name in names]
    complete = system.client.submit(asked, output=str(output), model=system.model, part_size=1)
    system.wait(complete, timeout=30)
    for left_out in ("job.json", "model.json", f"input/part-000002.{complete.spec.id}.parquet"):
        (output / left_out).unlink()
    shutil.rmtree(output / "results")
    (output / "input" / ".partial-abc").write_bytes(b"half a file")

    # When
    with pytest.raises(JobError, match="holds no job"):
        Job.open(str(output))
    job = system.client.submit(asked, output=str(output), model=system.model, part_size=1)
    system.wait(job, timeout=30)

    # Then
    assert job.spec.id != complete.spec.id
    assert sorted(path.name for path in (output / "input").glob("part-*")) == [
        f"part-{part:06d}.{job.spec.id}.parquet" for part in range(3)
    ]
    assert [(row.image, row.status) for row in job.results()] == [(image, Status.OK) for image in asked]


def test_a_broker_that_is_not_there_is_said_without_its_password(tmp_path: Path) -> None:
    with closed_port() as port, Client(f"redis://:secret@127.0.0.1:{port}/0") as client:
        with pytest.raises(BrokerError, match="broker") as caught:
            client.submit(["a.jpg"], output=str(tmp_path / "job"), model="m")
        assert "secret" not in str(caught.value)

    # And nothing was begun.
    assert not (tmp_path / "job").exists()


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1", "redis://host:port/0", "amqp://127.0.0.1"])
def test_a_broker_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BrokerError, match="URL"):
        Client(url)


def test_nothing_to_do_is_refused(broker_url: str, tmp_path: Path) -> None:
    with Client(broker_url) as client:
        with pytest.raises(InputError, match="no images"):
            client.submit([], output=str(tmp_path / "job"), model="m")
        with pytest.raises(AskpixError, match="no model name"):
            client.submit(["a.jpg"], output=str(tmp_path / "job"), model="../m")

    assert not (tmp_path / "job").exists()
