"""What the parent of replicas tells for all of them: it asks each, and puts together what they say."""

from __future__ import annotations

import collections
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from askpix.worker.health import OK, State
from askpix.worker.instruments import Counter
from askpix.worker.metrics.families import Families, text

_PATIENCE_SECONDS = 2.0
"""For all replicas together, which are asked at a time: a scrape has ten seconds by default, a probe often one to
three."""

_OTHERS_SECONDS = 0.5
"""That those have once one has said that it is ready: a probe often waits for a second."""

_STILL_SECONDS = 60.0
"""Without an answer, after which a replica that had answered does not come to itself any more."""

_LONGEST = 8 << 20
"""Bytes of an answer."""


class ReplicaHealth:
    """Asks replicas by their sockets.

    Args:
        sockets: one for each replica, in order.
        restarts: how often each was started again, by its number.
        ends: how often each ended untold, by its number and how.
        clock: gives seconds.
    """

    def __init__(
        self, sockets: Sequence[Path], restarts: Counter, ends: Counter, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sockets = {str(number): path for number, path in enumerate(sockets, start=1)}
        self._restarts = restarts
        self._ends = ends
        self._clock = clock
        self._answered: dict[str, tuple[float, int]] = {}
        """When each replica last answered, and how many of its kind had ended by then."""

    def alive(self) -> State:
        """Returns whether replicas that have answered still do.

        What ends, the parent starts again, and a replica that hangs ends by itself, unless it stands still as a whole:
        that nobody in it notices.
        """
        ends, now = self._ended_by_number(), self._clock()
        for number in self._asked("/livez", others=_OTHERS_SECONDS):
            self._answered[number] = (now, ends[number])
        still = {
            number: now - at
            for number, (at, ended) in self._answered.items()
            if ended == ends[number] and now - at > _STILL_SECONDS
        }
        said = {
            f"replica {number}": f"it has not answered for {silence:.0f} seconds" for number, silence in still.items()
        }
        return {"worker": OK, **said}

    def _ended_by_number(self) -> collections.Counter[str]:
        ended: collections.Counter[str] = collections.Counter()
        for (number, _), count in self._ends.read().items():
            ended[number] += count
        return ended

    def ready(self) -> State:
        """Returns how each replica is."""
        answers = self._asked("/readyz", others=_OTHERS_SECONDS)
        return {f"replica {number}": _readiness(answers.get(number)) for number in self._sockets}

    def metrics(self) -> bytes:
        """Returns what all replicas tell, each with its number as a label, and what the parent knows of them."""
        told = {number: families for number, answer in self._asked("/metrics").items() if (families := _read(answer))}
        own = Families()
        own.gauge(
            "askpix_replica_up",
            "Whether a replica answered this time.",
            ["replica"],
            {(number,): number in told for number in self._sockets},
        )
        restarts = self._restarts.read()
        own.counter(
            "askpix_replica_restarts",
            "How often the parent has started a replica again.",
            ["replica"],
            {(number,): restarts.get((number,), 0) for number in self._sockets},
        )
        own.counter(
            "askpix_replica_ends",
            "Replicas that ended without being told to, by how: `signal`, or their exit code.",
            ["replica", "how"],
            self._ends.read(),
        )
        own.gauge("askpix_parent_info", "The parent of replicas; always 1.", ["version"], {(version("askpix"),): 1})
        return text([*own, *_merged(told)])

    def _asked(self, page: str, others: float = _PATIENCE_SECONDS) -> Mapping[str, tuple[int, bytes]]:
        """Returns status and body of those that answer in time, by their numbers.

        Args:
            others: seconds that these have once one has said that it is well.
        """
        said: queue.SimpleQueue[tuple[str, tuple[int, bytes] | None]] = queue.SimpleQueue()
        for number, path in self._sockets.items():
            threading.Thread(target=_ask, args=(number, path, page, said.put), daemon=True).start()
        ends = time.monotonic() + _PATIENCE_SECONDS
        answers = {}
        for _ in self._sockets:
            try:
                number, answer = said.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                break
            if answer is not None:
                answers[number] = answer
                if answer[0] == HTTPStatus.OK:
                    ends = min(ends, time.monotonic() + others)
        return answers


class _LocalConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_PATIENCE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _ask(number: str, path: Path, page: str, tell: Callable[[tuple[str, tuple[int, bytes] | None]], None]) -> None:
    connection = _LocalConnection(path)
    try:
        connection.request("GET", page)
        answer = connection.getresponse()
        tell((number, (answer.status, answer.read(_LONGEST))))
    except (OSError, HTTPException):
        tell((number, None))
    finally:
        connection.close()


def _readiness(answer: tuple[int, bytes] | None) -> str:
    if answer is None:
        return "it does not answer"
    try:
        said = json.loads(answer[1])
    except ValueError:
        return "it does not answer in JSON"
    return "; ".join(f"{what}: {how}" for what, how in said.items() if what != "status" and how != OK) or OK


def _read(answer: tuple[int, bytes]) -> list[Metric]:
    """Returns the families that a replica tells; none where that cannot be read, as of one that ends meanwhile."""
    status, body = answer
    try:
        return list(text_string_to_metric_families(body.decode())) if status == HTTPStatus.OK else []
    except ValueError:
        return []


def _merged(told: Mapping[str, Sequence[Metric]]) -> list[Metric]:
    families: dict[str, Metric] = {}
    for number, own in sorted(told.items()):
        for family in own:
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            known.samples += [
                Sample(sample.name, {"replica": number, **sample.labels}, sample.value) for sample in family.samples
            ]
    return list(families.values())
