"""Ten minutes of faults of all kinds, one after the other and at the same time (`make soak`).

Workers are killed, stopped and told to end; the broker is killed, emptied, frozen, filled and made read-only; the
network to it and to S3 is cut, hangs and trickles; messages are lost, doubled and malformed; and some images end the
process that decodes them. Meanwhile jobs are submitted. At the end, each item of each has one row and the right one.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
from helpers.lasting import lasts
from helpers.pictures import jpeg
from helpers.processes import wait_until
from helpers.proxy import Proxy, Way
from helpers.s3_server import S3Server, environment, using
from helpers.system import MODEL, HeldServer, RedisServer, WorkerProcess
from helpers.system_fixtures import broker, client, folder, pages, root, start_worker

from askpix.producer.client import Client
from askpix.producer.errors import AskpixError
from askpix.producer.followed import Job
from askpix.producer.rows import Status
from askpix.producer.standing import standing

__all__ = ["broker", "client", "folder", "pages", "root", "start_worker"]

SECONDS = float(os.environ.get("ASKPIX_SOAK_SECONDS", "600"))
SEED = int(os.environ.get("ASKPIX_TESTS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
REPORT = Path(__file__).parents[2] / "bench" / "results" / "soak.json"

WORKERS = 3
ITEMS, PART_SIZE = 400, 8
POISON = ("crash", "killed", "hang", "memory")
EXPECTED = {"crash": "worker_died", "killed": "worker_died", "hang": "worker_died", "memory": "out_of_memory"}
SETTINGS = {
    "PYTHONPATH": str(Path(__file__).parent / "poisoned"),
    # So that workers die of images.
    "ASKPIX_DECODE_PROCESSES": "0",
    "ASKPIX_LEASE_SECONDS": "4",
    "ASKPIX_KEEP_SECONDS": "0.5",
    "ASKPIX_ITEM_SECONDS": "5",
}
_UNKNOWN_SECONDS = 45
"""That a job may be unknown to the broker before somebody cares: live workers restore it."""

HOSTILE = ("no message", b"\xff\xfe", json.dumps({"body": "[]", "headers": {}}))


@dataclass
class System:
    """What is put into trouble."""

    broker: RedisServer
    to_broker: Proxy
    to_s3: Proxy
    start: Callable[[], WorkerProcess]
    chance: random.Random
    workers: list[WorkerProcess] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)

    def keep_alive(self) -> None:
        """Starts workers again that have ended, as a supervisor does."""
        for worker in list(self.workers):
            if (code := worker.process.poll()) is not None:
                self.codes[str(code)] += 1
                self.workers.remove(worker)
        while len(self.workers) < WORKERS:
            self.workers.append(self.start())

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self.chance.choice(self.workers).process.send_signal(number)

    def pause(self) -> None:
        worker = self.chance.choice(self.workers)
        worker.process.send_signal(signal.SIGSTOP)
        lasts(self.chance.uniform(1, 8))
        worker.process.send_signal(signal.SIGCONT)

    def for_a_while(self, begin: Callable[[], object], end: Callable[[], object]) -> None:
        begin()
        lasts(self.chance.uniform(1, 6))
        end()

    def turn(self, proxy: Proxy) -> None:
        way = self.chance.choice([Way.REFUSED, Way.RESET, Way.SILENT, Way.SLOW, Way.FORGOTTEN])
        self.for_a_while(lambda: proxy.turn(way), lambda: proxy.turn(Way.OPEN))

    def faults(self) -> dict[str, Callable[[], object]]:
        server, client = self.broker, self.broker.client
        queue = f"askpix:{MODEL}"

        def doubled() -> None:
            if (message := client.lindex(queue, 0)) is not None:
                client.lpush(queue, str(message))

        return {
            "worker killed": lambda: self.send(signal.SIGKILL),
            "worker told to end": lambda: self.send(signal.SIGTERM),
            "worker told to end at once": lambda: self.send(signal.SIGQUIT),
            "worker stopped for a while": self.pause,
            "broker killed": lambda: self.for_a_while(server.kill, server.start),
            "broker emptied": client.flushall,
            "broker frozen": lambda: self.for_a_while(server.freeze, server.thaw),
            "broker read-only": lambda: self.for_a_while(
                lambda: client.replicaof("127.0.0.1", "1"), lambda: client.replicaof("NO", "ONE")
            ),
            "broker full": lambda: self.for_a_while(
                lambda: client.config_set("maxmemory", "1"), lambda: client.config_set("maxmemory", "0")
            ),
            "network to the broker": lambda: self.turn(self.to_broker),
            "network to S3": lambda: self.turn(self.to_s3),
            "message lost": lambda: client.rpop(queue),
            "message doubled": doubled,
            "message malformed": lambda: client.lpush(queue, *HOSTILE),
        }


@pytest.fixture
def system(broker: RedisServer, s3: S3Server, root: Path, bucket: str, tmp_path: Path) -> Iterator[System]:
    to_broker, to_s3 = Proxy(broker.port), Proxy(s3.port)
    numbers = itertools.count(1)
    own = ("--storage-root", root, "--storage-root", f"s3://{bucket}/jobs", "--allow-net", "127.0.0.1/32")
    env = {
        **SETTINGS,
        **environment(f"http://127.0.0.1:{to_s3.port}"),
        "ASKPIX_BROKER_URL": f"redis://127.0.0.1:{to_broker.port}/0",
    }

    def start() -> WorkerProcess:
        return WorkerProcess(broker, tmp_path / f"worker-{next(numbers)}.log", *own, env=env)

    system = System(broker, to_broker, to_s3, start, random.Random(SEED))
    yield system
    for worker in system.workers:
        worker.kill()
    to_broker.close()
    to_s3.close()


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.bucket()


class Submitted:
    """A job, and what is to become of it."""

    def __init__(self, number: int, output: str, pages: HeldServer, client: Client, chance: random.Random) -> None:
        poison = {at: chance.choice(POISON) for at in chance.sample(range(ITEMS), 2)}
        self.images = [
            pages.put(f"/{number}-{at}", jpeg() + (f"#{poison[at]}".encode() if at in poison else b""))
            for at in range(ITEMS)
        ]
        self.failed = {self.images[at]: EXPECTED[kind] for at, kind in poison.items()}
        self.job = client.submit(self.images, output=output, model=MODEL, part_size=PART_SIZE)
        self.resumed: list[str] = []
        """Why it was carried on with by hand, each time."""
        self._known_at = time.monotonic()

    def done(self) -> bool:
        """Returns whether it has ended; carries on with one that nobody works on, as a person would."""
        progress = self.job.progress()
        if progress.counted or progress.finished:
            self._known_at = time.monotonic()
        if progress.error or time.monotonic() - self._known_at > _UNKNOWN_SECONDS:
            self.resumed.append(progress.error or "the broker did not know it any more")
            self.job.resume()
            self._known_at = time.monotonic()
        return progress.finished

    def wrong(self) -> dict[str, str]:
        """Returns what is not as it should be, by image."""
        rows = list(self.job.results())
        images = Counter(row.image for row in rows)
        wrong = {image: f"{images[image]} rows" for image in self.images if images[image] != 1}
        texts = Counter(row.answers[0].text for row in rows if row.status is Status.OK)
        for row in rows:
            expected = self.failed.get(row.image)
            if row.error_code != expected:
                wrong[row.image] = f"{row.error_code} ({row.error_message}) where {expected} was expected"
            elif expected is None and row.answers[0].text != texts.most_common(1)[0][0]:
                wrong[row.image] = f"answered with {row.answers[0].text!r}"
        return wrong


@pytest.mark.timeout(SECONDS + 900)
def test_soak(
    system: System, client: Client, pages: HeldServer, broker: RedisServer, s3: S3Server, root: Path, bucket: str
) -> None:
    print(f"\nseed {SEED}: repeat with ASKPIX_TESTS_SEED={SEED}")
    injected: Counter[str] = Counter()
    faults = system.faults()
    jobs: list[Submitted] = []

    def submitted() -> Submitted:
        number = len(jobs)
        output = str(root / f"soak-{number}") if number % 2 else f"s3://{bucket}/jobs/soak-{number}"
        return Submitted(number, output, pages, client, system.chance)

    with using(s3.environment):
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            system.keep_alive()
            with suppress(AskpixError):
                if sum(not job.done() for job in jobs[-3:]) < 2:
                    jobs.append(submitted())
            lasts(system.chance.uniform(0.5, 3))
            name = system.chance.choice(list(faults))
            with suppress(redis.RedisError):
                faults[name]()
            injected[name] += 1

        def over() -> bool:
            system.keep_alive()
            return all(job.done() for job in jobs)

        wait_until(over, within=600, what="the end of all jobs")
        wrong = {image: why for job in jobs for image, why in job.wrong().items()}
        uneven = [job.job.folder.uri for job in jobs if not _even(job.job)]
        wait_until(lambda: client.jobs() == [], within=60, what="nothing that is active")
        left = {"queued": broker.waiting(), "in work": broker.client.hlen("askpix:unacked")}

    report = {
        "seed": SEED,
        "seconds": SECONDS,
        "injected": dict(sorted(injected.items())),
        "jobs": len(jobs),
        "items": len(jobs) * ITEMS,
        "items that end their process or eat memory": sum(len(job.failed) for job in jobs),
        "rows wrong, lost or doubled": len(wrong),
        "jobs whose counters differ from their folder": len(uneven),
        "jobs carried on by hand": [why for job in jobs for why in job.resumed],
        "messages left": left,
        "workers that ended, by exit code": dict(sorted(system.codes.items())),
        "cores": os.cpu_count(),
    }
    print(json.dumps(report, indent=2))
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    assert wrong == {}
    assert uneven == []
    assert left == {"queued": 0, "in work": 0}


def _even(job: Job) -> bool:
    """Returns whether the counters say what the folder says."""
    told, stand = job.progress(), standing(job.folder, job.spec)
    return (told.ok, told.failed, told.parts_done) == (stand.ok, stand.failed, stand.parts_done)
