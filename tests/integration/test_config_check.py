"""`askpix config check` tries each thing by itself, says what is wrong, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.disk import fill
from helpers.processes import Ran, askpix
from helpers.s3_server import S3Server, broken_s3, environment, says
from helpers.system import MODEL, RedisServer, WorkerProcess

from askpix.producer import Client
from askpix.worker.local import demo_model

Found = dict[tuple[str, str], tuple[str, str]]
"""Mark and words, by what was tried and the thing."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.close()


@pytest.fixture(autouse=True)
def as_it_was(broker: RedisServer) -> Iterator[None]:
    yield
    broker.client.config_set("maxmemory-policy", "noeviction")
    broker.client.config_set("maxmemory", "0")
    broker.client.config_set("appendonly", "no")
    broker.client.replicaof("NO", "ONE")


def check(*options: str | Path, cwd: Path, env: dict[str, str] | None = None) -> tuple[int, Found]:
    """Runs the command; returns its exit code and what it found."""
    ran = askpix("config", "check", "--json", *options, cwd=cwd, env=env)
    assert ran.err == ""
    lines = [json.loads(line) for line in ran.out.splitlines()]
    return ran.code, {(one["about"], one["what"]): (one["mark"], one["said"]) for one in lines}


def of_broker(url: str, cwd: Path) -> tuple[int, dict[str, tuple[str, str]]]:
    code, found = check("--broker", url, cwd=cwd)
    return code, {what: told for (about, what), told in found.items() if about == "broker"}


def marks(found: Found, about: str) -> dict[str, str]:
    return {what: mark for (of, what), (mark, _) in found.items() if of == about}


# Of the broker. ------------------------------------------------------------------------------------


def test_a_broker_that_is_well_is_ok_in_each_point(broker: RedisServer, tmp_path: Path) -> None:
    broker.client.config_set("maxmemory", "200mb")
    broker.client.config_set("appendonly", "yes")

    code, found = of_broker(broker.url, tmp_path)

    assert code == 0
    assert {what: mark for what, (mark, _) in found.items()} == dict.fromkeys(
        ("answer", "version", "role", "maxmemory-policy", "memory", "appendonly", "clock", "rights"), "ok"
    )
    assert broker.client.keys("*") == []


def test_what_a_broker_is_set_up_wrong_in_is_said_with_what_to_set(broker: RedisServer, tmp_path: Path) -> None:
    broker.client.config_set("maxmemory-policy", "allkeys-lru")

    code, found = of_broker(broker.url, tmp_path)

    assert code == 1
    assert found["maxmemory-policy"][0] == "wrong"
    assert "set maxmemory-policy noeviction" in found["maxmemory-policy"][1]
    assert found["memory"][0] == found["appendonly"][0] == "note"
    assert found["rights"][0] == "ok"


def test_a_broker_that_is_full_or_a_replica_is_told(broker: RedisServer, tmp_path: Path) -> None:
    broker.client.config_set("maxmemory", "1")
    _, full = of_broker(broker.url, tmp_path)
    broker.client.config_set("maxmemory", "0")
    broker.client.replicaof("127.0.0.1", "1")
    code, replica = of_broker(broker.url, tmp_path)

    assert (full["memory"][0], full["rights"][0]) == ("wrong", "wrong")
    assert "memory is full" in full["rights"][1]
    assert (code, replica["role"][0], replica["rights"][0]) == (1, "wrong", "wrong")
    assert "address of its master" in replica["role"][1]


@pytest.fixture
def user(broker: RedisServer) -> Iterator[str]:
    """A user of the broker who may do all at keys of askpix; tests take rights away."""
    broker.client.execute_command(
        "ACL", "SETUSER", "ann", "reset", "on", ">secret-of-ann", "~askpix:*", "&askpix:*", "+@all", "-@admin"
    )
    yield broker.url.replace("redis://", "redis://ann:secret-of-ann@")
    broker.client.execute_command("ACL", "DELUSER", "ann")


