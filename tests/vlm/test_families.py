"""Every family, in every precision: by a worker, in a job and by `ask`."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.pictures import jpeg
from helpers.system import HeldServer, Starter, finished
from helpers.system_fixtures import broker, client, folder, pages, root, start_worker
from helpers.vlm import TinyVlms

from askpix.producer.client import Client
from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.producer.rows import Status

__all__ = ["broker", "client", "folder", "pages", "root", "start_worker"]

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("precision", ["f32", "int8", "int4"])
@pytest.mark.parametrize("family", ["llava", "llava_next"])
def test_a_worker_answers_jobs_and_asks(
    family: str,
    precision: str,
    tiny: TinyVlms,
    client: Client,
    pages: HeldServer,
    start_worker: Starter,
    folder: Path,
) -> None:
    # Given
    model = f"tiny-{family.replace('_', '-')}"
    worker = start_worker("--model", tiny.folder(family, precision), "--precision", "f32")
    url = pages.put(f"/{folder.name}", jpeg())
    questions = [Question("what is it?", name="what"), Question("which?", name="kind", choices=["mug", "plate"])]
    options = Options(max_new_tokens=12)

    # When
    job = client.submit([url, url], output=str(folder), model=model, questions=questions, options=options)
    rows = list(finished(job).results())
    asked = client.ask(url, questions, model=model, options=options).get(30)

    # Then: the same, whichever way.
    said = [[(answer.name, answer.text) for answer in row.answers] for row in (*rows, asked)]
    assert said[0] == said[1] == said[2]
    assert [name for name, _ in said[0]] == ["what", "kind"]
    assert {row.status for row in (*rows, asked)} == {Status.OK}
    worker.close()
