"""Shared parts: the bundled pictures, folders, a web server, an embedded broker, and one worker for all tests."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import redis
from helpers.disk import small_disk
from helpers.http_server import Server
from helpers.processes import Launcher
from helpers.s3_server import S3Server, using
from pydantic import SecretStr

from askpix.producer.broker import redis_client
from askpix.worker.local import EmbeddedBroker, LocalSystem
from askpix.worker.process_limits import give_memory_back

__all__ = ["small_disk"]

ROOT = Path(__file__).parents[1]

SLOW = frozenset({"apart", "browser", "docs", "faults", "models", "monitoring", "vlm"})
"""Folders of which all tests are slow."""

# What is asked is counted, and answered anew, unless a test says otherwise: of workers in the pages of docs, too.
os.environ.setdefault("ASKPIX_ANSWER_CACHE", "off")

# Whoever runs the tests in the background has Ctrl-C ignored, which all that they start inherits.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SLOW & set(item.path.relative_to(ROOT / "tests").parts):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True, scope="module")
def memory_given_back() -> Iterator[None]:
    """Gives back what a file's models took: by the end, a process held 11 GB of what had long been freed."""
    give_memory_back()
    yield
    gc.collect()
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(scope="session")
def images() -> Path:
    """The bundled pictures and their lists."""
    return ROOT / "demo" / "images"


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """A folder with a short path, such as the paths of unix sockets must be."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A web server on 127.0.0.1."""
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server on 127.0.0.1. Programs find it by its `environment`, this process within `using` that."""
    if importlib.util.find_spec("moto") is None and "ASKPIX_TESTS_MUST_NOT_SKIP" not in os.environ:
        pytest.skip("moto is not installed")
    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def bucket(s3: S3Server) -> Iterator[str]:
    """A bucket of the test's own, on the server that this process finds."""
    with using(s3.environment):
        yield s3.bucket()


@pytest.fixture
def launch(short_tmp: Path) -> Iterator[Launcher]:
    """Starts commands that a test ends by itself, with `short_tmp` for their temporary files."""
    launcher = Launcher(short_tmp)
    yield launcher
    launcher.close()


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """A broker that no worker serves."""
    with tempfile.TemporaryDirectory(prefix="b-") as folder:
        broker = EmbeddedBroker(Path(folder))
        broker.start()
        yield broker.url
        broker.close()


@pytest.fixture
def counters(broker_url: str) -> Iterator[redis.Redis]:
    """A client of that broker's counters."""
    with redis_client(SecretStr(broker_url)) as client:
        yield client


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the shared worker may read images and write jobs."""
    return tmp_path_factory.mktemp("workplace")


@pytest.fixture(scope="session")
def system(workplace: Path, images: Path) -> Iterator[LocalSystem]:
    """A broker and a worker with the demo model. The worker's log holds the time of each of its imports."""
    local = LocalSystem(storage_root=workplace, files_roots=[workplace, images], allow_net=["127.0.0.0/8"])
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(("ASKPIX_", "CELERY_"))]:
                patch.delenv(name)
            patch.setenv("ASKPIX_ANSWER_CACHE", "off")
            patch.setenv("PYTHONPROFILEIMPORTTIME", "1")
            stack.enter_context(local)
        yield local
