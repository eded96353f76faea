"""When an image is asked for once more: facts in, seconds or None out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from askpix.worker.images.again import TRIES, pause_before_next, seconds_until
from askpix.worker.item_errors import ItemError

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("code", ["connection_failed", "timeout", "http_408", "http_425", "http_429", "http_503"])
def test_what_passes_is_tried_again_later_each_time(code: str) -> None:
    problem = ItemError(code, "no", retryable=True)
    pauses = [pause_before_next(problem, tries, 0.1, 120) for tries in range(1, TRIES)]
    for pause, (least, most) in zip(pauses, [(0.5, 1.5), (1, 3), (2, 6)], strict=True):
        assert pause is not None
        assert least <= pause <= most
    assert pause_before_next(problem, TRIES, 0.1, 120) is None


@pytest.mark.parametrize(
    "code",
    ["http_404", "http_403", "http_501", "not_an_image", "host_not_found", "connection_refused", "not_allowed"],
)
def test_what_does_not_is_asked_for_once(code: str) -> None:
    assert pause_before_next(ItemError(code, "no", retryable=True), 1, 0.1, 120) is None


@pytest.mark.parametrize(
    ("spent", "limit", "again"),
    [
        (1.0, 10.0, True),
        (9.0, 10.0, False),  # nothing would be left of the time
        (30.0, 120.0, True),  # a try that took 30 seconds will again
        (30.0, 60.0, False),
    ],
)
def test_all_tries_are_over_in_the_items_time(spent: float, limit: float, again: bool) -> None:
    pause = pause_before_next(ItemError("timeout", "no", retryable=True), 1, spent, limit)
    assert (pause is not None) is again


@pytest.mark.parametrize(("after", "pause"), [(20.0, 20.0), (119.5, None), (3600.0, None)])
def test_who_asks_to_wait_is_heeded_or_left_alone(after: float, pause: float | None) -> None:
    assert pause_before_next(ItemError("http_429", "no", retryable=True, after=after), 1, 0.5, 120) == pause


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("0", 0.0),
        (" 30 ", 30.0),
        ("-1", None),
        ("1.5", None),
        ("9" * 5_000, 1e8),
        ("٣", None),
        ("Sat, 21 Nov 2026 12:01:00 GMT", 60.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("Sat, 99 Nov 2026 12:01:00 GMT", None),
    ],
)
def test_how_long_a_server_asks_to_wait(value: str | None, seconds: float | None) -> None:
    assert seconds_until(value, NOW) == seconds
