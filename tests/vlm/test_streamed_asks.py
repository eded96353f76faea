"""Asks whose answers are read while they are generated, from a worker process and through a real broker."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers.metrics import scrape, wait_until_ready
from helpers.pictures import jpeg
from helpers.ports import free_port
from helpers.processes import Launcher, Running, askpix, wait_until
from helpers.system import HeldServer, RedisServer, Starter, WorkerProcess
from helpers.system_fixtures import broker, client, pages, root, start_worker
from helpers.vlm import SLOW, TinyVlms

from askpix.producer import Ask, Client, Options, Question, Row, Status, Turn
from askpix.worker.engine.base import Ability
from askpix.worker.playground.elsewhere import Elsewhere
from askpix.worker.playground.form import asked_of
from askpix.worker.playground.models import Chosen
from askpix.worker.playground.stop import Stop

__all__ = ["broker", "client", "pages", "root", "start_worker"]

pytestmark = pytest.mark.timeout(300)

MODEL = "tiny-llava"
ENDLESS = Options(max_new_tokens=900, min_new_tokens=900)
LONG = Options(max_new_tokens=120, min_new_tokens=120)
SHORT = Options(max_new_tokens=40, min_new_tokens=40)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module", autouse=True)
def worker(start_worker: Starter, tiny: TinyVlms, port: int) -> WorkerProcess:
    """Serves a LLaVA that takes seconds for a long answer."""
    worker = start_worker(
        "--model", tiny.folder("llava", sizes=SLOW), "--precision", "f32", "--health-port", str(port),
        "--log-level", "debug",
    )  # fmt: skip
    wait_until_ready(port)
    return worker


@pytest.fixture
def picture(images: Path) -> str:
    return str(images / "001-mug.jpg")


def rows(port: int) -> float:
    """Returns how many texts the worker generates now."""
    return scrape(port).sum("askpix_decoder_rows")


def steps(port: int) -> float:
    """Returns how many steps the model was made to take, of each text."""
    return scrape(port).sum("askpix_engine_batch_size_sum", model=MODEL, stage="pipeline")


def plain(client: Client, picture: str, question: object, **more: object) -> Row:
    return client.ask(picture, question, model=MODEL, **more).get(60)


def test_pieces_come_before_the_end_and_are_the_text(client: Client, broker: RedisServer, picture: str) -> None:
    # Given: random tokens are pieces of characters, and bytes that are none.
    whole = plain(client, picture, "what is it?", options=LONG).answers[0].text
    assert "\ufffd" in whole

    # When
    asked = client.ask(picture, "what is it?", model=MODEL, options=LONG, stream=True)
    pieces = asked.pieces(60)
    first = next(pieces)

    # Then: it is still being generated.
    assert not broker.client.exists(f"askpix:celery-task-meta-{asked.id}")
    rest = list(pieces)
    assert rest
    assert first + "".join(rest) == whole == asked.get(5).answers[0].text


@pytest.mark.parametrize("prompt", ["👩🏽‍🚀 e\u0301 n\u0303", "色は赤い、マグ。한국어", "\u202eabc\u202c \x1b[31m"])
@pytest.mark.parametrize("seed", [1, 2])
def test_awkward_texts_are_whole(prompt: str, seed: int, client: Client, picture: str) -> None:
    """Drawn tokens, so that the vocabulary's bytes come in any order, behind what a caption begins with."""
    drawn = Options(prompt=prompt, max_new_tokens=60, do_sample=True, temperature=3.0, top_k=0, seed=seed)

    asked = client.ask(picture, model=MODEL, options=drawn, stream=True)
    text = "".join(asked.pieces(60))

    assert text == plain(client, picture, (), options=drawn).answers[0].text
    assert prompt in text


@pytest.mark.parametrize("length", [1, 3, 9])
def test_a_stop_is_never_shown_nor_its_beginning(length: int, client: Client, picture: str) -> None:
    whole = plain(client, picture, "what is it?", options=LONG).answers[0].text
    place = next(at for at in range(40, len(whole)) if whole[at : at + length] not in whole[: at + length - 1])
    options = Options(max_new_tokens=120, stop=(whole[place : place + length], whole[place] + "never to be seen"))

    asked = client.ask(picture, "what is it?", model=MODEL, options=options, stream=True)
    read = list(asked.pieces(60))

    row = asked.get(5)
    assert (
        "".join(read) == row.answers[0].text == plain(client, picture, "what is it?", options=options).answers[0].text
    )
    assert row.answers[0].finish_reason == "stop"
    assert all(whole.startswith("".join(read[:number])) for number in range(len(read)))


