"""Messages that no worker understands: they are kept with the reason, and can be put back."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.job_outcomes import assert_whole
from helpers.pictures import jpeg
from helpers.processes import askpix, the_complaint, wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, finished

from askpix.producer.client import Client
from askpix.producer.dead import DeadLetters

HOSTILE = ("no message", b"\xff\xfe", "x" * 70_000, json.dumps({"body": "\x1b[2J"}))


def test_they_are_listed_and_put_back(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path, tmp_path: Path
) -> None:
    # Given: among others, a part's message of a version to come.
    worker = start_worker()
    urls = pages.put_many([f"/{folder.name}-{number}" for number in range(2)], jpeg())
    message = {"v": 99, "job": str(folder), "part": 0}
    body = json.dumps([[message], {}, {}])
    head = {"content-type": "application/json", "content-encoding": "utf-8"}
    future = {"body": body, **head, "headers": {"task": "askpix.part", "id": "1"}, "properties": {}}
    letters = DeadLetters(broker.client)

    # When
    broker.client.lpush(f"askpix:{MODEL}", *HOSTILE, json.dumps(future))
    wait_until(lambda: len(letters.all()) == 5, within=20, what="dead letters")
    shown = askpix("dead", "list", cwd=tmp_path, env=broker.environment)
    told = askpix("dead", "list", "--json", cwd=tmp_path, env=broker.environment)

    # Then
    assert (shown.code, told.code) == (0, 0)
    assert "\x1b" not in shown.out
    found = [json.loads(line) for line in told.out.splitlines()]
    assert {one["queue"] for one in found} == {MODEL}
    assert sorted(one["whole"] for one in found) == [False, False, True, True, True]
    assert client.refused()["malformed"] >= 5

    # When: what was put back is no better now, so it comes again.
    (ours,) = (one for one in found if '"v": 99' in one["entry"].replace("\\", ""))
    back = askpix("dead", "requeue", ours["id"], cwd=tmp_path, env=broker.environment)
    wait_until(lambda: len(letters.all()) == 5, within=20, what="the message once more")

    # Then
    assert back.code == 0, back.err
    assert ours["id"] not in {letter.id for letter in letters.all()}
    (cut, *_) = (one["id"] for one in found if not one["whole"])
    assert "cannot be put back" in the_complaint(askpix("dead", "requeue", cut, cwd=tmp_path, env=broker.environment))
    assert "no dead letter" in the_complaint(askpix("dead", "requeue", "x", cwd=tmp_path, env=broker.environment))
    assert askpix("dead", "drop", cwd=tmp_path, env=broker.environment).code == 0
    assert letters.all() == []

    # And the worker goes on.
    job = client.submit(urls, output=str(folder), model=MODEL)
    assert_whole(finished(job), broker, urls)
    worker.close()
