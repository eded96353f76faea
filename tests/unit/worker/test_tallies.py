"""What a worker counts of its own work is counted once, by whichever thread."""

from __future__ import annotations

import threading

import pytest

from askpix.worker.instruments import Counter, Gauge, Histogram, LabelledHistogram
from askpix.worker.metrics.families import Families, text
from askpix.worker.tallies import Tallies


def together(what: object, times: int = 8) -> None:
    """Calls a function from several threads."""
    assert callable(what)
    threads = [threading.Thread(target=what) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_value_is_in_the_class_whose_upper_end_it_does_not_pass() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 2.5, 100.0):
        histogram.add(value)
    spread = histogram.read()
    assert spread.counts == (2, 2, 2)
    assert spread.total == 107.5


def test_what_fails_has_taken_its_time_too() -> None:
    histogram = Histogram((60.0,))
    with pytest.raises(KeyError), histogram.timing():
        raise KeyError
    assert histogram.read().counts == (1, 0)


def test_many_threads_lose_nothing() -> None:
    counts, histograms, gauge = Counter(), LabelledHistogram((1.0,)), Gauge()

    def work() -> None:
        for _ in range(2_000):
            counts.add("a", "b")
            histograms.of("a").add(0.5)
            with gauge.one_more():
                assert gauge.read() > 0

    together(work)

    assert counts.read() == {("a", "b"): 16_000}
    assert histograms.read()["a",].counts == (16_000, 0)
    assert gauge.read() == 0


def test_reasons_of_refusals_do_not_grow() -> None:
    tallies = Tallies()
    for number in range(100):
        tallies.refuse(f"reason {number}")
    tallies.refuse("malformed")
    assert tallies.refused.read() == {("other",): 100, ("malformed",): 1}


def test_prometheus_reads_classes_as_those_below_as_well() -> None:
    histogram = Histogram((0.5, 1.0))
    for value in (0.1, 0.7, 3.0):
        histogram.add(value)
    families = Families()

    families.histogram("askpix_x_seconds", "X.", ["stage"], {("a",): histogram.read()})
    families.counter("askpix_y", "Y.", [], {})

    assert text(families).decode().splitlines() == [
        "# HELP askpix_x_seconds X.",
        "# TYPE askpix_x_seconds histogram",
        'askpix_x_seconds_bucket{le="0.5",stage="a"} 1.0',
        'askpix_x_seconds_bucket{le="1.0",stage="a"} 2.0',
        'askpix_x_seconds_bucket{le="+Inf",stage="a"} 3.0',
        'askpix_x_seconds_count{stage="a"} 3.0',
        f'askpix_x_seconds_sum{{stage="a"}} {3.8}',
        "# HELP askpix_y_total Y.",
        "# TYPE askpix_y_total counter",
    ]
