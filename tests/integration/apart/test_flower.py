"""Flower beside real workers: it shows them and their tasks to who has the password, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.flower import PASSWORD, Flower, flower_on
from helpers.http_server import closed_port
from helpers.job_outcomes import assert_unharmed
from helpers.pictures import jpeg
from helpers.processes import askpix, the_complaint, wait_until
from helpers.secured import SecuredServer
from helpers.system import MODEL, HeldServer, Starter, WorkerProcess, finished

from askpix.producer.client import Client


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredServer]:
    """A server that has a user for Flower, who may look on alone."""
    server = SecuredServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def flower(broker: SecuredServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flower]:
    """Flower with a Redis user that may look on alone, where everything else tells it to be open."""
    folder = tmp_path_factory.mktemp("flower")
    (folder / "flowerconfig.py").write_text("basic_auth = None\nread_only = False\nport = 1\n")
    otherwise = {"FLOWER_UNAUTHENTICATED_API": "true", "FLOWER_READ_ONLY": "false", "FLOWER_ADDRESS": "0.0.0.0"}
    with flower_on(broker.url_of("flower"), folder, env=otherwise) as flower:
        wait_until(lambda: broker.client.pubsub_numpat() == 1, within=20, what="Flower listening")
        yield flower


@pytest.fixture(scope="module")
def worker(flower: Flower, start_worker: Starter) -> WorkerProcess:
    return start_worker("--events")


PAGES = ("/", "/workers", "/tasks", "/broker", "/worker/x", "/task/x", "/metrics")
API = ("/api/workers", "/api/tasks", "/api/task/types", "/api/queues/length", "/api/task/info/x", "/api/task/result/x")


@pytest.mark.parametrize("path", [*PAGES, *API])
@pytest.mark.parametrize("password", [None, "wrong", ""])
def test_nothing_is_shown_without_the_password(flower: Flower, path: str, password: str | None) -> None:
    status, body = flower.ask(path, password=password)

    assert status == 401
    assert "askpix" not in body


@pytest.mark.usefixtures("worker")
def test_with_it_workers_tasks_and_queues_are_seen(
    flower: Flower, worker: WorkerProcess, client: Client, pages: HeldServer, folder: Path
) -> None:
    # Given
    finished(client.submit([pages.put("/a.jpg", jpeg())], output=str(folder), model=MODEL))

    def done() -> bool:
        return any(task["state"] == "SUCCESS" for task in flower.json("/api/tasks").values())

    # When
    wait_until(done, within=20, what="a task that has ended")

    # Then
    (shown,) = flower.json("/workers?json=1")["data"]
    assert (shown["hostname"], shown["status"]) == (worker.name, True)
    assert flower.json("/api/workers?status=1") == {worker.name: True}
    (task,) = flower.json("/api/tasks").values()
    assert (task["name"], task["worker"], task["args"]) == ("askpix.part", worker.name, "")
    queues = flower.json("/api/queues/length")["active_queues"]
    assert {"name": MODEL, "messages": 0} in queues
    assert MODEL in flower.ask("/broker")[1]
    for page in ("/workers", "/tasks", f"/task/{task['uuid']}", "/metrics"):
        assert flower.ask(page)[0] == 200


COMMANDS = (
    *(f"/api/worker/{what}" for what in ("shutdown/{w}", "pool/restart/{w}", "pool/grow/{w}", "pool/shrink/{w}")),
    *(f"/api/worker/{what}" for what in ("pool/autoscale/{w}", "queue/add-consumer/{w}", "queue/cancel-consumer/{w}")),
    *(f"/api/task/{what}" for what in ("revoke/x?terminate=true", "abort/x", "timeout/askpix.part")),
    *(f"/api/task/{what}/askpix.part" for what in ("apply", "async-apply", "send-task", "rate-limit")),
)


@pytest.mark.parametrize("path", COMMANDS)
def test_nothing_can_be_commanded_and_the_worker_lives_on(
    flower: Flower, worker: WorkerProcess, broker: SecuredServer, path: str
) -> None:
    with broker.client.pubsub() as channels:  # type: ignore[no-untyped-call]
        channels.psubscribe("askpix:*pidbox*")

        status, _ = flower.ask(path.format(w=worker.name), method="POST")

        assert status == 403
        told = [channels.get_message(timeout=0.05) for _ in range(3)]
    assert [message["type"] for message in told if message] == ["psubscribe"]
    assert broker.waiting() == 0
    assert_unharmed(worker)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read: No such file"), ("", "holds no password"), ("short", "8 to 200"), ("a b c d e", "spaces")],
)
def test_it_does_not_start_without_a_password(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "file").write_text(content)

    ran = askpix("flower", "--address", "0.0.0.0", "--password-file", "file", cwd=tmp_path)

    assert words in the_complaint(ran)


def test_an_address_that_is_taken_is_said(flower: Flower, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(PASSWORD)

    ran = askpix("flower", "--password-file", "file", "--port", str(flower.port), cwd=tmp_path)

    assert f"127.0.0.1:{flower.port}: address already in use" in the_complaint(ran)


@pytest.mark.parametrize("as_json", [False, True])
def test_it_logs_as_a_worker_does(tmp_path: Path, as_json: bool) -> None:
    # Given: a broker that is not there, with a password that the error would show
    with closed_port() as port:
        url = f"redis://ann:Connection%20refused@127.0.0.1:{port}/0"

        # When
        with flower_on(url, tmp_path, env={"ASKPIX_LOG_JSON": "true"} if as_json else None) as flower:
            assert flower.ask("/broker")[0] == 200

    # Then
    assert "refused" not in "".join(flower.log)
    about_broker = next(line for line in flower.log if "the broker does not say who works" in line)
    if as_json:
        lines = [json.loads(line) for line in flower.log]
        assert lines[0]["message"].startswith("Flower is at ")
        assert json.loads(about_broker)["level"] == "warning"
        assert "tornado.access" not in {line["logger"] for line in lines}
    else:
        assert " WARNING the broker does not say" in about_broker


def test_the_password_is_in_nobody_s_environment_or_command_line(flower: Flower) -> None:
    ours = list(Path("/proc").glob("[0-9]*"))
    for name in ("cmdline", "environ"):
        for process in ours:
            try:
                assert PASSWORD.encode() not in (process / name).read_bytes()
            except OSError:
                continue
