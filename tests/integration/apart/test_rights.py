"""With the users of deploy/redis, everything works that each is for, and what one may not is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.http_server import Page
from helpers.job_outcomes import assert_whole
from helpers.pictures import jpeg
from helpers.processes import askpix, wait_until
from helpers.secured import SecuredServer
from helpers.system import MODEL, HeldServer, Starter, WorkerProcess, finished, in_work

from askpix.producer.client import Client

ALLOWED = "shop.done@shop-events"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredServer]:
    server = SecuredServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.close()


@pytest.fixture(autouse=True)
def nothing_refused(broker: SecuredServer) -> None:
    broker.forget_refusals()


def _ran(broker: SecuredServer, user: str, *words: str | Path, codes: tuple[int, ...] = (0,)) -> str:
    """Runs a command as a user; returns what it says."""
    ran = askpix(*words, cwd=broker.folder, env=broker.as_user(user))
    assert ran.code in codes, ran.err
    return ran.out


def test_all_that_askpix_does(
    broker: SecuredServer, client: Client, pages: HeldServer, start_worker: Starter, folder: Path
) -> None:
    # Given: a job of which an item fails, that is held and let go, ended, and tried again, and somebody is told.
    worker = start_worker("--allow-notify", ALLOWED, env={"ASKPIX_LEASE_SECONDS": "3"})
    good = pages.put_many([f"/{folder.name}-{number}" for number in range(6)], jpeg())
    bad = pages.put("/gone", Page(status=404))
    job = client.submit([*good, bad], output=str(folder), model=MODEL, notify=ALLOWED, part_size=2)
    _ran(broker, "askpix", "watch", folder, codes=(1,))
    _ran(broker, "askpix", "retry", folder, "--all")
    _ran(broker, "askpix", "watch", folder, codes=(1,))
    for command in ("pause", "cancel", "resume", "status"):
        _ran(broker, "askpix", command, folder)
    finished(job)
    assert job.progress().failed == 1
    wait_until(lambda: broker.client.llen("askpix:shop-events") >= 2, within=30, what="the end of both rounds told")

    # When: somebody asks, in the usual way and with a message that is refused.
    row = json.loads(_ran(broker, "askpix", "ask", good[0], "--model", MODEL, "--json"))
    assert row["status"] == "ok"
    assert _ran(broker, "askpix", "ask", good[0], "--model", MODEL, "--stream").strip()
    assert askpix("ask", "file:///etc/passwd", "--model", MODEL, cwd=folder, env=broker.environment).code != 0

    # When: a message is no message, and is put back.
    broker.client.lpush(f"askpix:{MODEL}", "no message")
    wait_until(lambda: broker.client.llen("askpix:dead") == 1, within=20, what="a dead letter")
    (letter,) = map(json.loads, _ran(broker, "askpix", "dead", "list", "--json").splitlines())
    _ran(broker, "askpix", "dead", "requeue", letter["id"])
    wait_until(lambda: broker.client.llen("askpix:dead") == 1, within=20, what="the dead letter once more")
    _ran(broker, "askpix", "dead", "drop")

    # When: workers end in each of their ways, with parts in work, which others find.
    second, urls, _ = in_work(client, pages, folder.with_name(f"{folder.name}-second"))
    worker.process.terminate()
    another = start_worker(env={"ASKPIX_LEASE_SECONDS": "3"})
    wait_until(lambda: broker.client.zcard("askpix:unacked_index") == 2, within=30, what="two parts with another")
    another.kill()
    # What it had taken is given back by kombu's own means too: it looks for what was taken long ago.
    taken = broker.client.zrange("askpix:unacked_index", 0, -1)
    broker.client.zadd("askpix:unacked_index", dict.fromkeys(taken, 0))
    last = start_worker(env={"ASKPIX_LEASE_SECONDS": "3"})
    wait_until(
        lambda: not broker.client.zrangebyscore("askpix:unacked_index", 0, 0), within=30, what="what was taken long ago"
    )
    pages.let_go()
    finished(second)
    assert_whole(second, broker, urls)

    # When: the server has lost everything in the midst of a job.
    third, urls, _ = in_work(client, pages, folder.with_name(f"{folder.name}-third"))
    assert MODEL in _ran(broker, "askpix", "jobs")
    broker.client.flushall()
    pages.let_go()
    finished(third)
    assert_whole(third, broker, urls)
    for process in (worker, last):
        process.close()

    # Then
    assert broker.refusals() == []
    assert "NOPERM" not in worker.log + another.log + last.log


def test_a_producer_and_who_looks_on(
    broker: SecuredServer, client: Client, pages: HeldServer, start_worker: Starter, folder: Path
) -> None:
    worker = start_worker()
    good, bad = pages.put(f"/{folder.name}", jpeg()), pages.put("/gone", Page(status=404))
    (broker.folder / "list.txt").write_text(f"{good}\n{bad}\n")

    said = _ran(broker, "askpix-submit", "submit", "list.txt", "--output", folder, "--model", MODEL)
    assert said == ""
    for user in ("askpix-watch", "askpix-submit"):
        _ran(broker, user, "watch", folder, codes=(1,))
        _ran(broker, user, "watch", folder, "--json", codes=(1,))
        _ran(broker, user, "status", folder)
        assert worker.name in _ran(broker, user, "jobs", "--json")
    for words in (["retry", "--all"], ["pause"], ["resume"], ["cancel"]):
        _ran(broker, "askpix-submit", *words, folder)
    shown = _ran(broker, "askpix-submit", "ask", good, "--model", MODEL)
    assert _ran(broker, "askpix-submit", "ask", good, "--model", MODEL, "--stream") == shown
    # Given: an answer that has begun, whose image is kept back.
    kept_back = f"/{folder.name}-kept-back"
    slow = pages.put(kept_back, jpeg())
    pages.hold(kept_back)
    with Client(broker.url_of("askpix-submit")) as producer:
        given_up = producer.ask(slow, model=MODEL, stream=True)
        wait_until(lambda: kept_back in pages.came, within=20, what="a worker that fetches the image")
        given_up.cancel()
        pages.let_go()
        assert given_up.get(20).error_code == "cancelled"
    worker.close()

    assert broker.refusals() == []


def test_what_a_user_may_not_do_is_said(broker: SecuredServer, pages: HeldServer, folder: Path) -> None:
    good = pages.put(f"/{folder.name}", jpeg())
    (broker.folder / "list.txt").write_text(f"{good}\n")
    watch, submit = broker.as_user("askpix-watch"), broker.as_user("askpix-submit")

    for env, *words in (
        (watch, "submit", "list.txt", "--output", folder, "--model", MODEL),
        (watch, "ask", good, "--model", MODEL),
        (watch, "dead", "list"),
        (submit, "dead", "drop"),
    ):
        ran = askpix(*words, cwd=broker.folder, env=env)
        assert ran.code == 2, ran.out
        said = ran.err.splitlines()[-1]
        assert "the broker's user may not do this: " in said
        assert "ermissions" in said
        assert "Traceback" not in ran.err


@pytest.mark.parametrize("right", ["brpop", "hset"])
def test_a_worker_says_which_right_it_lacks_and_waits_for_it(right: str, root: Path, tmp_path: Path) -> None:
    """It ends as little as for a broker that is away: somebody may be about to give it the right."""
    server = SecuredServer(tmp_path / "redis", changed={f" +{right} ": " "})
    worker = WorkerProcess(server, tmp_path / "log", "--storage-root", root)

    said = worker.wait_for_log("ermissions", f"'{right}'")
    server.client.execute_command("ACL", "SETUSER", "askpix", f"+{right}")
    with Client(server.url) as client:
        worker.wait_until_live(client)
        wait_until(lambda: _listens(server), within=60, what="a worker that listens")

    assert "Traceback" not in said
    assert len(said.splitlines()) < 60
    worker.close()
    server.close()


def test_a_worker_that_may_not_tell_answers_as_they_come_says_so_and_answers(
    root: Path, images: Path, tmp_path: Path
) -> None:
    """As where it is newer than the server's users."""
    server = SecuredServer(tmp_path / "redis", changed={" +xadd ": " "})
    worker = WorkerProcess(server, tmp_path / "log", "--storage-root", root, "--files-root", images)
    with Client(server.url) as client:
        worker.wait_until_live(client)
        asked = client.ask(str(images / "000-bottle.jpg"), model=MODEL, stream=True)

        assert list(asked.pieces(20)) == [asked.get(5).answers[0].text]

    worker.wait_for_log("WARNING", "an answer could not be told while it came", "'xadd'")
    worker.close()
    server.close()


def _listens(server: SecuredServer) -> bool:
    return any(one["cmd"] == "brpop" for one in server.client.client_list())


def test_a_wrong_password_is_said(broker: SecuredServer) -> None:
    env = {"ASKPIX_BROKER_URL": broker.url_of("askpix").replace("ecret", "wrong")}

    ran = askpix("jobs", cwd=broker.folder, env=env)

    assert (ran.code, ran.out) == (2, "")
    assert "the broker refuses this user or password" in ran.err
    assert "wrong" not in ran.err


def test_config_check_tries_what_the_user_askpix_may(broker: SecuredServer) -> None:
    (line,) = [line for line in broker.template.splitlines() if line.startswith("user askpix on")]
    may = {word.removeprefix("+").replace("|", " ") for word in line.split() if word.startswith("+")}
    before, after = {"ping", "hello", "auth", "select", "client setname"}, {"subscribe", "unsubscribe"}

    out = _ran(broker, "askpix", "config", "check")

    assert f"all {len(may - before - after) + 1} commands" in out
    assert [one["object"] for one in broker.refusals()] == ["info"]
