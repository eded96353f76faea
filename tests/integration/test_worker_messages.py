"""A worker takes nothing in a message on trust, and no message keeps it from its next one."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery, Signature
from helpers.processes import wait_until

from askpix.producer import Item, Status
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.job_spec import JobSpec
from askpix.producer.messages import ASK_TASK, PART_TASK
from askpix.producer.storage_opening import open_storage
from askpix.producer.submission import write_job
from askpix.worker.local import LocalSystem


class Post:
    """Sends messages as any Celery client could, and reads what the worker makes of them."""

    def __init__(self, system: LocalSystem) -> None:
        environ = Path(f"/proc/{system.worker.pid}/environ").read_text().split("\0")
        (url,) = (entry.partition("=")[2] for entry in environ if entry.startswith("ASKPIX_BROKER_URL="))
        self.queue = system.model
        self.redis = redis.Redis(unix_socket_path=url.removeprefix("redis+socket://"), decode_responses=True)
        self._celery = Celery(broker=url, set_as_current=False)
        self._celery.conf.broker_transport_options = {"global_keyprefix": "askpix:"}
        self._log = Path(f"/proc/{system.worker.pid}/fd/2").resolve()
        self._start = self._log.stat().st_size

    def send(self, *arguments: Any, task: str = PART_TASK, **options: Any) -> None:
        """Sends a message and waits until the worker is done with it."""
        self._celery.send_task(task, *arguments, queue=self.queue, **options)
        wait_until(self._taken, within=30, what="taken by the worker")

    def control(self, command: str, **arguments: Any) -> None:
        """Sends a command of Celery's remote control to all workers."""
        self._celery.control.broadcast(command, arguments=arguments)

    def log_with(self, word: str) -> str:
        """Returns the worker's log since the first message, once it has that word; without the lines on imports."""

        text = ""

        def there() -> bool:
            nonlocal text
            with self._log.open(errors="replace") as file:
                file.seek(self._start)
                text = "\n".join(line for line in file.read().splitlines() if not line.startswith("import time:"))
            return word in text

        with suppress(TimeoutError):
            wait_until(there, within=3, what=word)
        assert word in text
        return text

    def close(self) -> None:
        self._celery.close()
        self.redis.close()

    def _taken(self) -> bool:
        # A part stays among the unacknowledged until it is done.
        return not self.redis.llen(f"askpix:{self.queue}") and not self.redis.hlen("askpix:unacked")


@pytest.fixture
def post(system: LocalSystem) -> Iterator[Post]:
    post = Post(system)
    yield post
    post.close()


@pytest.fixture
def good_job(system: LocalSystem, tmp_path: Path, workplace: Path, images: Path) -> Callable[[], None]:
    """Has one image answered by the worker."""

    def answer() -> None:
        output = workplace / "good" / tmp_path.name
        job = system.client.submit([str(images / "000-bottle.jpg")], output=str(output), model=system.model)
        assert system.wait(job, timeout=30).finished
        assert [row.status for row in job.results()] == [Status.OK]
        shutil.rmtree(output)

    return answer


def written(folder: Path, model: str, items: list[Item | str], root: Path) -> JobSpec:
    return write_job(items, JobFolder(open_storage(str(folder))), Order(model=model), base=str(root))


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def outside(tmp_path: Path, system: LocalSystem, images: Path) -> Path:
    """A job that could be done, in a folder that is none of the worker's."""
    written(tmp_path / "outside", system.model, ["000-bottle.jpg"], images)
    return tmp_path / "outside"


OUTSIDE = {
    "its path": "{outside}",
    "a file URI": "file://{outside}",
    "dots": "{root}/../../../../../../../../../..{outside}",
    "a symbolic link": "{root}/link",
    "a loop of symbolic links": "{root}/loop",
    "a relative path": "outside",
    "a bucket": "s3://shop/job",
    "a web address": "http://127.0.0.1/job",
    "a NUL": "{root}/\0",
    "a long name": "{root}/" + "a" * 300,
    "a file": "{outside}/job.json",
}


@pytest.mark.parametrize("way", OUTSIDE)
def test_a_job_outside_the_storage_roots_is_refused(
    way: str, outside: Path, workplace: Path, post: Post, good_job: Callable[[], None]
) -> None:
    # Given
    before = everything_in(outside)
    root = Path(tempfile.mkdtemp(dir=workplace))
    (root / "link").symlink_to(outside)
    (root / "loop").symlink_to(root / "loop")

    # When
    post.send([{"v": 1, "job": OUTSIDE[way].format(outside=outside, root=root), "part": 0}])

    # Then
    assert everything_in(outside) == before
    assert "Traceback" not in post.log_with(" ERROR ")
    good_job()


