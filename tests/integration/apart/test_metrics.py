"""What a worker tells Prometheus is what it has done."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from helpers.metrics import Scrape, free_port, scrape, wait_until_ready
from helpers.pictures import jpeg
from helpers.system import MODEL, HeldServer, Starter, finished

from askpix.producer.client import Client, Item, Question
from askpix.producer.rows import Status


@pytest.fixture(scope="module")
def port(start_worker: Starter) -> int:
    """The port of a worker that is ready."""
    port = free_port()
    start_worker("--health-port", str(port))
    wait_until_ready(port)
    return port


def gain(before: Scrape, after: Scrape, label: str, name: str, **labels: str) -> Counter[str]:
    return after.by(label, name, **labels) - before.by(label, name, **labels)


def test_its_figures_are_those_of_the_rows(
    client: Client, port: int, folder: Path, images: Path, pages: HeldServer
) -> None:
    # Given: a job whose items fail in several ways, and an ask.
    before = scrape(port)
    good = [str(path) for path in sorted(images.glob("*.jpg"))[:4]]
    text = pages.put("/text.jpg", b"this is no image")
    cut = pages.put("/cut.jpg", jpeg()[:-200])
    bad = [f"{pages.url}/nowhere.jpg", text, cut, "ftp://example.com/x.jpg", "/etc/passwd"]
    asked = [
        Item(image=image, questions=(Question("what color is it?"), Question("red?", match=True))) for image in good
    ]

    # When
    captions = client.submit([*good, *bad], output=str(folder / "captions"), model=MODEL, part_size=2)
    questions = client.submit(asked, output=str(folder / "questions"), model=MODEL)
    rows = [*finished(captions).results(), *finished(questions).results()]
    answer = client.ask(good[0], model=MODEL).get(timeout=60)
    after = scrape(port)

    # Then
    codes = Counter(row.error_code for row in rows if row.status is Status.ERROR)
    assert len(codes) >= 4
    assert gain(before, after, "code", "askpix_items_total", status="error") == codes
    assert gain(before, after, "status", "askpix_items_total", source="part") == Counter(row.status for row in rows)
    assert gain(before, after, "source", "askpix_items_total") == {"part": len(rows), "ask": 1}
    assert gain(before, after, "kind", "askpix_answers_total") == Counter(
        one.kind for row in [*rows, answer] for one in row.answers
    )
    assert gain(before, after, "outcome", "askpix_parts_total") == {"done": 6}
    seconds = after.sum("askpix_item_seconds_sum", source="part") - before.sum("askpix_item_seconds_sum", source="part")
    assert seconds == pytest.approx(sum(row.seconds for row in rows))
    assert gain(before, after, "source", "askpix_item_seconds_count") == {"part": len(rows), "ask": 1}
    assert (
        after.sum("askpix_stage_seconds_count", stage="write") - before.sum("askpix_stage_seconds_count", stage="write")
        == 6
    )
    (served, _), *_ = after.samples("askpix_model_info")
    assert (served["model"], served["device"], served["fingerprint"]) == (
        rows[0].model,
        rows[0].device,
        rows[0].fingerprint,
    )