def test_a_user_who_may_all_that_askpix_needs_is_ok(user: str, tmp_path: Path) -> None:
    code, found = of_broker(user, tmp_path)

    assert (code, found["rights"][0]) == (0, "ok")


@pytest.mark.parametrize(
    ("taken", "named"),
    [
        (("-hscan",), ["+hscan"]),
        (("-setbit", "-brpop"), ["+setbit", "+brpop"]),
        (("-eval",), ["+eval"]),
        (("-multi",), ["+multi"]),
        (("-subscribe",), ["+subscribe"]),
        (("-time",), ["+time"]),
        (("resetkeys", "~shop:*"), ["~askpix:*"]),
        (("resetchannels", "&shop:*"), ["&askpix:celery-task-meta-*"]),
        (("-@all", "+ping"), ["+set", "+lpush", "+evalsha", "+publish", "+del"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_right_that_is_missing_is_named(
    taken: tuple[str, ...], named: list[str], user: str, broker: RedisServer, tmp_path: Path
) -> None:
    # Given
    broker.client.execute_command("ACL", "SETUSER", "ann", *taken)

    # When
    code, found = of_broker(user, tmp_path)

    # Then
    mark, said = found["rights"]
    assert (code, mark) == (1, "wrong")
    missing = said.partition(": add ")[2].partition(" to its ACL")[0].split()
    assert set(named) <= set(missing)
    if taken[0] != "-@all":
        assert missing == named
    assert broker.client.keys("askpix:check:*") == [] or "-del" in taken or "-@all" in taken


def test_without_info_what_hello_says_is_told(user: str, broker: RedisServer, tmp_path: Path) -> None:
    broker.client.execute_command("ACL", "SETUSER", "ann", "-info")

    code, found = of_broker(user, tmp_path)

    assert code == 0
    assert (found["version"][0], found["role"][0], found["memory"][0]) == ("ok", "ok", "note")


@pytest.mark.parametrize(
    ("password", "words"),
    [("ann:wrong-one@", "does not take this user and password"), ("nobody:wrong-one@", "does not take this user")],
)
def test_a_wrong_password_is_told_and_not_shown(
    password: str, words: str, user: str, broker: RedisServer, tmp_path: Path
) -> None:
    ran = askpix("config", "check", "--broker", broker.url.replace("redis://", f"redis://{password}"), cwd=tmp_path)

    assert ran.code == 1
    assert words in ran.out
    assert "wrong-one" not in ran.out + ran.err
    assert "skipped broker: rights" in ran.out


def test_a_password_that_is_wanted_is_told_and_may_come_from_a_file(broker: RedisServer, tmp_path: Path) -> None:
    broker.client.config_set("requirepass", "wanted-one")
    try:
        _, wanted = of_broker(broker.url, tmp_path)
        (tmp_path / "file").write_text("wanted-one\n")
        code, found = check("--broker", broker.url, cwd=tmp_path, env={"ASKPIX_BROKER_PASSWORD_FILE": "file"})
    finally:
        broker.client.config_set("requirepass", "")

    assert "wants a password" in wanted["answer"][1]
    assert (code, found["broker", "answer"][0]) == (0, "ok")


def test_a_broker_that_hangs_keeps_nothing_else_from_being_tried(broker: RedisServer, tmp_path: Path) -> None:
    broker.freeze()
    try:
        code, found = check("--broker", broker.url, "--storage", tmp_path, cwd=tmp_path)
    finally:
        broker.thaw()

    assert code == 1
    assert "did not answer in time" in found["broker", "answer"][1]
    assert marks(found, "broker")["rights"] == "skipped"
    assert set(marks(found, f"storage {tmp_path}").values()) == {"ok"}
    assert found["workers", "live"][0] == "skipped"


def test_no_broker_at_all_and_an_address_that_is_none(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        _, nobody = of_broker(f"redis://127.0.0.1:{free.getsockname()[1]}", tmp_path)
    code, none = of_broker("amqp://host", tmp_path)

    assert "does not answer" in nobody["answer"][1]
    assert (code, none["address"][0]) == (1, "wrong")


def test_a_server_that_speaks_something_else_is_no_broker(s3: S3Server, tmp_path: Path) -> None:
    code, found = of_broker(f"redis://127.0.0.1:{s3.port}", tmp_path)

    assert (code, found["answer"][0]) == (1, "wrong")


# Of workers. ---------------------------------------------------------------------------------------


def test_workers_are_named_with_what_they_serve(broker: RedisServer, tmp_path: Path) -> None:
    worker = WorkerProcess(broker, tmp_path / "log", "--storage-root", tmp_path)
    try:
        with Client(broker.url) as client:
            worker.wait_until_live(client)
        code, found = check("--broker", broker.url, cwd=tmp_path)
    finally:
        worker.close()

    assert (code, found["workers", MODEL][0]) == (0, "ok")
    assert found["workers", MODEL][1].startswith(f"{worker.name} serves it on CPU")


def test_no_worker_is_worth_a_note(broker: RedisServer, tmp_path: Path) -> None:
    code, found = check("--broker", broker.url, cwd=tmp_path)

    assert (code, found["workers", "live"][0]) == (0, "note")


# Of storages. --------------------------------------------------------------------------------------


def of_storage(uri: str | Path, broker: RedisServer, cwd: Path, env: dict[str, str] | None = None) -> tuple[int, Found]:
    code, found = check("--broker", broker.url, "--storage", uri, cwd=cwd, env=env)
    return code, {key: told for key, told in found.items() if key[0].startswith("storage")}


def test_a_folder_that_is_well_is_left_as_it_was(broker: RedisServer, tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()

    code, found = of_storage(tmp_path / "jobs", broker, tmp_path)

    assert code == 0
    assert [mark for mark, _ in found.values()] == ["ok"] * 5
    assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.parametrize("place", ["nowhere", "file", "/proc", "/sys/kernel", "http://host/jobs"])
def test_a_folder_that_cannot_be_used_is_told(place: str, broker: RedisServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    code, found = of_storage(place, broker, tmp_path)

    assert code == 1
    assert "wrong" in [mark for mark, _ in found.values()]


def test_a_full_disk_is_told(small_disk: Path, broker: RedisServer, tmp_path: Path) -> None:
    fill(small_disk)

    code, found = of_storage(small_disk, broker, tmp_path)

    assert code == 1
    assert any("the disk is full" in said for mark, said in found.values() if mark == "wrong")
    assert [path.name for path in small_disk.iterdir() if path.name.startswith("askpix")] == []


def test_a_bucket_that_is_well_is_left_as_it_was(s3: S3Server, broker: RedisServer, tmp_path: Path) -> None:
    bucket = s3.bucket()

    for uri in (f"s3://{bucket}/jobs", f"s3://{bucket}", f"s3://{bucket}/"):
        code, found = of_storage(uri, broker, tmp_path, s3.environment)
        assert (code, [mark for mark, _ in found.values()]) == (0, ["ok"] * 4), found
    assert s3.keys(bucket) == []


def test_bucket_endpoint_and_credentials_are_told_apart(s3: S3Server, broker: RedisServer, tmp_path: Path) -> None:
    def wrong(env: dict[str, str], uri: str = "s3://nobody-made-it/jobs") -> tuple[str, str]:
        code, found = of_storage(uri, broker, tmp_path, env)
        assert code == 1
        ((what, said),) = [(key[1], said) for key, (mark, said) in found.items() if mark == "wrong"]
        assert "skipped" in [mark for mark, _ in found.values()]
        return what, said

    assert wrong(s3.environment)[0] == "bucket"
    assert wrong({**s3.environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"})[0] == "endpoint"
    assert wrong(environment(s3.url, key=None))[0] == "credentials"
    for status, code, what in (
        (403, "InvalidAccessKeyId", "credentials"),
        (403, "SignatureDoesNotMatch", "credentials"),
        (403, "AccessDenied", "rights"),
    ):
        with broken_s3(says(status, code)) as server:
            assert wrong(dict(server.environment))[0] == what


# Of models. ----------------------------------------------------------------------------------------


def of_model(folder: Path, broker: RedisServer, cwd: Path, *options: str) -> tuple[int, dict[str, tuple[str, str]]]:
    code, found = check("--broker", broker.url, "--model", folder, *options, cwd=cwd)
    return code, {what: told for (about, what), told in found.items() if about == f"model {folder}"}


def test_a_model_is_compiled_and_asked(broker: RedisServer, tmp_path: Path) -> None:
    code, found = of_model(demo_model(), broker, tmp_path)

    assert (code, [mark for mark, _ in found.values()]) == (0, ["ok"] * 3)
    assert "for a black image" in found["answer"][1]


def test_a_model_that_is_damaged_or_none_is_told(broker: RedisServer, tmp_path: Path) -> None:
    shutil.copytree(demo_model(), tmp_path / "cut")
    largest = max((tmp_path / "cut").iterdir(), key=lambda path: path.stat().st_size)
    os.truncate(largest, 1_000)

    code, found = of_model(tmp_path / "cut", broker, tmp_path)
    assert code == 1
    assert f"{largest.name} is not what was converted" in found["files"][1]
    assert (found["CPU"][0], found["answer"][0]) == ("skipped", "skipped")
    assert "no model folder" in of_model(tmp_path / "nowhere", broker, tmp_path)[1]["files"][1]


def test_a_device_that_is_not_there_is_told(broker: RedisServer, tmp_path: Path) -> None:
    code, found = of_model(demo_model(), broker, tmp_path, "--device", "GPU.7")

    assert (code, found["files"][0], found["GPU.7"][0], found["answer"][0]) == (1, "ok", "wrong", "skipped")


# All together. -------------------------------------------------------------------------------------


def test_each_thing_is_tried_whatever_is_wrong_with_the_others(broker: RedisServer, tmp_path: Path) -> None:
    ran: Ran = askpix(
        *(
            "config",
            "check",
            "--broker",
            "redis://127.0.0.1:1",
            "--storage",
            "nowhere",
            "--storage",
            ".",
            "--model",
            "no",
        ),
        cwd=tmp_path,
        env={"ASKPIX_WINDOW": "none", "ASKPIX_WINDO": "3"},
    )

    assert (ran.code, ran.err) == (1, "")
    lines = ran.out.splitlines()
    assert [line.split()[0] for line in lines] == [
        *("wrong", "wrong"),
        *("wrong", "skipped", "skipped", "skipped", "skipped", "skipped"),
        *("wrong", "ok", "ok", "ok", "ok", "ok"),
        *("wrong", "skipped", "skipped"),
        "skipped",
    ]
    assert [line.split()[1].rstrip(":") for line in lines if line.startswith("wrong")] == [
        *("settings", "settings", "broker", "storage", "model"),
    ]


def test_show_prints_all_and_no_password(tmp_path: Path) -> None:
    env = {"ASKPIX_BROKER_URL": "redis://ann:secret-one@h/0", "ASKPIX_WINDOW": "7"}

    plain = askpix("config", "show", cwd=tmp_path, env=env)
    shown = json.loads(askpix("config", "show", "--json", cwd=tmp_path, env=env).out)

    assert plain.code == 0
    assert "secret-one" not in plain.out
    assert shown["ASKPIX_BROKER_URL"] == {"value": "redis://***@h/0", "source": "environment"}
    assert shown["ASKPIX_WINDOW"] == {"value": 7, "source": "environment"}
    assert shown["ASKPIX_SCHEMES"]["source"] == "default"
