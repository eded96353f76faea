"""Messages that are lost, that come twice, and that were never sent because their sender died."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from helpers.job_outcomes import assert_unharmed, assert_whole
from helpers.pictures import jpeg
from helpers.processes import ASKPIX, askpix, environment, wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, finished

from askpix.producer.client import Client
from askpix.producer.redis_keys import JobKeys

pytestmark = pytest.mark.timeout(300)


def test_a_message_that_its_worker_had_taken_and_not_noted_is_sent_again(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    """Redis hands a message over in one step, and that somebody has it is noted in another."""
    # Given: a job's only message, and a worker that waits for one.
    urls = pages.put_many([f"/{folder.name}-{number}" for number in range(3)], jpeg())
    job = client.submit(urls, output=str(folder), model=MODEL)
    message = broker.client.rpop(f"askpix:{MODEL}")
    assert message is not None
    doomed = start_worker()

    # When: it takes the message, and ends before it can note so.
    def taken_unnoted() -> bool:
        doomed.process.send_signal(signal.SIGSTOP)
        broker.client.lpush(f"askpix:{MODEL}", message)
        if not broker.waiting():
            return True
        broker.client.delete(f"askpix:{MODEL}")
        doomed.process.send_signal(signal.SIGCONT)
        return False

    wait_until(taken_unnoted, within=20, what="a message in the gap")
    doomed.kill()
    assert (broker.waiting(), broker.client.hlen("askpix:unacked")) == (0, 0)

    # Then
    other = start_worker()
    assert_whole(finished(job), broker, urls)
    other.close()


def test_a_part_that_two_workers_do_at_once_has_one_result_and_counts_once(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    # Given: a part in work whose lease is lost, and whose message comes again.
    names = [f"/{folder.name}-{number}" for number in range(3)]
    urls = pages.put_many(names, jpeg())
    pages.hold(*names)
    job = client.submit(urls, output=str(folder), model=MODEL)
    message = broker.client.lindex(f"askpix:{MODEL}", 0)
    assert message is not None
    workers = [start_worker()]
    wait_until(lambda: set(names) <= set(pages.came), within=20, what="the part in work")
    workers.append(start_worker())
    with broker.client.pipeline() as pipe:
        pipe.delete(JobKeys(job.folder.uri).leases).lpush(f"askpix:{MODEL}", message).execute()
    wait_until(lambda: all(pages.came.count(name) == 2 for name in names), within=20, what="the part in work twice")

    # When
    pages.let_go()

    # Then
    assert_whole(finished(job), broker, urls)
    for worker in workers:
        assert_unharmed(worker)
        worker.close()


def test_a_submit_that_dies_between_any_two_writes_is_completed_by_another(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path, tmp_path: Path
) -> None:
    # Given
    worker = start_worker()
    urls = pages.put_many([f"/{folder.name}-{number}" for number in range(3)], jpeg())
    (tmp_path / "list.txt").write_text("\n".join(urls))

    def submit(output: Path, env: dict[str, str]) -> int:
        words = (ASKPIX, "submit", "list.txt", "--output", output, "--model", MODEL, "--part-size", "1")
        with (tmp_path / "log").open("ab") as log:
            return subprocess.run(
                [str(word) for word in words],
                cwd=tmp_path,
                env=environment({**broker.environment, **env}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            ).returncode

    def folder_of(number: int) -> Path:
        return folder.with_name(f"{folder.name}-{number}")

    # When: each dies a write later than the one before, until there is none left to die before.
    dying = {"PYTHONPATH": str(Path(__file__).parent / "dying")}
    codes = []
    while not codes or codes[-1] == -signal.SIGKILL:
        number = len(codes) + 1
        codes.append(submit(folder_of(number), {**dying, "TEST_DIES_BEFORE": str(number)}))
    for number, _ in enumerate(codes, start=1):
        assert submit(folder_of(number), {}) == 0, (tmp_path / "log").read_text()

    # Then
    assert codes == [-signal.SIGKILL] * (len(codes) - 1) + [0]
    assert len(codes) > 10  # three parts, job.json, and what Redis is told
    jobs = [client.job(str(folder_of(number))) for number, _ in enumerate(codes, start=1)]
    for job in jobs:
        finished(job, within=120)
    for job in jobs:
        assert_whole(job, broker, urls)
    worker.close()


def _unread(pipe: int) -> int:
    """Returns how many bytes are in a pipe that nobody has taken out."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("command", ["submit", "watch"])
def test_ctrl_c_on_a_submit_and_on_a_watch_harms_nothing(
    command: str,
    client: Client,
    pages: HeldServer,
    broker: RedisServer,
    start_worker: Starter,
    folder: Path,
    tmp_path: Path,
) -> None:
    # Given
    worker = start_worker()
    names = [f"/{folder.name}-{number}" for number in range(3)]
    urls = pages.put_many(names, jpeg())
    pages.hold(*names)
    (tmp_path / "list.txt").write_text("\n".join(urls))
    submit = ("submit", "list.txt", "--output", folder, "--model", MODEL)
    if command == "submit":
        # A list that does not come to its end.
        os.mkfifo(tmp_path / "pipe.txt")
        words: tuple[str | Path, ...] = ("submit", "pipe.txt", "--output", folder, "--model", MODEL)
    else:
        assert askpix(*submit, cwd=tmp_path, env=broker.environment).code == 0
        words = ("watch", folder)
    running = subprocess.Popen(
        [str(word) for word in (ASKPIX, *words)],
        cwd=tmp_path,
        env=environment(broker.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Whoever runs the tests in the background has this signal ignored, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )

    # When
    if command == "submit":
        with (tmp_path / "pipe.txt").open("w") as pipe:
            pipe.write(f"{urls[0]}\n")
            pipe.flush()
            wait_until(lambda: not _unread(pipe.fileno()), within=20, what="a submit in the midst of its list")
            running.send_signal(signal.SIGINT)
            said, _ = running.communicate(timeout=20)
    else:
        assert running.stdout is not None
        running.stdout.readline()
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=20)

    # Then
    assert running.returncode in (-signal.SIGINT, 128 + signal.SIGINT), said
    assert "Traceback" not in said
    pages.let_go()
    assert askpix(*submit, cwd=tmp_path, env=broker.environment).code == 0
    assert_whole(finished(client.job(str(folder))), broker, urls)
    worker.close()
