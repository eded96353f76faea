"""Whole jobs with a vision-language model: good rows are right, bad ones have their errors, and all are there."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from helpers.job_outcomes import assert_unharmed, assert_whole
from helpers.pictures import encoded, jpeg, product
from helpers.processes import askpix, wait_until
from helpers.system import HeldServer, RedisServer, Starter, finished, kept_alive
from helpers.system_fixtures import broker, client, folder, pages, root, start_worker
from helpers.vlm import TinyVlms

from askpix.producer.client import Client
from askpix.producer.errors import InputError
from askpix.producer.followed import Job
from askpix.producer.items import Item, Options
from askpix.producer.questions import Question
from askpix.producer.rows import Kind, Row, Status
from askpix.worker.engine.base import Request
from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.images.decode import decode
from askpix.worker.vlm.engine import VlmEngine

__all__ = ["broker", "client", "folder", "pages", "root", "start_worker"]

pytestmark = pytest.mark.timeout(300)

MODEL = "tiny-llava"
F32 = ("--precision", "f32")
SHORT = {"ASKPIX_LEASE_SECONDS": "3", "ASKPIX_KEEP_SECONDS": "0.5"}
LONG = Options(max_new_tokens=120)


@pytest.fixture(scope="module")
def model(tiny: TinyVlms) -> Path:
    return tiny.folder("llava")


def _numbered(number: int) -> bytes:
    """Returns a picture that is like no other."""
    return encoded(product().rotate(7 * number, expand=True), quality=92)


def _pixels(data: bytes) -> Pixels:
    return decode(data, ImageForm(width=None, height=None)).pixels


def _alone(engine: VlmEngine, data: bytes, question: str, options: Options) -> str:
    request = Request(images=(engine.open_image(_pixels(data)),), question=Question(question), options=options)
    return engine.submit(request).result(60).text


def test_200_items_good_and_bad(
    client: Client, pages: HeldServer, start_worker: Starter, folder: Path, model: Path, engine: VlmEngine
) -> None:
    # Given: every fifth item has a fault of its own.
    worker = start_worker("--model", model, *F32)
    pictures = {pages.put(f"/vlm-{number}", _numbered(number)): _numbered(number) for number in range(12)}
    urls = list(pictures)
    broken = pages.put("/vlm-broken", jpeg()[:300])
    short, long = "what is it? {note}", "describe {note} in some sentences, please, with its colours and all."
    faults = {
        "http_404": (pages.url("/vlm-nowhere"), short, "a"),
        "image_damaged": (broken, short, "a"),
        "too_long": (urls[0], short, "✓" * 2_000),
        "missing_value": (urls[0], short, " "),
    }
    items, expected = [], []
    for number in range(200):
        if number % 5 == 4:
            code = list(faults)[number // 5 % 4]
            image, text, note = faults[code]
            expected.append((code, image, text, note))
        else:
            image = urls[number % 12]
            note = f"<image> number {number}" if number % 7 == 0 else f"number {number}"
            text = long if number % 3 == 0 else short
            expected.append((None, image, text, note))
        items.append(Item(image=image, extra={"note": note}, questions=(Question(text, name="said"),)))

    # When
    job = client.submit(items, output=str(folder), model=MODEL, options=LONG, part_size=50)
    finished(job, within=120)

    # Then
    rows = list(job.results())
    assert [row.error_code for row in rows] == [code for code, *_ in expected]
    assert len({row.id for row in rows}) == 200
    for row, (code, image, text, note) in list(zip(rows, expected, strict=True))[::9]:
        if code is None:
            asked = text.replace("{note}", note)
            assert row.answers[0].text == _alone(engine, pictures[image], asked, LONG)
            assert (row.answers[0].name, row.answers[0].question) == ("said", asked)
    ok = [row for row in rows if row.status is Status.OK]
    assert all(row.answers[0].prompt_tokens and row.answers[0].tokens for row in ok)
    assert {row.answers[0].finish_reason for row in ok} <= {"stop", "length"}
    # And the worker serves on.
    assert_unharmed(worker)
    assert client.ask(urls[0], ["what is it?"], model=MODEL).get(30).status is Status.OK
    worker.close()


def test_ids_that_come_twice_are_refused_before_anything_is_queued(client: Client, folder: Path) -> None:
    twice = [Item(image="a.jpg", id="1"), Item(image="b.jpg", id="1")]
    with pytest.raises(InputError, match="1"):
        client.submit(twice, output=str(folder), model=MODEL)
    assert client.jobs() == []


def test_questions_that_follow_others_schemas_and_choices(
    client: Client, pages: HeldServer, start_worker: Starter, folder: Path, model: Path, engine: VlmEngine
) -> None:
    # Given
    worker = start_worker("--model", model, *F32)
    url = pages.put("/vlm-one", jpeg())
    schema = {"type": "object", "properties": {"kind": {"enum": ["mug", "plate"]}}, "required": ["kind"]}
    questions = [
        Question("what is it?", name="what"),
        Question("and why?", name="why", after="what"),
        Question("which colour?", name="colour", after="why", choices=["red", "blue", "green"]),
        Question("sum it up", name="sum", json_schema=schema),
    ]

    # When
    options = Options(system="Be brief.", max_new_tokens=60)
    job = client.submit([url], output=str(folder), model=MODEL, questions=questions, options=options)
    row = next(iter(finished(job).results()))

    # Then
    assert row.status is Status.OK, row.error_message
    assert [answer.kind for answer in row.answers] == [Kind.OPEN, Kind.OPEN, Kind.CHOICE, Kind.JSON]
    what, why, colour, summed = row.answers
    assert what.text == _alone(engine, jpeg(), "what is it?", options)
    assert why.text != _alone(engine, jpeg(), "and why?", options)
    assert what.prompt_tokens is not None
    assert why.prompt_tokens is not None
    assert colour.prompt_tokens is not None
    assert what.prompt_tokens < why.prompt_tokens < colour.prompt_tokens
    assert json.loads(summed.text)["kind"] in ("mug", "plate")
    # And what comes after one that failed, fails with it.
    bad = [Question("x" * 10, name="a", json_schema={"type": "nonsense"}), Question("why?", name="b", after="a")]
    failed = client.submit([url], output=f"{folder}-failed", model=MODEL, questions=[*bad, Question("what?")])
    row = next(iter(finished(failed).results()))
    assert (row.error_code, [answer.name for answer in row.answers]) == ("schema_refused", ["what?"])
    worker.close()


def test_the_same_by_the_command_line(model: Path, images: Path, tmp_path: Path) -> None:
    # Given
    (tmp_path / "list.csv").write_text(f"image,title\n{min(images.glob('*.jpg'))},A mug\n")
    (tmp_path / "tags.yaml").write_text(
        "- {text: 'It is sold as {title}. What is it?', name: what}\n"
        "- {text: 'which colour?', name: colour, after: what, choices: [red, blue]}\n"
    )

    # When
    ran = askpix(
        "run", "list.csv", "--questions", "tags.yaml", "--model", str(model), "--files-root", str(images),
        "--system", "Be brief.", "--stop", "x", "--max-new-tokens", "9", "--output", "job", cwd=tmp_path,
    )  # fmt: skip

    # Then
    assert ran.code == 0, ran.err
    row = next(iter(Job.open(str(tmp_path / "job")).results()))
    assert [answer.name for answer in row.answers] == ["what", "colour"]
    assert row.answers[0].question == "It is sold as A mug. What is it?"
    # And a column that is not there is told before anything is written.
    refused = askpix("run", "list.csv", "--question", "{colour}?", "--model", str(model), "--output", "x", cwd=tmp_path)
    assert refused.code == 2
    assert "names the column 'colour', and there is none: there are image, id, group, title" in refused.err
    assert not (tmp_path / "x").exists()


def _begun(client: Client, pages: HeldServer, folder: Path, *, held: int) -> tuple[Job, list[str], list[str]]:
    """Submits a job of one part, the last images of which wait for their server."""
    names = [f"/{folder.name}-{number}" for number in range(8)]
    urls = pages.put_many(names, jpeg())
    pages.hold(*names[8 - held :])
    question = Question("what is it?")
    job = client.submit(urls, output=str(folder), model=MODEL, questions=[question], options=LONG, part_size=8)
    return job, urls, names


def test_rows_that_a_killed_worker_has_kept_are_not_done_again(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path, model: Path
) -> None:
    # Given: a worker that has kept half of a part.
    doomed = start_worker("--model", model, env=SHORT)
    job, urls, names = _begun(client, pages, folder, held=4)
    wait_until(lambda: len(job.folder.read_partial(0)) == 4, within=30, what="rows that are kept")

    # When
    doomed.kill()
    pages.came.clear()
    other = start_worker("--model", model, env=SHORT)
    wait_until(lambda: set(names[4:]) <= set(pages.came), within=40, what="the part with another worker")
    pages.let_go()

    # Then
    finished(job)
    assert_whole(job, broker, urls)
    assert sorted(pages.came) == sorted(names[4:])
    other.close()


def test_a_worker_that_is_told_to_end_gives_its_part_back(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path, model: Path
) -> None:
    leaving = start_worker("--model", model, env=SHORT)
    job, urls, _ = _begun(client, pages, folder, held=4)
    wait_until(lambda: job.progress().done == 4, within=30, what="half of the part")

    leaving.process.send_signal(signal.SIGTERM)
    assert leaving.process.wait(15) == 0
    assert len(job.folder.read_partial(0)) == 4
    pages.let_go()
    other = start_worker("--model", model, env=SHORT)

    assert_whole(finished(job), broker, urls)
    other.close()


def test_workers_killed_again_and_again_lose_and_double_nothing(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path, model: Path
) -> None:
    urls = [pages.put(f"/{folder.name}-{number}", _numbered(number)) for number in range(160)]
    worker = start_worker("--model", model, *F32, env=SHORT)
    question = Question("what is it?")
    job = client.submit(urls, output=str(folder), model=MODEL, questions=[question], options=LONG, part_size=8)

    for _ in range(3):
        before = job.progress().done
        wait_until(lambda before=before: job.progress().done > before, within=60, what="further rows")
        worker.kill()
        worker = start_worker("--model", model, *F32, env=SHORT)

    finished(job, within=200)
    assert_whole(job, broker, urls)
    worker.close()


@pytest.mark.parametrize(("poison", "code"), [("#crash", -11), ("#hang", 4)])
def test_an_item_that_the_pipeline_dies_of_is_set_aside(
    poison: str,
    code: int,
    client: Client,
    pages: HeldServer,
    broker: RedisServer,
    start_worker: Starter,
    folder: Path,
    model: Path,
    tmp_path: Path,
) -> None:
    """Where there is memory for one model alone, too."""
    # Given
    poisoned = {
        **SHORT,
        "PYTHONPATH": str(Path(__file__).parent / "poisoned"),
        "ASKPIX_ITEM_SECONDS": "4",
        "ASKPIX_TESTS_ONE_PIPELINE": str(tmp_path / "lock"),
    }
    urls = [pages.put(f"/{folder.name}-{number}", _numbered(number)) for number in range(8)]
    items = [
        Item(image=url, questions=(Question(f"what {poison} is it?" if number == 3 else "what is it?"),))
        for number, url in enumerate(urls)
    ]
    job = client.submit(items, output=str(folder), model=MODEL, part_size=8)

    # When
    worker, codes = kept_alive(lambda: start_worker("--model", model, env=poisoned), job)

    # Then: that took two workers, and no more.
    assert codes == [code] * 2
    assert_whole(job, broker, urls, failed={urls[3]: "worker_died"})
    # And the worker serves on.
    assert client.ask(urls[0], ["what is it?"], model=MODEL).get(30).status is Status.OK
    worker.close()


def test_an_ask_is_answered_while_a_job_of_long_texts_is_in_work(
    client: Client, pages: HeldServer, start_worker: Starter, folder: Path, model: Path
) -> None:
    worker = start_worker("--model", model)
    urls = [pages.put(f"/{folder.name}-{number}", jpeg()) for number in range(400)]
    endless = Options(max_new_tokens=900, min_new_tokens=900)
    job = client.submit(urls, output=str(folder), model=MODEL, options=endless)

    def under_way() -> bool:
        info = worker.info(client)
        return info is not None and any(one.name == MODEL and one.counters["steps"] for one in info.models)

    wait_until(under_way, within=30, what="texts under way")

    row: Row = client.ask(urls[0], ["what is it?"], model=MODEL, options=Options(max_new_tokens=5)).get(30)

    assert row.status is Status.OK
    assert job.progress().done < 400
    job.cancel()
    worker.close()
