"""What a message may not name is refused: nothing is touched, the log says why, and it is counted."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from helpers.http_server import Server
from helpers.pictures import jpeg
from helpers.processes import askpix, wait_until
from helpers.s3_server import S3Server, using
from helpers.system import MODEL, HeldServer, RedisServer, Starter, WorkerProcess, everything_in, finished

from askpix.producer.client import Client
from askpix.producer.errors import MessageError
from askpix.producer.items import Options
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.messages import ASK_TASK, PART_TASK
from askpix.producer.queues import queue_name
from askpix.producer.rows import Status
from askpix.producer.storage_opening import open_storage
from askpix.producer.submission import write_job

PICTURE = "000-bottle.jpg"


@dataclass(frozen=True)
class Places:
    """Where the worker may and may not go."""

    root: Path
    outside: Path
    """A job and a picture on this machine that are none of the worker's."""

    mine: str
    """URI of the worker's own folder in S3."""

    theirs: str
    """URI of a bucket of somebody else's, which holds a job and a picture too."""

    s3: S3Server

    def everything(self) -> tuple[object, ...]:
        """Returns what is in all of these places."""
        return (
            everything_in(self.root),
            everything_in(self.outside),
            *(self._objects(uri) for uri in (self.mine, self.theirs)),
        )

    def _objects(self, uri: str) -> dict[str, tuple[str, object]]:
        bucket = uri.removeprefix("s3://").partition("/")[0]
        listed = self.s3.client.list_objects_v2(Bucket=bucket).get("Contents", ())
        return {entry["Key"]: (entry["ETag"], entry["LastModified"]) for entry in listed}


def a_job(uri: str, images: Path, model: str = MODEL) -> None:
    """Writes a job that could be done, and queues nothing."""
    options = Options()
    write_job([PICTURE], JobFolder(open_storage(uri)), Order(model=model, options=options), base=str(images))


@pytest.fixture(scope="module")
def places(s3: S3Server, root: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Places:
    outside = tmp_path_factory.mktemp("outside")
    shutil.copy(images / PICTURE, outside)
    a_job(str(outside / "job"), images)
    (root / "link").symlink_to(outside)
    a_job(str(root / "job"), images)
    a_job(str(root / "foreign"), images, model="another-model")
    mine, theirs = s3.bucket(), s3.bucket()
    with using(s3.environment):
        for uri in (f"s3://{theirs}/job", f"s3://{mine}/jobs-of-others/job", f"s3://{mine}/jobs/foreign"):
            a_job(uri, images, model="another-model" if "foreign" in uri else MODEL)
    s3.put(f"s3://{theirs}/{PICTURE}", (images / PICTURE).read_bytes())
    return Places(root=root, outside=outside, mine=f"s3://{mine}/jobs", theirs=f"s3://{theirs}", s3=s3)


@pytest.fixture(scope="module", autouse=True)
def worker(start_worker: Starter, places: Places) -> WorkerProcess:
    return start_worker("--storage-root", places.mine, env=places.s3.environment)


class Post:
    """Sends what any Celery client could."""

    def __init__(self, broker: RedisServer) -> None:
        self._celery = Celery(broker=broker.url, set_as_current=False)
        self._celery.conf.broker_transport_options = {"global_keyprefix": "askpix:"}
        self._numbers = itertools.count()

    def part(self, *arguments: Any, **named: Any) -> None:
        self._celery.send_task(PART_TASK, arguments, named, queue=MODEL, ignore_result=True)

    def ask(self, **message: Any) -> None:
        queue = queue_name(MODEL, ask=True)
        self._celery.send_task(ASK_TASK, [{"v": 1, "model": MODEL, **message}], queue=queue, ignore_result=True)

    def close(self) -> None:
        self._celery.close()


@pytest.fixture
def post(broker: RedisServer) -> Iterator[Post]:
    post = Post(broker)
    yield post
    post.close()


def refused_once(client: Client, reason: str, before: dict[str, int]) -> None:
    """Waits until one more message was refused, for that reason."""
    wait_until(lambda: client.refused() != before, within=20, what=f"a refusal; {before}")
    assert client.refused() == {**before, reason: before.get(reason, 0) + 1}


PARTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a job outside the roots": ({"job": "{outside}/job"}, "outside", "outside this worker's storage roots"),
    "a job behind a link": ({"job": "{root}/link/job"}, "outside", "outside this worker's storage roots"),
    "a job behind dots": ({"job": "{root}/../{outside}/job"}, "outside", "outside this worker's storage roots"),
    "a job in another bucket": ({"job": "{theirs}/job"}, "outside", "outside this worker's storage roots"),
    "a job beside the prefix": ({"job": "{mine}-of-others/job"}, "outside", "outside this worker's storage roots"),
    "a job that is not there": ({"job": "{root}/nowhere"}, "no_job", "holds no job that this worker can see"),
    "a part too many": ({"job": "{root}/job", "part": 1}, "no_such_part", "holds no job with a part 1"),
    "a job for another model": ({"job": "{root}/foreign"}, "unknown_model", "does not hold the model another-model"),
    "one in S3 for another model": ({"job": "{mine}/foreign"}, "unknown_model", "does not hold the model another-mo"),
    "an unknown key": ({"job": "{root}/job", "shell": "rm"}, "malformed", "shell: Extra inputs are not permitted"),
    "another version": ({"job": "{root}/job", "v": 2}, "malformed", "v: Input should be 1"),
    "a part as text": ({"job": "{root}/job", "part": "0"}, "malformed", "part: Input should be a valid integer"),
}