@pytest.mark.parametrize(
    ("question", "options"),
    [
        (Question("what?", choices=("a red mug", "a plate")), Options()),
        (Question("what?", json_schema={"enum": ["mug", "plate"]}), Options()),
        (Question("what?"), Options(num_beams=2, max_new_tokens=10)),
    ],
)
def test_what_is_not_known_before_its_end_comes_in_one_piece(
    question: Question, options: Options, client: Client, picture: str
) -> None:
    asked = client.ask(picture, question, model=MODEL, options=options, stream=True)
    assert list(asked.pieces(60)) == [asked.get(5).answers[0].text]


def test_a_follow_up_streams_too(client: Client, picture: str) -> None:
    history = [Turn("what is it?", "a red mug")]
    asked = client.ask(picture, "and its colour?", model=MODEL, history=history, options=LONG, stream=True)
    text = "".join(asked.pieces(60))
    assert text == plain(client, picture, "and its colour?", history=history, options=LONG).answers[0].text


def test_sixteen_at_once_are_each_whole(client: Client, images: Path) -> None:
    pictures = sorted(map(str, images.glob("*.jpg")))[:16]
    alone = [plain(client, one, "what is it?", options=SHORT).answers[0].text for one in pictures]

    asks = [client.ask(one, "what is it?", model=MODEL, options=SHORT, stream=True) for one in pictures]
    with ThreadPoolExecutor(16) as pool:
        read = list(pool.map(lambda ask: "".join(ask.pieces(60)), asks))

    assert read == alone
    assert len(set(alone)) > 8


def begun(asked: Ask) -> str:
    """Returns the first piece of an answer."""
    return next(asked.pieces(60))


def test_cancelling_in_the_middle_frees_the_row_and_others_go_on(
    client: Client, picture: str, port: int, worker: WorkerProcess
) -> None:
    # Given
    cancelled, endless, other = (
        client.ask(picture, f"what is {n}?", model=MODEL, options=options, stream=True)
        for n, options in enumerate((ENDLESS, ENDLESS, LONG))
    )
    for asked in (cancelled, endless):
        begun(asked)
    before = rows(port)
    assert before >= 2

    # When
    cancelled.cancel()
    wait_until(lambda: rows(port) < before, within=5, what="a free row")

    # Then: its row says so, and the others have lost nothing.
    row = cancelled.get(10)
    assert (row.status, row.error_code, row.retryable, row.answers) == (Status.ERROR, "cancelled", True, ())
    assert list(cancelled.pieces(5)) == []
    assert begun(endless)
    assert "".join(other.pieces(60)) == plain(client, picture, "what is 2?", options=LONG).answers[0].text
    endless.cancel()
    wait_until(lambda: not rows(port), within=5, what="free rows")
    assert "nobody reads" in worker.log


def test_cancelling_while_the_image_is_fetched_asks_nothing_of_the_engine(
    client: Client, pages: HeldServer, port: int
) -> None:
    # Given
    url = pages.put("/held-for-a-stream", jpeg())
    pages.hold("/held-for-a-stream")
    before = steps(port)
    asked = client.ask(url, "what is it?", model=MODEL, options=ENDLESS, stream=True)
    wait_until(lambda: "/held-for-a-stream" in pages.came, within=10, what="an image that is fetched")

    # When
    asked.cancel()
    pages.let_go()

    # Then
    assert asked.get(10).error_code == "cancelled"
    assert steps(port) == before


def test_what_nobody_reads_is_not_begun_and_not_written(
    client: Client, broker: RedisServer, root: Path, picture: str, worker: WorkerProcess, port: int
) -> None:
    # Given: a worker that takes nothing for the moment.
    before = steps(port)
    output = root / "streamed" / "never.json"
    worker.process.send_signal(signal.SIGSTOP)
    try:
        asks = [
            client.ask(picture, "what is it?", model=MODEL, options=LONG, stream=True, output=str(output))
            for _ in range(2)
        ]

        # When: one reader gives up, the other one has vanished.
        asks[0].cancel()
        broker.client.delete(f"askpix:heard:{asks[1].id}")
    finally:
        worker.process.send_signal(signal.SIGCONT)

    # Then
    assert asks[0].get(20).error_code == "cancelled"
    wait_until(lambda: bool(broker.client.exists(f"askpix:celery-task-meta-{asks[1].id}")), within=20, what="a result")
    assert json.loads(broker.client.get(f"askpix:celery-task-meta-{asks[1].id}"))["result"]["error_code"] == "cancelled"
    assert steps(port) == before
    assert not output.exists()


