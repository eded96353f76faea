"""Answers that are read while they come: readers and workers that are killed, slow readers, brokers that go."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from helpers.job_outcomes import assert_unharmed
from helpers.metrics import scrape, wait_until_ready
from helpers.ports import free_port
from helpers.processes import environment, wait_until
from helpers.proxy import Proxy, Way
from helpers.system import RedisServer, Starter, WorkerProcess
from helpers.vlm import SLOW, TinyVlms

from askpix.producer import Ask, AskpixError, Client, Options
from askpix.producer.errors import BrokerError

pytestmark = pytest.mark.timeout(300)

MODEL = "tiny-llava"
ENDLESS = Options(max_new_tokens=900, min_new_tokens=900)
LONG = Options(max_new_tokens=120, min_new_tokens=120)

READER = """
import sys
from askpix.producer import Client, Options

client = Client(sys.argv[1])
options = Options(max_new_tokens=900, min_new_tokens=900)
for piece in client.ask(sys.argv[2], "what is it?", model="tiny-llava", options=options, stream=True).pieces(60):
    print("a piece", flush=True)
"""


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def tiny() -> TinyVlms:
    return TinyVlms()


def _serving(start_worker: Starter, tiny: TinyVlms, port: int, **env: str) -> WorkerProcess:
    """Starts a worker with a LLaVA that takes seconds for a long answer."""
    options = ("--model", tiny.folder("llava", sizes=SLOW), "--precision", "f32", "--health-port", str(port))
    worker = start_worker(*options, env=env or None)
    wait_until_ready(port)
    return worker


@pytest.fixture(scope="module")
def worker(start_worker: Starter, tiny: TinyVlms, port: int) -> WorkerProcess:
    return _serving(start_worker, tiny, port)


@pytest.fixture
def picture(images: object) -> str:
    return f"{images}/001-mug.jpg"


def _rows(port: int) -> float:
    """Returns how many texts the worker generates now."""
    return scrape(port).sum("askpix_decoder_rows")


def _begun(client: Client, picture: str, question: str, options: Options) -> tuple[Ask, Iterator[str], str]:
    """Returns an ask whose answer has begun to come, the pieces to follow, and the first."""
    asked = client.ask(picture, question, model=MODEL, options=options, stream=True)
    pieces = asked.pieces(60)
    return asked, pieces, next(pieces)


def _expire(broker: RedisServer, key: str) -> None:
    """Has a key's time run out, also where its owner's last words are still on their way to the broker."""
    wait_until(lambda: not broker.client.pexpire(key, 1), within=5, what=f"{key} gone")


def _whole(client: Client, picture: str, question: str, options: Options) -> str:
    return client.ask(picture, question, model=MODEL, options=options).get(60).answers[0].text


def test_a_reader_that_is_killed_frees_its_row_and_disturbs_no_other(
    client: Client, broker: RedisServer, picture: str, worker: WorkerProcess, port: int
) -> None:
    # Given: a reader in a process of its own.
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, broker.url, picture], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "a piece\n"
    assert _rows(port) == 1

    # When: it is killed, and its time runs out, for which the text may be too short.
    reader.kill()
    reader.wait(10)
    reader.stdout.close()
    (sign,) = broker.client.keys("askpix:heard:*")
    assert 0 < broker.client.ttl(sign) <= 15
    _, pieces, first = _begun(client, picture, "what is beside it?", LONG)
    _expire(broker, sign)
    text = first + "".join(pieces)

    # Then
    wait_until(lambda: scrape(port).sum("askpix_items_total", code="cancelled") == 1, within=5, what="its row's end")
    assert not _rows(port)
    assert text == _whole(client, picture, "what is beside it?", LONG)


def test_a_worker_that_is_killed_in_the_middle_is_told_to_the_reader(
    client: Client, broker: RedisServer, picture: str, start_worker: Starter, tiny: TinyVlms, worker: WorkerProcess
) -> None:
    # Given: one worker alone.
    worker.close()
    doomed = _serving(start_worker, tiny, free_port())
    asked, pieces, _ = _begun(client, picture, "what is it?", ENDLESS)

    # When: it is killed, and what it has said last of itself runs out.
    doomed.kill()
    sign = f"askpix:told:{asked.id}"
    assert 0 < broker.client.ttl(sign) <= 60
    _expire(broker, sign)

    # Then
    with pytest.raises(AskpixError, match="the worker has ended before it answered"):
        list(pieces)


@pytest.fixture(scope="module")
def second(worker: WorkerProcess, start_worker: Starter, tiny: TinyVlms, port: int) -> WorkerProcess:
    """A worker that is there once more."""
    worker.close()
    return _serving(start_worker, tiny, port)


def _is_over(broker: RedisServer, key: str) -> bool:
    """Returns whether the worker has said all that it will say in a stream: until then it lengthens its life."""
    return any("over" in fields for _, fields in broker.client.xrevrange(key, count=1))


def test_a_reader_that_pauses_keeps_nobody_waiting_and_has_it_all_in_the_end(
    client: Client, broker: RedisServer, picture: str, second: WorkerProcess
) -> None:
    # Given: one who reads a piece, and no more until the worker has been done for longer than it keeps a stream.
    asked, pieces, first = _begun(client, picture, "what is it?", LONG)
    key = f"askpix:told:{asked.id}"
    wait_until(lambda: _is_over(broker, key), within=60, what="the end of the stream")

    # When: its time runs out.
    _expire(broker, key)

    # Then
    assert first + "".join(pieces) == asked.get(5).answers[0].text == _whole(client, picture, "what is it?", LONG)


def _read_on(asked: Ask, *, within: float) -> str:
    """Returns the rest of an answer, whatever the broker does meanwhile."""
    ends, text = time.monotonic() + within, ""
    while True:
        try:
            for piece in asked.pieces(20):
                text += piece
            return text
        except (BrokerError, TimeoutError):
            assert time.monotonic() < ends


@pytest.mark.parametrize("trouble", ["emptied", "killed", "frozen"])
def test_a_broker_that_goes_in_the_middle_and_comes_back(
    trouble: str, client: Client, broker: RedisServer, picture: str, second: WorkerProcess, port: int
) -> None:
    """The worker goes on, and the reader has the rest: from the stream, or from the row."""
    whole = _whole(client, picture, "what is it?", LONG)
    asked, pieces, first = _begun(client, picture, "what is it?", LONG)

    match trouble:
        case "emptied":
            broker.client.flushall()
        case "killed":
            broker.kill()
            broker.start()
        case "frozen":
            broker.freeze()
            wait_until(lambda: not _rows(port), within=60, what="the end of the text")
            broker.thaw()
    del pieces
    text = first + _read_on(asked, within=60)

    assert text == whole
    assert_unharmed(second)
    assert "Traceback" not in second.log


def test_a_broker_that_stays_away_is_told_to_the_reader_while_the_worker_goes_on(
    client: Client, broker: RedisServer, picture: str, second: WorkerProcess, port: int
) -> None:
    # Given: a reader whose way to the broker can be cut.
    proxy = Proxy(broker.port)
    with Client(f"redis://127.0.0.1:{proxy.port}/0") as cut_off:
        asked, pieces, _ = _begun(cut_off, picture, "what is it?", ENDLESS)
        proxy.turn(Way.REFUSED)

        # Then: he is told.
        with pytest.raises(BrokerError, match="the broker does not answer"):
            list(pieces)
        with pytest.raises(BrokerError):
            asked.cancel()
    proxy.close()
    broker.client.delete(f"askpix:heard:{asked.id}")
    wait_until(lambda: not _rows(port), within=5, what="a free row")
    assert "Traceback" not in second.log


def test_a_worker_that_is_cut_off_goes_on_and_tells_the_rest_later(
    client: Client, broker: RedisServer, picture: str, second: WorkerProcess, start_worker: Starter, tiny: TinyVlms
) -> None:
    # Given: a worker whose way to the broker can be cut.
    second.close()
    proxy = Proxy(broker.port)
    own = free_port()
    behind = _serving(start_worker, tiny, own, ASKPIX_BROKER_URL=f"redis://127.0.0.1:{proxy.port}/0")
    asked, pieces, first = _begun(client, picture, "what is it?", LONG)

    # When
    proxy.turn(Way.REFUSED)
    wait_until(lambda: not _rows(own), within=60, what="the end of the text")
    proxy.turn(Way.OPEN)

    # Then
    text = first + "".join(pieces)
    assert text == asked.get(5).answers[0].text == _whole(client, picture, "what is it?", LONG)
    behind.close()
    proxy.close()
