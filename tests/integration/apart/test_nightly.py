"""A shop's catalogue is tagged again every night: what has not changed is not computed again, and that is said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from catalogue import picture
from helpers.metrics import scrape
from helpers.pictures import commented, encoded
from helpers.ports import free_port
from helpers.processes import askpix
from helpers.system import MODEL, RedisServer, Starter, WorkerProcess, finished

from askpix.producer.client import Client
from askpix.producer.followed import Job
from askpix.producer.questions import Question
from askpix.producer.rows import Row, Status

ITEMS = 5_000
CHANGED = 50
SHEET = (Question("what color is it?", name="color", choices=("red", "green", "blue", "black")),)

COLUMNS = 12
"""Pictures that are drawn; each image is one of them, with a comment of its own in its file."""


@pytest.fixture(scope="module")
def drawn() -> Sequence[bytes]:
    return [encoded(picture(41, number)[0].resize((48, 48)), quality=80) for number in range(COLUMNS)]


class Night:
    """A catalogue, and the worker that tags it.

    Args:
        env: says where answers are kept.
    """

    def __init__(
        self, folder: Path, start: Starter, drawn: Sequence[bytes], items: int, env: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.env = dict(env)
        self._start = start
        self._drawn = drawn
        self.paths = [folder / "images" / f"{number:04d}.jpg" for number in range(items)]
        (folder / "images").mkdir(parents=True)
        self.change(range(items), "first")
        self.begin_worker()

    def begin_worker(self) -> None:
        self.port = free_port()
        self.worker: WorkerProcess = self._start("--health-port", str(self.port), env=self.env)

    def change(self, numbers: Sequence[int], what: str) -> None:
        """Has some of the images be others."""
        for number in numbers:
            data = self._drawn[number % len(self._drawn)]
            self.paths[number].write_bytes(commented(data, f"{what} {number}"))

    def tagged(self, client: Client, name: str, *, cache: bool = True) -> Job:
        paths = list(map(str, self.paths))
        output = str(self.folder / name)
        job = client.submit(paths, output=output, model=MODEL, questions=SHEET, cache=cache)
        return finished(job, within=240)

    def inferred(self) -> tuple[int, int, int]:
        """Returns how many images the worker has encoded by now, and answers it has looked up: found, and not."""
        told = scrape(self.port)
        return (
            int(told.sum("askpix_images_encoded_total")),
            int(told.sum("askpix_cache_answers_total", result="hit")),
            int(told.sum("askpix_cache_answers_total", result="miss")),
        )


@pytest.fixture(params=["disk", "redis"])
def night(
    request: pytest.FixtureRequest, start_worker: Starter, root: Path, drawn: Sequence[bytes], tmp_path: Path
) -> Iterator[Night]:
    with ExitStack() as stack:
        if request.param == "disk":
            items, place = ITEMS, str(tmp_path / "answers")
        else:
            server = RedisServer(tmp_path, "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru")
            stack.callback(server.close)
            items, place = ITEMS // 4, server.url
        night = Night(root / tmp_path.name, start_worker, drawn, items, {"ASKPIX_ANSWER_CACHE": place})
        stack.callback(lambda: night.worker.close())
        yield night


def essence(rows: Iterator[Row]) -> list[Row]:
    """Returns rows without how they came about."""
    plain = (replace(row, seconds=0.0, attempts=0) for row in rows)
    return [replace(row, answers=tuple(replace(answer, cached=None) for answer in row.answers)) for row in plain]


@pytest.mark.timeout(400)
def test_the_second_night_computes_what_has_changed_and_no_more(night: Night, client: Client) -> None:
    # Given: a first night
    items = len(night.paths)
    first = night.tagged(client, "first")
    assert (first.progress().ok, first.progress().cached) == (items, 0)
    assert night.inferred() == (items, 0, items)

    # When: nothing has changed, and another worker has the night
    night.worker.close()
    night.begin_worker()
    second = night.tagged(client, "second")

    # Then: nothing is inferred, and the rows are the same.
    assert night.inferred() == (0, items, 0)
    assert essence(second.results()) == essence(first.results())
    assert {answer.cached for row in second.results() for answer in row.answers} == {True}
    # And that is said: by the counters, by the folder, by the commands.
    assert second.progress().cached == Job.open(second.folder.uri).progress().cached == items
    told = askpix("status", second.folder.uri, "--json", cwd=night.folder, env={"ASKPIX_BROKER_URL": broker_of(client)})
    assert json.loads(told.out)["cached"] == items
    watched = askpix("watch", second.folder.uri, cwd=night.folder, env={"ASKPIX_BROKER_URL": broker_of(client)})
    assert f"{items} items: {items} ok, 0 failed, {items:,} from the cache" in watched.err

    # When: one image in a hundred is another
    changed = range(7, items, items // CHANGED)
    night.change(changed, "second")
    third = night.tagged(client, "third")

    # Then: these are inferred, and no other.
    assert night.inferred() == (len(changed), 2 * items - len(changed), len(changed))
    assert third.progress().cached == items - len(changed)
    anew = [row.id for row in third.results() if not row.answers[0].cached]
    assert anew == [str(night.paths[number]) for number in changed]


def broker_of(client: Client) -> str:
    options = client._broker.redis.connection_pool.connection_kwargs
    return f"redis://{options['host']}:{options['port']}/0"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("night", ["redis"], indirect=True)
def test_a_night_without_the_cache_and_one_after_a_purge_compute_all(night: Night, client: Client) -> None:
    # Given: a first night
    items = len(night.paths)
    night.tagged(client, "known")

    # When: it is to do without
    plain = night.tagged(client, "plain", cache=False)

    # Then
    assert night.inferred() == (2 * items, 0, items)
    assert plain.progress().cached == 0
    assert {answer.cached for row in plain.results() for answer in row.answers} == {None}
    assert plain.spec.cache is False
    assert plain.spec.fingerprint == Job.open(str(night.folder / "known")).spec.fingerprint

    # And when what is known is forgotten
    shown = askpix("cache", cwd=night.folder, env=night.env)
    assert re.search(rf"^  {MODEL}: {items} images$", shown.out, re.MULTILINE)
    purged = askpix("cache", "purge", "--model", MODEL, cwd=night.folder, env=night.env)
    assert (purged.code, purged.err) == (0, f"The answers of {MODEL} about {items} images are forgotten.\n")

    # Then
    again = night.tagged(client, "again")
    assert night.inferred() == (3 * items, 0, 2 * items)
    assert all(row.status is Status.OK for row in again.results())
