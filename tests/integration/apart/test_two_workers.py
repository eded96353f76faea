"""Two workers, started apart, give the rows that `run` gives: over every form of input, to a folder and to S3."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.pictures import jpeg, one_pixel_png
from helpers.processes import askpix, wait_until
from helpers.s3_server import S3Server, using
from helpers.system import MODEL, HeldServer, RedisServer, Starter, WorkerProcess, leases

from askpix.producer.client import Client
from askpix.producer.followed import Job
from askpix.producer.rows import Answer, Row

PART_SIZE = 3
QUESTION = "what color is it?"
RICH = {"text": "what is it?", "name": "kind", "choices": ["mug", "bottle", "lamp"]}


@pytest.fixture(scope="module")
def bucket(s3: S3Server, images: Path) -> str:
    """A bucket with pictures under photos/."""
    bucket = s3.bucket()
    for picture in sorted(images.glob("*.jpg"))[:6]:
        s3.put(f"s3://{bucket}/photos/{picture.name}", picture.read_bytes())
    return bucket


@pytest.fixture(scope="module", autouse=True)
def workers(start_worker: Starter, s3: S3Server, bucket: str) -> list[WorkerProcess]:
    own = ("--storage-root", f"s3://{bucket}/jobs", "--allow-bucket", f"{bucket}/photos", "--precision", "f32")
    return [start_worker(*own, env=s3.environment) for _ in range(2)]


@dataclass(frozen=True)
class System:
    """What commands need to know of where things are."""

    env: Mapping[str, str]
    cwd: Path
    access: tuple[str | Path, ...]
    """Options by which `run` may read the same images."""

    def run(self, source: str, *options: str) -> list[Row]:
        """Returns the rows of `askpix run`."""
        output = self.cwd / f"run-{len(list(self.cwd.iterdir()))}"
        words = ("run", source, "--output", output, "--precision", "f32", *self.access, *options)
        ran = askpix(*words, "--part-size", str(PART_SIZE), cwd=self.cwd, env=self.env)
        assert ran.code in (0, 1), ran.err
        return list(Job.open(str(output)).results())

    def submit(self, source: str, output: str, *options: str) -> Job:
        """Returns a job that `askpix submit` has submitted and `askpix watch` has seen end."""
        words = ("submit", source, "--output", output, "--model", MODEL, "--part-size", str(PART_SIZE))
        ran = askpix(*words, *options, cwd=self.cwd, env=self.env)
        assert (ran.code, ran.out) == (0, ""), ran.err
        watched = askpix("watch", output, cwd=self.cwd, env=self.env)
        assert watched.code in (0, 1), watched.err
        return Job.open(output)


@pytest.fixture(scope="module")
def system(
    broker: RedisServer, s3: S3Server, bucket: str, images: Path, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> System:
    access = ("--files-root", images, "--files-root", root, "--allow-net", "127.0.0.1/32")
    return System(
        env={**broker.environment, **s3.environment},
        cwd=tmp_path_factory.mktemp("commands"),
        access=(*access, "--allow-bucket", f"{bucket}/photos"),
    )


@dataclass(frozen=True)
class Mixed:
    """Images of all kinds, some of which fail, with all that a list may say of them."""

    rows: list[dict[str, Any]]
    options: tuple[str, ...]

    @property
    def references(self) -> list[str]:
        return [row["image"] for row in self.rows]


@pytest.fixture(scope="module")
def mixed(pages: HeldServer, images: Path, bucket: str) -> Mixed:
    """Paths, URLs, S3 URIs and bare keys."""
    references = [
        f"file://{images}/000-bottle.jpg",
        pages.put("/shop/product", jpeg()),
        f"s3://{bucket}/photos/002-bottle.jpg",
        "003-mug.jpg",
        f"file://{images}/no-such.jpg",
        pages.url("/shop/gone"),
        f"s3://{bucket}/photos/no-such.jpg",
        pages.put("/shop/pixel", one_pixel_png()),
        "./004-mug.jpg",
        pages.put("/shop/text", b"this is no picture"),
    ]
    asked: list[list[object] | None] = [["what is it?", RICH], None, [RICH], None]
    rows = [
        {
            "id": f"sku-{number}",
            "image": image,
            "group": f"page {number // 4}",
            "questions": None if (own := asked[number % 4]) is None else json.dumps(own),
            "color": 'na\u00efve, "blue"\tred' if number == 1 else f"c{number}",
        }
        for number, image in enumerate(references)
    ]
    return Mixed(rows, ("--base", f"s3://{bucket}/photos", "--question", QUESTION))


def text(mixed: Mixed) -> bytes:
    return "\n".join(mixed.references).encode()


def table(separator: str) -> Callable[[Mixed], bytes]:
    def write(mixed: Mixed) -> bytes:
        file = io.StringIO(newline="")
        writer = csv.DictWriter(file, list(mixed.rows[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(mixed.rows)
        return file.getvalue().encode()

    return write


def json_lines(mixed: Mixed) -> bytes:
    told = [{**row, "questions": json.loads(row["questions"]) if row["questions"] else None} for row in mixed.rows]
    return "\n".join(map(json.dumps, told)).encode()


def parquet(mixed: Mixed) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(mixed.rows), buffer)
    return buffer.getvalue()


FORMS: dict[str, Callable[[Mixed], bytes]] = {
    ".txt": text,
    ".csv": table(","),
    ".tsv": table("\t"),
    ".jsonl": json_lines,
    ".parquet": parquet,
    ".txt.gz": lambda mixed: gzip.compress(text(mixed)),
    ".csv.gz": lambda mixed: gzip.compress(table(",")(mixed)),
    ".tsv.gz": lambda mixed: gzip.compress(table("\t")(mixed)),
    ".jsonl.gz": lambda mixed: gzip.compress(json_lines(mixed)),
}


def assert_same(rows: list[Row], expected: list[Row]) -> None:
    """Asserts that rows say the same, but for the seconds that they took.

    What is summed in which order depends on what else is in a batch: the last digits of confidences may differ.
    """

    def numbers(rows: list[Row]) -> list[float]:
        shares = (share.probability for row in rows for answer in row.answers for share in answer.choices or ())
        return [*(answer.confidence for row in rows for answer in row.answers), *shares]

    def plain(answer: Answer) -> Answer:
        choices = answer.choices and tuple(replace(share, probability=0.0) for share in answer.choices)
        return replace(answer, confidence=0.0, choices=choices)

    def others(rows: list[Row]) -> list[Row]:
        return [replace(row, seconds=0.0, answers=tuple(map(plain, row.answers))) for row in rows]

    assert others(rows) == others(expected)
    assert numbers(rows) == pytest.approx(numbers(expected), abs=1e-5)


@pytest.fixture(scope="module")
def expected(system: System, mixed: Mixed) -> dict[str, list[Row]]:
    """What `run` gives for the plain list and for those with columns."""
    (system.cwd / "plain.txt").write_bytes(text(mixed))
    (system.cwd / "rich.jsonl").write_bytes(json_lines(mixed))
    plain, rich = (system.run(name, *mixed.options) for name in ("plain.txt", "rich.jsonl"))
    *codes, last = [row.error_code for row in rich]
    assert codes == [None] * 4 + ["file_not_found", "http_404", "object_not_found", None, None]
    assert last == "not_an_image"
    assert [row.id for row in rich] == [row["id"] for row in mixed.rows]
    assert [len(row.answers) for row in rich if row.error_code is None] == [2, 1, 1, 1, 1, 2]
    assert [row.attempts for row in rich] == [1] * len(rich)
    return {"plain": plain, "rich": rich}


@pytest.mark.parametrize("where", ["local", "S3"])
@pytest.mark.parametrize("form", FORMS)
def test_a_list_gives_the_rows_that_run_gives(
    form: str,
    where: str,
    system: System,
    mixed: Mixed,
    expected: dict[str, list[Row]],
    s3: S3Server,
    bucket: str,
    folder: Path,
) -> None:
    data = FORMS[form](mixed)
    name = f"{folder.name}{form}"
    with using(s3.environment):
        if where == "local":
            (system.cwd / name).write_bytes(data)
            job = system.submit(name, str(folder), *mixed.options)
        else:
            source = s3.put(f"s3://{bucket}/lists/{name}", data)
            job = system.submit(source, f"s3://{bucket}/jobs/{folder.name}", *mixed.options)
        rows = list(job.results())

    assert_same(rows, expected["plain" if ".txt" in form else "rich"])
    assert folder.exists() == (where == "local")


def test_a_folder_an_image_and_a_prefix_give_the_rows_that_run_gives(
    system: System, s3: S3Server, bucket: str, images: Path, folder: Path
) -> None:
    for number, (source, output) in enumerate(
        [
            (str(images), str(folder / "folder")),
            (str(images / "007-mug.jpg"), f"s3://{bucket}/jobs/image"),
            (f"s3://{bucket}/photos/", f"s3://{bucket}/jobs/prefix"),
            (f"s3://{bucket}/photos/001-mug.jpg", str(folder / "object")),
        ]
    ):
        with using(s3.environment):
            job = system.submit(source, output)
            rows = list(job.results())
            assert_same(rows, system.run(source))
        assert len(rows) == [len(list(images.glob("*.jpg"))), 1, 6, 1][number]


def test_two_workers_share_a_job_and_each_item_is_answered_once(
    client: Client,
    pages: HeldServer,
    broker: RedisServer,
    workers: list[WorkerProcess],
    s3: S3Server,
    bucket: str,
    images: Path,
) -> None:
    # Given: four parts in work, which is what two workers take, and more of them queued.
    pictures = sorted(images.glob("*.jpg"))
    names = [f"/shared/{number:02d}" for number in range(48)]
    urls = [pages.put(name, picture.read_bytes()) for name, picture in zip(names, pictures, strict=True)]
    before = [worker.counters(client)["answers"] for worker in workers]
    pages.hold(*names)
    with using(s3.environment):
        job = client.submit(urls, output=f"s3://{bucket}/jobs/shared", model=MODEL, questions=[QUESTION], part_size=3)
        wait_until(lambda: set(names[:12]) <= set(pages.came), within=9, what="four parts in work")
        assert leases(broker, job) == 4

        # When
        pages.let_go()
        wait_until(lambda: job.progress().finished, within=60, what="the end of the job")

        # Then
        rows = list(job.results())
    wait_until(lambda: client.jobs() == [], within=20, what="the end of the job")
    assert [row.image for row in rows] == urls
    assert sorted(name for name in pages.came if name in names) == names
    after = [worker.counters(client)["answers"] for worker in workers]
    shares = [now - then for now, then in zip(after, before, strict=True)]
    assert sum(shares) == 48
    assert min(shares) >= 6, shares
