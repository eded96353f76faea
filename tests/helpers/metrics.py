"""Reads what a worker tells Prometheus."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator

from helpers.processes import wait_until
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

PREFIX = "askpix_"


class Scrape:
    """One reading of /metrics."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families: dict[str, Metric] = {}
        for family in text_string_to_metric_families(text):
            assert family.name not in self.families, "a family comes once"
            self.families[family.name] = family

    def samples(self, name: str, **labels: str) -> Iterator[tuple[dict[str, str], float]]:
        """Yields the labels and values of the samples of a name that have these labels."""
        for family in self.families.values():
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    yield sample.labels, sample.value

    def sum(self, name: str, **labels: str) -> float:
        return sum(value for _, value in self.samples(name, **labels))

    def by(self, label: str, name: str, **labels: str) -> Counter[str]:
        """Returns the sums of a name's samples by one label."""
        found: Counter[str] = Counter()
        for own, value in self.samples(name, **labels):
            found[own.get(label, "")] += int(value)
        return +found


def scrape(port: int) -> Scrape:
    """Reads /metrics, within the time that Prometheus gives it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return Scrape(answer.read().decode())


def status(port: int, path: str) -> int | None:
    """Returns the HTTP status of a page; None where nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except urllib.error.URLError:
        return None


def wait_until_ready(port: int) -> None:
    wait_until(lambda: status(port, "/readyz") == 200, within=90, what="a ready worker")
