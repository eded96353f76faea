"""Workers that are told to end while busy: in time they give back what they have, and nothing is done again."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from helpers.job_outcomes import assert_whole
from helpers.pictures import jpeg
from helpers.processes import wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, finished

from askpix.producer.client import Client

QUICK_SECONDS = 8.0
"""In which a worker ends that does not wait for its device."""

HEARD = ("the worker ends", "once more", "once more")
"""What its log says of a first signal, and of later ones."""


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param([signal.SIGTERM], id="SIGTERM"),
        pytest.param([signal.SIGTERM, signal.SIGTERM], id="SIGTERM-twice"),
        pytest.param([signal.SIGQUIT], id="SIGQUIT"),
        pytest.param([signal.SIGINT], id="Ctrl-C"),
        pytest.param([signal.SIGINT, signal.SIGINT, signal.SIGINT], id="Ctrl-C-thrice"),
        pytest.param([signal.SIGTERM, signal.SIGQUIT], id="SIGTERM-SIGQUIT"),
    ],
)
def test_it_gives_back_what_it_has(
    signals: Sequence[signal.Signals],
    client: Client,
    pages: HeldServer,
    broker: RedisServer,
    start_worker: Starter,
    folder: Path,
) -> None:
    # Given: a worker with two parts in work, of which half is done, and further ones that wait.
    leaving = start_worker()
    quick, held = ([f"/{folder.name}-{kind}-{number}" for number in range(8)] for kind in ("quick", "held"))
    names = [name for pair in zip(quick, held, strict=True) for name in pair]
    urls = pages.put_many(names, jpeg())
    pages.hold(*held)
    job = client.submit(urls, output=str(folder), model=MODEL, part_size=4)
    wait_until(lambda: job.progress().done == 4, within=20, what="half of two parts")

    def said(words: str) -> Callable[[], bool]:
        return lambda: words in leaving.log or leaving.process.poll() is not None

    # When: each signal comes once that before it was heard.
    began = time.monotonic()
    for number, heard in zip(signals, HEARD, strict=False):
        leaving.process.send_signal(number)
        wait_until(said(heard), within=10, what=heard)
    code = leaving.process.wait(QUICK_SECONDS)
    seconds = time.monotonic() - began

    # Then: it ended in time and well, and its parts are there for others.
    assert code == 0, leaving.log
    assert seconds < QUICK_SECONDS
    assert "Traceback" not in leaving.log
    assert broker.waiting() == 4
    pages.let_go()
    pages.came.clear()
    other = start_worker()
    assert_whole(finished(job), broker, urls)
    assert set(quick[:4]).isdisjoint(pages.came)
    other.close()


def test_it_finishes_what_the_device_has(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    # Given: a part with more images than the device does in a moment.
    leaving = start_worker("--threads", "1", "--cpus", "0")
    urls = [pages.put(f"/{folder.name}-{number}", jpeg()) for number in range(2_000)]
    job = client.submit(urls, output=str(folder), model=MODEL, part_size=2_000)
    wait_until(lambda: job.progress().done > 0, within=20, what="some rows")

    # When
    leaving.process.send_signal(signal.SIGTERM)
    assert leaving.process.wait(20) == 0, leaving.log

    # Then: what was fetched is done, and kept; no other row was begun in vain.
    came = len(pages.came)
    done = len(job.folder.read_partial(0))
    assert 0 < done < 2_000
    assert came - done <= 64  # one for each load thread
    other = start_worker()
    assert_whole(finished(job), broker, urls)
    other.close()


def test_it_ends_in_time_though_an_image_takes_longer(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    # Given: an ask that waits for an image that does not come, which nothing can end but its own limit.
    leaving = start_worker("--grace", "2")
    url = pages.put(f"/{folder.name}", jpeg())
    pages.hold(f"/{folder.name}")
    client.ask(url, model=MODEL)
    wait_until(lambda: f"/{folder.name}" in pages.came, within=20, what="an ask in work")

    # When
    began = time.monotonic()
    leaving.process.send_signal(signal.SIGTERM)
    code = leaving.process.wait(20)

    # Then
    assert code == 1
    assert time.monotonic() - began < 5
    assert "is not done in time" in leaving.log
    pages.let_go()