def test_the_row_is_also_written_where_the_ask_says(client: Client, root: Path, picture: str) -> None:
    output = root / "streamed" / "answer.json"
    asked = client.ask(picture, "what is it?", model=MODEL, options=LONG, stream=True, output=str(output))
    text = "".join(asked.pieces(60))
    assert json.loads(output.read_bytes())["answers"][0]["text"] == text


def test_who_does_not_stream_costs_no_round_trip(client: Client, broker: RedisServer, picture: str) -> None:
    before = broker.client.info("commandstats")
    plain(client, picture, "what is it?", options=LONG)
    after = broker.client.info("commandstats")
    for command in ("xadd", "xread", "expire"):
        name = f"cmdstat_{command}"
        assert after.get(name, {}).get("calls") == before.get(name, {}).get("calls")


def test_the_command_shows_what_the_plain_one_does(
    client: Client, broker: RedisServer, picture: str, tmp_path: Path
) -> None:
    env, words = broker.environment, (picture, "what is it?", "--model", MODEL, "--max-new-tokens", "60")

    plain, streamed, listed, missing, scored = (
        askpix("ask", *more, cwd=tmp_path, env=env)
        for more in (
            words, (*words, "--stream"), (*words, "--stream", "--json"),
            ("/nowhere.jpg".replace("/", "https://no-such-host.invalid/"), "what?", "--model", MODEL, "--stream"),
            (picture, "what?", "--model", MODEL, "--choice", "mug", "--choice", "plate", "--stream"),
        )
    )  # fmt: skip

    assert (streamed.code, streamed.out, streamed.err) == (0, plain.out, "")
    lines = [json.loads(line) for line in listed.out.splitlines()]
    assert "".join(line["piece"] for line in lines[:-1]) == lines[-1]["answers"][0]["text"]
    assert (missing.code, missing.out) == (1, "")
    assert missing.err.startswith("askpix: host_not_found: ")
    assert (scored.code, scored.out.count("\n")) == (0, 1)


@pytest.fixture
def endless(broker: RedisServer, picture: str, tmp_path: Path, launch: Launcher) -> Running:
    """A command that prints an answer as it comes, and has begun to."""
    words = (picture, "what is it?", "--model", MODEL, "--max-new-tokens", "900", "--min-new-tokens", "900")
    running = launch("ask", *words, "--stream", "--broker", broker.url, cwd=tmp_path)
    assert running.process.stdout is not None
    assert running.process.stdout.read(1)
    return running


def test_ctrl_c_gives_the_answer_up(endless: Running, port: int) -> None:
    endless.signal_group(signal.SIGINT)
    ran = endless.end()

    wait_until(lambda: not rows(port), within=5, what="a free row")
    assert ran.code == -signal.SIGINT
    assert ran.out.endswith("\n")
    assert "The answer is given up: its worker stops." in ran.err
    assert "Traceback" not in ran.err


def test_a_broken_pipe_gives_the_answer_up(endless: Running, port: int) -> None:
    assert endless.process.stdout is not None
    assert endless.process.stderr is not None
    endless.process.stdout.close()
    assert endless.process.wait(30) == 2

    wait_until(lambda: not rows(port), within=5, what="a free row")
    assert endless.process.stderr.read() == ""


def test_the_playground_streams_and_stops_through_the_queue(broker: RedisServer, picture: str, port: int) -> None:
    source = Elsewhere(Client(broker.url))
    chosen, image = Chosen(model=MODEL, precision="auto"), Path(picture).read_bytes()
    asked = asked_of("what is it?", "", {"max_new_tokens": 900, "min_new_tokens": 900}, frozenset({Ability.ANSWER}))

    # When: more are stopped than workers may have at a time.
    for _ in range(6):
        stop = Stop()
        telling = source.tell(chosen, [image], asked, (), stop)
        told = next(one for one in telling if one.text)
        assert told.facts == "answering"
        stop.set()
        last = list(telling)[-1]
        assert (last.facts, last.said) == ("stopped", last.text)
        assert last.text.startswith(told.text)

    # Then: nothing is left of them, and one that is not stopped comes whole.
    wait_until(lambda: not rows(port), within=5, what="free rows")
    brief = asked_of("what is it?", "", {"max_new_tokens": 30}, frozenset({Ability.ANSWER}))
    *_, last = source.tell(chosen, [image], brief, (), Stop())
    assert "confidence" in last.facts
    source.close()
