"""Runs the real command, and finds what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis

from askpix.producer.client import Job
from askpix.producer.errors import JobError
from askpix.producer.progress import Progress

ASKPIX = Path(sys.executable).with_name("askpix")
_MARK = "TEST_PROCESS_MARK"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what would change askpix or Celery."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ASKPIX_", "CELERY_"))}
    # A test that counts what is asked must not find what another one was told.
    return {**own, "COLUMNS": "100", "ASKPIX_ANSWER_CACHE": "off", **(extra or {})}


def askpix(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 120) -> Ran:
    """Runs `askpix …` to its end."""
    done = subprocess.run(
        [ASKPIX, *map(str, arguments)],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def the_complaint(ran: Ran) -> str:
    """Returns the one line that a command which did nothing says on standard error."""
    assert ran.code == 2, f"exit code {ran.code}\n{ran.out}\n{ran.err}"
    assert ran.out == ""
    lines = ran.err.splitlines()
    assert len(lines) == 1, ran.err
    assert lines[0].startswith("askpix: "), ran.err
    return lines[0].removeprefix("askpix: ")


def wait_until(condition: Callable[[], bool], *, within: float, what: str) -> None:
    """Waits for a fact of the outside world that nothing announces, such as the end of someone's child.

    Raises:
        TimeoutError: it did not come about.
    """
    ends = time.monotonic() + within
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"after {within} s: not yet {what}")
        time.sleep(0.01)


@dataclass
class Running:
    """A command in a session of its own, with a folder for temporary files; it and all it started can be found."""

    process: subprocess.Popen[str]
    mark: str
    tmp: Path

    def pids(self) -> dict[int, str]:
        """Returns the command lines of the processes that are left, by process id."""
        return {pid: _command_line(pid) for pid in _alive() if self._is_ours(pid)}

    def _is_ours(self, pid: int) -> bool:
        # The broker writes its title over its environment, but stays in the session; the worker has its own session.
        if f"{_MARK}={self.mark}".encode() in _read(Path(f"/proc/{pid}/environ")):
            return True
        with suppress(ProcessLookupError):
            return os.getsid(pid) == self.process.pid
        return False

    def worker(self) -> int:
        (pid,) = [pid for pid, line in self.pids().items() if " worker " in line]
        return pid

    def signal_group(self, number: signal.Signals) -> None:
        """Sends a signal as a terminal does: to every process of the group."""
        os.killpg(self.process.pid, number)

    def progress(self, output: Path) -> int:
        """Returns how many items of a job are done, by the counters of the embedded broker."""
        sockets = list(self.tmp.glob("*/broker.sock"))
        try:
            job = Job.open(str(output))
        except JobError:
            return 0
        if not sockets:
            return 0
        with redis.Redis(unix_socket_path=str(sockets[0]), decode_responses=True) as client:
            try:
                reading = Progress(client, job.folder.uri).read()
            except redis.ConnectionError:
                return 0
        return 0 if reading is None else reading.done

    def wait_for_progress(self, output: Path, items: int = 1) -> None:
        def moving() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            return self.progress(output) >= items

        wait_until(moving, within=60, what=f"{items} items done")

    def end(self, *, within: float = 30) -> Ran:
        """Waits for the command's end."""
        out, err = self.process.communicate(timeout=within)
        return Ran(self.process.returncode, out, err)

    def kill_all(self) -> None:
        """Ends what is left of it, for a test that failed."""
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Launcher:
    """Starts commands, and ends at the end of a test what they left."""

    tmp: Path
    started: list[Running] = field(default_factory=list)

    def __call__(self, *arguments: str | Path, cwd: Path) -> Running:
        mark = uuid.uuid4().hex
        process = subprocess.Popen(
            [ASKPIX, *map(str, arguments)],
            cwd=cwd,
            env=environment({_MARK: mark, "TMPDIR": str(self.tmp)}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
            # Whoever runs the tests under nohup has a hang-up ignored, which children inherit.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        running = Running(process, mark, self.tmp)
        self.started.append(running)
        return running

    def close(self) -> None:
        for running in self.started:
            running.kill_all()
            for pipe in (running.process.stdout, running.process.stderr):
                assert pipe is not None
                pipe.close()


def _alive() -> list[int]:
    """Returns every process that runs, without those that have ended and wait for their parent to notice."""
    stats = {int(folder.name): _read(folder / "stat") for folder in Path("/proc").glob("[0-9]*")}
    return [pid for pid, stat in stats.items() if stat.rpartition(b") ")[2][:1] not in (b"", b"Z")]


def _command_line(pid: int) -> str:
    return _read(Path(f"/proc/{pid}/cmdline")).replace(b"\0", b" ").decode(errors="replace")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has just ended
        return b""