@pytest.mark.parametrize("what", PARTS)
def test_a_part_is_refused(what: str, places: Places, post: Post, client: Client, worker: WorkerProcess) -> None:
    message, reason, said = PARTS[what]
    names = {"root": places.root, "outside": places.outside, "mine": places.mine, "theirs": places.theirs}
    message = {"v": 1, "part": 0, **message, "job": message["job"].format(**names)}
    before, refused = places.everything(), client.refused()

    post.part(message)

    refused_once(client, reason, refused)
    assert "Traceback" not in worker.wait_for_log("ERROR a message was refused: ", said)
    assert places.everything() == before


def test_arguments_that_are_no_one_object_are_refused(post: Post, client: Client, places: Places) -> None:
    for arguments, named in (
        ((), {}),
        (("/job", 0), {}),
        (({"v": 1},), {"part": 0}),
        ((["/job"],), {}),
        ((), {"v": 1}),
    ):
        refused = client.refused()
        post.part(*arguments, **named)
        refused_once(client, "malformed", refused)


OUTPUTS: dict[str, tuple[str, str]] = {
    "outside the roots": ("{outside}/answer.json", "is outside this worker's storage roots"),
    "behind a link": ("{root}/link/answer.json", "is outside this worker's storage roots"),
    "in another bucket": ("{theirs}/answer.json", "is outside this worker's storage roots"),
    "beside the prefix": ("{mine}-of-others/answer.json", "is outside this worker's storage roots"),
    "in a job": ("{root}/job/answer.json", "lies in a job folder"),
    "over a job's own file": ("{root}/job/job.json", "could be part of a job"),
    "in the results of a job in S3": ("{mine}/foreign/results/x.json", "lies in a job folder"),
    "no JSON": ("{root}/answer.sh", "must be a file under a storage root, with a name that ends in .json"),
}


@pytest.mark.parametrize("where", OUTPUTS)
def test_an_output_is_refused(where: str, places: Places, client: Client, images: Path, worker: WorkerProcess) -> None:
    output, said = OUTPUTS[where]
    names = {"root": places.root, "outside": places.outside, "mine": places.mine, "theirs": places.theirs}
    before, refused = places.everything(), client.refused()

    ask = client.ask(str(images / PICTURE), model=MODEL, output=output.format(**names))

    with pytest.raises(MessageError, match=said):
        ask.get(timeout=30)
    refused_once(client, "outside", refused)
    worker.wait_for_log("a message was refused", said)
    assert places.everything() == before


def test_an_ask_for_a_model_that_is_not_held_is_refused(client: Client, post: Post, images: Path) -> None:
    refused = client.refused()
    post.ask(model="another-model", image=str(images / PICTURE))
    refused_once(client, "unknown_model", refused)


def test_images_where_the_worker_may_not_read_are_not_read(
    client: Client, places: Places, pages: HeldServer, server: Server, root: Path, folder: Path, worker: WorkerProcess
) -> None:
    # Given: a picture elsewhere on this machine, in another bucket, and at an address that is not open.
    closed = server.put("/secret.jpg", jpeg()).replace("127.0.0.1", "127.0.0.2")
    asked = [str(places.outside / PICTURE), f"{places.theirs}/{PICTURE}", f"{root}/link/{PICTURE}", closed]
    before = places.everything()

    # When: an ask and a job name them.
    answers = [client.ask(image, model=MODEL) for image in asked if "://" in image]
    rows = list(finished(client.submit(asked, output=str(folder), model=MODEL)).results())
    rows += [answer.get(timeout=30) for answer in answers]

    # Then
    assert [row.error_code for row in rows] == ["not_allowed"] * 6
    assert all((row.status, row.sha256, row.retryable) == (Status.ERROR, None, False) for row in rows)
    assert "/secret.jpg" not in server.asked
    wait_until(lambda: client.jobs() == [], within=20, what="the end of the job")
    shutil.rmtree(folder)
    assert places.everything() == before


def test_the_counters_are_shown_by_the_command(client: Client, broker: RedisServer, tmp_path: Path) -> None:
    shown = askpix("jobs", cwd=tmp_path, env=broker.environment)

    assert shown.code == 0
    assert "that workers have refused so far: " in shown.err
    for reason, count in client.refused().items():
        assert f"{count} {reason}" in shown.err