MALFORMED: dict[str, Any] = {
    "nothing": [],
    "a text": ["text"],
    "a number": [1],
    "a list": [[1, 2]],
    "an empty object": [{}],
    "another version": [{"v": 2, "job": "/job", "part": 0}],
    "an unknown key": [{"v": 1, "job": "/job", "part": 0, "shell": "rm -rf /"}],
    "a part that is text": [{"v": 1, "job": "/job", "part": "0"}],
    "a part below 0": [{"v": 1, "job": "/job", "part": -1}],
    "a part beyond counting": [{"v": 1, "job": "/job", "part": 10**9}],
    "a round that is not there": [{"v": 1, "job": "/job", "part": 0, "round": 7}],
    "a job that is a list": [{"v": 1, "job": ["/job"], "part": 0}],
    "an endless job": [{"v": 1, "job": "/" + "j" * 100_000, "part": 0}],
    "two arguments": [{"v": 1}, {"v": 1}],
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_message_is_refused_in_one_line(what: str, post: Post, good_job: Callable[[], None]) -> None:
    # When
    post.send(MALFORMED[what])

    # Then
    log = post.log_with("refused")
    assert "Traceback" not in log
    assert len(log) < 1_000
    good_job()


LATER = "2031-05-06T07:08:09+00:00"

ODD: dict[str, dict[str, Any]] = {
    "pickle": {"serializer": "pickle"},
    "yaml": {"serializer": "yaml"},
    "a compressed body": {"compression": "gzip"},
    "a task of others": {"task": "os.system"},
    "a task of Celery's": {"task": "celery.chord"},
    "a time to begin": {"eta": datetime.fromisoformat(LATER)},
    "a time limit": {"time_limit": 5},
    "what follows": {"link": Signature("os.system", args=("touch",))},
    "what follows a failure": {"link_error": Signature("os.system", args=("touch",))},
    "a number as id": {"headers": {"id": 5}},
    "an ask": {"task": ASK_TASK},
}


@pytest.mark.parametrize("what", ODD)
def test_what_celery_would_do_more_with_than_we_is_refused_in_one_line(
    what: str, post: Post, good_job: Callable[[], None]
) -> None:
    post.send([{"v": 1}], **ODD[what])

    log = post.log_with("a message was refused")
    assert "Traceback" not in log
    assert log.count(" ERROR ") + log.count(" CRITICAL ") == 1
    good_job()


def entry(body: Any, **headers: Any) -> str:
    """Returns what a Redis list holds of a message."""
    return json.dumps(
        {
            "body": base64.b64encode(json.dumps(body).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"task": PART_TASK, "id": "i", **headers},
            "properties": {"body_encoding": "base64", "delivery_tag": "t", "delivery_info": {}},
        }
    )


ENTRIES = [
    "5",
    "not json",
    "",
    "{}",
    "[]",
    "[" * 100_000,
    '{"properties": {}}',
    '{"body": "", "headers": {}, "properties": {"delivery_tag": "t"}}',
    '{"__type__": ["uuid"], "__value__": 1}',
    entry(5),
    entry([[], {}]),
    entry([[], {}, "str"]),
    entry([5, {}, {}]),
    entry([[], 5, {}]),
    entry([[], {}, {}], task=["a"]),
    entry([[], {}, {}], id=None),
    entry([[], {}, {}], timelimit=5),
    entry([[], {}, {}], retries="x"),
    entry([[], {}, {}], expires=5),
    entry([[], {}, {}], eta=LATER),
    entry([[{"v": 1}], {}, {"callbacks": [1]}]),
    entry([[{"v": 1}], {}, {"errbacks": 5}]),
]


def test_entries_that_are_no_messages_are_dropped_and_counted(
    system: LocalSystem, post: Post, good_job: Callable[[], None]
) -> None:
    before = system.client.refused().get("malformed", 0)

    # When: each comes more often than a worker has slots, by the list of each priority.
    for queue in (post.queue, f"{post.queue}\x06\x163"):
        post.redis.lpush(f"askpix:{queue}", *ENTRIES * 2)
    total = 4 * len(ENTRIES)
    wait_until(lambda: system.client.refused().get("malformed", 0) == before + total, within=20, what="all refused")

    # Then
    log = post.log_with("a message was refused")
    assert "Traceback" not in log
    assert log.count(" ERROR ") + log.count(" CRITICAL ") == total
    assert not post.redis.hlen("askpix:unacked")
    good_job()


def test_nobody_on_the_broker_can_command_the_worker(
    system: LocalSystem, post: Post, good_job: Callable[[], None]
) -> None:
    worker = system.worker.pid
    post.control("rate_limit", task_name=PART_TASK, rate_limit="1/h")
    post.control("add_consumer", queue="others")
    post.control("shutdown")

    good_job()
    assert system.worker.ended() is None
    assert system.worker.pid == worker
    assert not post.redis.exists("askpix:_kombu.binding.celery.pidbox")


def test_a_part_that_the_job_does_not_have_is_refused(
    system: LocalSystem, workplace: Path, images: Path, post: Post, good_job: Callable[[], None]
) -> None:
    folder = workplace / "short"
    written(folder, system.model, ["000-bottle.jpg"], images)

    post.send([{"v": 1, "job": str(folder), "part": 1}])

    assert not (folder / "results").exists()
    assert "Traceback" not in post.log_with("no job with a part 1")
    good_job()


def test_a_job_for_another_model_is_not_answered_by_this_one(
    workplace: Path, images: Path, post: Post, good_job: Callable[[], None]
) -> None:
    folder = workplace / "foreign"
    written(folder, "another-model", ["000-bottle.jpg"], images)

    post.send([{"v": 1, "job": str(folder), "part": 0}])

    assert not (folder / "results").exists()
    assert "Traceback" not in post.log_with("another-model")
    good_job()


def test_parts_that_fail_say_why_and_do_not_use_the_worker_up(
    system: LocalSystem, workplace: Path, images: Path, post: Post, good_job: Callable[[], None]
) -> None:
    # Given: a job whose input was damaged after it was submitted.
    folder = workplace / "damaged"
    spec = written(folder, system.model, ["000-bottle.jpg"], images)
    (folder / "input" / f"part-000000.{spec.id}.parquet").write_bytes(b"no parquet at all")
    job = system.client.submit(["000-bottle.jpg"], output=str(folder), model=system.model, base=str(images))
    assert job.spec == spec

    # When: more parts fail than a worker has slots.
    for _ in range(5):
        post.send([{"v": 1, "job": str(folder), "part": 0}])

    # Then
    assert f"part-000000.{spec.id}.parquet is damaged" in (list(job.watch())[-1].error or "")
    assert "Traceback" not in post.log_with("is damaged")
    assert not (folder / "results").exists()
    good_job()


def test_a_part_that_is_delivered_twice_counts_once(
    system: LocalSystem, workplace: Path, images: Path, post: Post
) -> None:
    # Given: a job of three parts.
    folder = workplace / "twice"
    asked = [str(images / name) for name in ("000-bottle.jpg", "001-mug.jpg", "002-bottle.jpg")]
    job = system.client.submit(asked, output=str(folder), model=system.model, part_size=1)
    system.wait(job, timeout=30)
    result = folder / "results" / "part-000001.parquet"
    before = (result.stat().st_ino, result.stat().st_mtime_ns)

    # When: the broker delivers one of them again, and again.
    for _ in range(2):
        post.send([{"v": 1, "job": str(folder), "part": 1}])

    # Then: it is neither written nor counted again.
    assert (result.stat().st_ino, result.stat().st_mtime_ns) == before
    progress = job.progress()
    assert (progress.ok, progress.failed, progress.done) == (3, 0, 3)
    assert [row.image for row in job.results()] == asked


def test_an_image_outside_the_files_roots_is_not_read(
    system: LocalSystem, workplace: Path, tmp_path: Path, images: Path
) -> None:
    # Given: pictures that the worker must not read, also by a link or by dots from where it may.
    shutil.copy(images / "000-bottle.jpg", tmp_path / "secret.jpg")
    (workplace / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    asked = [
        str(tmp_path / "secret.jpg"),
        f"file://{tmp_path}/secret.jpg",
        str(workplace / "link.jpg"),
        f"{workplace}/{'../' * 20}{str(tmp_path)[1:]}/secret.jpg",
    ]

    # When
    job = system.client.submit(asked, output=str(workplace / "secret"), model=system.model)
    system.wait(job, timeout=30)

    # Then
    rows = list(job.results())
    assert [row.error_code for row in rows] == ["not_allowed"] * 4
    assert all(row.sha256 is None and row.width is None for row in rows)
