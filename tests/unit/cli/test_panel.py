"""What is shown of a job that goes on, at every width that a terminal is likely to have."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from askpix.cli.durations import duration, rate
from askpix.cli.following import Following, Seen
from askpix.cli.panel import line, panel
from askpix.producer.followed import JobProgress
from askpix.producer.live import Glimpse
from askpix.producer.serving import Lack, Serving, Unserved

UNSERVED = Unserved(
    reason=Lack.OTHER_MODELS,
    model="shop-catalogue-2026-large",
    device=None,
    models=tuple(f"a-model-of-many-with-a-long-name-{number}" for number in range(9)),
    meant="a-model-of-many-with-a-long-name-2",
)


def progress(done: int, **values: Any) -> JobProgress:
    told: dict[str, Any] = {
        "state": "running",
        "items": 100_000,
        "done": done,
        "ok": done,
        "failed": 0,
        "parts": 391,
        "parts_done": done // 256,
        "round": 0,
        "finished": False,
        "counted": True,
    }
    return JobProgress(**{**told, **values})


def followed(seconds: int, **values: Any) -> Seen:
    """A job of two workers, of 8 and 4 items a second, that is followed from 1,000 items on."""
    following = Following()
    serving = Serving(devices={"askpix-1@one": "CPU", "askpix-2@two": "GPU.1"})
    for now in range(seconds + 1):
        workers = {"askpix-1@one": 600 + 8 * now, "askpix-2@two": 400 + 4 * now, "askpix-9@gone": 77}
        seen = following.see(
            progress(1_000 + 12 * now, **{"workers": workers, "serving": serving, **values}), float(now)
        )
    return seen


def texts(seen: Seen, width: int = 80) -> list[str]:
    return [text.plain.rstrip() for text in panel(seen, width)]


def test_a_panel_tells_counts_pace_and_workers() -> None:
    shown = texts(followed(100))

    assert shown[0].startswith("answering")
    assert shown[0].endswith(" 2 %")
    assert shown[1:] == [
        "items     2,200 of 100,000",
        "pace      12.0/s, 2 h 16 min left",
        "workers   askpix-1@one      CPU       8.0/s     1,400",
        "          askpix-2@two      GPU.1     4.0/s       800",
    ]


def test_a_panel_tells_the_commonest_errors_and_the_newest_answers() -> None:
    codes = {"timeout": 3, "http_404": 20, "not_an_image": 1, "image_damaged": 2, "bad_url": 1}
    latest = (
        Glimpse(id="shop/a-very-long-path-to-an-image/of-a-shop/0001-mug.jpg", text="mug · red", confidence=0.987),
        Glimpse(id="2.jpg", text="the server answered 404 Not Found", code="http_404"),
    )
    shown = texts(followed(10, codes=codes, failed=27, latest=latest))

    assert "items     1,120 of 100,000, 27 failed" in shown
    assert shown[-3] == "errors    20 x http_404, 3 x timeout, 2 x image_damaged, 1 x bad_url, and 1 more"
    assert "0001-mug.jpg  mug · red" in shown[-2]
    assert shown[-2].endswith(" 0.99")
    assert "2.jpg " in shown[-1]
    assert "http_404: the server answered 404" in shown[-1]


@pytest.mark.parametrize("width", [60, 61, 72, 80, 100, 132, 250])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    # Given what takes much room: wide characters, long names, many of everything.
    glimpses = tuple(Glimpse(id="雪" * 90, text="ある猫 \x1b[2J" * 20, confidence=0.5) for _ in range(3))
    workers = {f"askpix-{number}@{'a-host-of-a-long-name' * 3}": 10_000_000 + number for number in range(70)}
    following = Following()
    serving = Serving(devices=dict.fromkeys(workers, "AUTO:GPU.1,CPU"), unserved=UNSERVED)
    codes = {f"http_{number}": 1_000_000 for number in range(400, 430)}
    for now in range(3):
        grown = {name: items + now * 10 for name, items in workers.items()}
        told = {"workers": grown, "latest": glimpses, "serving": serving}
        reading = progress(now, codes=codes, failed=2_000_000, round=12, **told)
        seen = following.see(reading, float(now))

    shown = panel(seen, width)

    assert max(cell_len(text.plain) for text in shown) <= width
    assert all("\x1b" not in text.plain for text in shown)
    assert any("and 66 more: " in text.plain for text in shown)


def test_a_part_that_is_given_back_and_taken_again_does_not_change_the_pace() -> None:
    following, told = Following(), []
    for now in range(200):
        made = 10 * now
        # 200 items are not done for three seconds, and then, kept, all at once.
        reading = progress(made - (200 if 100 <= now < 103 else 0), workers={"one": made})
        told.append(following.see(reading, float(now)).estimate.rate)

    assert told[2:] == [pytest.approx(10.0)] * 198


def test_a_slow_worker_that_is_there_is_shown_with_its_pace() -> None:
    following = Following()
    serving = Serving(devices={"one": "CPU"})
    for now in range(600):
        seen = following.see(progress(now // 90, workers={"one": now // 90}, serving=serving), float(now))

    (worker,) = seen.workers
    assert worker.rate == pytest.approx(1 / 90, rel=0.35)


def test_an_answer_does_not_come_back_as_a_new_one() -> None:
    following = Following()
    for now in range(20):
        stale = (Glimpse(id="old.jpg", text="a"),) if now % 3 == 0 else ()
        seen = following.see(progress(now, latest=(Glimpse(id=f"{now}.jpg", text="a"), *stale)), float(now))

    assert [glimpse.id for glimpse in seen.latest] == [f"{now}.jpg" for now in (19, 18, 17, 16, 15)]


def test_a_paused_job_says_so_and_tells_no_time() -> None:
    shown = texts(followed(10, state="paused"))

    assert shown[0].startswith("paused")
    assert not any(text.startswith("pace") for text in shown)


def test_workers_that_answer_nothing_for_a_minute_are_not_shown() -> None:
    following = Following()
    for now in range(200):
        moved = {"one": now, "two": min(now, 50)}
        seen = following.see(progress(now, workers=moved), float(now))

    assert [worker.name for worker in seen.workers] == ["one"]


def test_the_newest_answers_are_remembered_each_once() -> None:
    following = Following()
    for now in range(10):
        latest = tuple(Glimpse(id=f"{number}.jpg", text="a") for number in (now + 1, now))
        seen = following.see(progress(now, latest=latest), float(now))

    assert [glimpse.id for glimpse in seen.latest] == ["10.jpg", "9.jpg", "8.jpg", "7.jpg", "6.jpg"]


@pytest.mark.parametrize("width", [60, 80, 132])
def test_a_job_that_nobody_serves_says_so_and_who_serves_what(width: int) -> None:
    shown = texts(followed(0, workers={}, serving=Serving(unserved=UNSERVED)), width)

    assert shown[0].startswith("waiting")
    (first,) = [number for number, text in enumerate(shown) if text.startswith("nobody    No worker serves shop-cat")]
    said = " ".join(text[10:] for text in shown[first : first + 3])
    assert "those that run serve a-model-of-many-with-a-long-name-0" in said
    assert max(map(len, shown)) <= width


def test_what_is_said_of_nobody_goes_when_a_worker_comes() -> None:
    waiting = followed(2, workers={}, serving=Serving(unserved=UNSERVED))
    served = followed(2, workers={}, serving=Serving(devices={"one": "CPU"}))

    assert any(text.startswith("nobody") for text in texts(waiting))
    assert not any(text.startswith("nobody") for text in texts(served))
    assert line(waiting).endswith(", no worker serves shop-catalogue-2026-large")
    assert "no worker" not in line(served)


def test_a_line_of_a_log_tells_the_same() -> None:
    assert line(followed(100)) == "2,200 of 100,000 items, 0 failed, 12.0/s, 2 h 16 min left"
    stopped = followed(3, state="paused", failed=2, codes={"timeout": 2})
    assert line(stopped) == "1,036 of 100,000 items, 2 failed, paused, 2 x timeout"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *[(0, "0 s"), (9.4, "9 s"), (99, "99 s"), (100, "2 min"), (3_540, "59 min"), (3_600, "1 h")],
        *[(4_800, "1 h 20 min"), (172_000, "47 h 47 min"), (183_600, "2 d 3 h"), (864_000, "10 d")],
    ],
)
def test_times_are_told_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0.0523, "0.052/s"), (6.21, "6.2/s"), (99.9, "99.9/s"), (1_240, "1,240/s")]
)
def test_rates_are_told_with_the_figures_that_count(value: float, words: str) -> None:
    assert rate(value) == words
