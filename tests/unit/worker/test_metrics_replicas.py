"""The parent of replicas tells what those say that answer, and which do not."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers.metrics import Scrape

from askpix.producer.errors import WorkerError
from askpix.worker.health import OK, Health
from askpix.worker.instruments import Counter
from askpix.worker.metrics.exposition import starting_text
from askpix.worker.metrics.families import Families, text
from askpix.worker.metrics.replicas import ReplicaHealth


def exposition(items: int, code: str) -> bytes:
    families = Families()
    families.counter("askpix_items", "Items.", ["code"], {(code,): items, ("",): 1})
    families.gauge("askpix_worker_ready", "Ready.", [], {(): 1})
    return text(families)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name is short, as those of sockets have to be."""
    return tmp_path_factory.mktemp("s")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def replica(stack: ExitStack, path: Path, told: bytes) -> Health:
    health = stack.enter_context(Health(path))
    health.metrics = lambda: told
    health.ready = lambda: {"worker": OK, "broker": OK}
    return health


def test_what_replicas_say_is_put_together_with_their_numbers(stack: ExitStack, folder: Path) -> None:
    # Given
    paths = [folder / name for name in "abc"]
    restarts, ends = Counter(), Counter()
    restarts.add("2", by=3)
    ends.add("2", "signal", by=3)
    replica(stack, paths[0], exposition(5, "timeout"))
    replica(stack, paths[1], exposition(7, 'odd "code"\\\n'))

    # When: the third is not there.
    told = Scrape(ReplicaHealth(paths, restarts, ends).metrics().decode())

    # Then
    assert told.by("replica", "askpix_items_total") == {"1": 6, "2": 8}
    assert told.by("code", "askpix_items_total") == {"timeout": 5, 'odd "code"\\\n': 7, "": 2}
    assert {own["replica"]: value for own, value in told.samples("askpix_replica_up")} == {"1": 1, "2": 1, "3": 0}
    assert told.by("replica", "askpix_replica_restarts_total") == {"2": 3}
    assert told.by("how", "askpix_replica_ends_total", replica="2") == {"signal": 3}


def test_one_that_hangs_or_talks_nonsense_is_one_that_is_not_up(stack: ExitStack, folder: Path) -> None:
    # Given: the first is well, the second takes what is asked and says nothing, the third says what is none.
    paths = [folder / name for name in "abc"]
    replica(stack, paths[0], exposition(5, "timeout"))
    silent = stack.enter_context(socket.socket(socket.AF_UNIX))
    silent.bind(str(paths[1]))
    silent.listen()
    replica(stack, paths[2], b'askpix_items_total{model="cut o')
    telling = ReplicaHealth(paths, Counter(), Counter())

    # When
    told = Scrape(telling.metrics().decode())

    # Then
    assert {own["replica"]: value for own, value in told.samples("askpix_replica_up")} == {"1": 1, "2": 0, "3": 0}
    assert told.sum("askpix_items_total") == 6
    assert telling.ready() == {"replica 1": OK, "replica 2": "it does not answer", "replica 3": OK}


def test_it_says_what_a_replica_lacks(stack: ExitStack, folder: Path) -> None:
    health = replica(stack, folder / "a", starting_text())
    health.ready = lambda: {"worker": OK, "broker": "it has not answered for 20 seconds", "storage": "s3 is no folder"}

    telling = ReplicaHealth([folder / "a"], Counter(), Counter())

    assert telling.ready() == {"replica 1": "broker: it has not answered for 20 seconds; storage: s3 is no folder"}
    assert json.dumps(telling.alive()) == '{"worker": "ok"}'


def test_a_socket_that_is_left_of_a_killed_one_is_taken_over(stack: ExitStack, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "a"))
    replica(stack, folder / "a", starting_text())

    told = Scrape(ReplicaHealth([folder / "a"], Counter(), Counter()).metrics().decode())

    assert told.sum("askpix_replica_up") == 1
    assert [value for _, value in told.samples("askpix_worker_ready")] == [0]


def test_a_folder_whose_name_is_too_long_is_one_line(folder: Path) -> None:
    with pytest.raises(WorkerError, match="cannot listen there: af_unix path too long"):
        Health(folder / ("x" * 120))


def test_a_replica_that_stands_still_is_said_until_it_has_ended(folder: Path) -> None:
    # Given
    now, ends = [0.0], Counter()
    path = folder / "a"
    told = ReplicaHealth([path], Counter(), ends, clock=lambda: now[0])
    assert told.alive() == {"worker": OK}, "one that is still starting"
    with Health(path):
        assert told.alive() == {"worker": OK}

    # When: nobody answers any more, for less than a minute, and for more.
    now[0] = 59.0
    soon = told.alive()
    now[0] = 61.0
    late = told.alive()

    # Then
    assert soon == {"worker": OK}
    assert late == {"worker": OK, "replica 1": "it has not answered for 61 seconds"}
    ends.add("1", "signal")
    assert told.alive() == {"worker": OK}, "another is started in its place"
