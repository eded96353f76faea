"""No broker, a broker that is lost, S3 that refuses or is down: one clear line, exit code 2, and then it carries on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.http_server import closed_port
from helpers.pictures import jpeg
from helpers.processes import askpix, the_complaint, wait_until
from helpers.s3_server import BrokenS3, S3Server, environment, says
from helpers.system import MODEL, HeldServer, RedisServer, Starter, finished

from askpix.producer.client import Client
from askpix.producer.errors import BrokerError, JobError
from askpix.producer.items import Item

ITEMS = 400


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list of images that are nowhere; nothing here fetches them."""
    (tmp_path / "list.txt").write_text("\n".join(f"https://shop.example/{number}.jpg" for number in range(ITEMS)))
    return tmp_path


def commands(job: str, images: Path) -> dict[str, tuple[str | Path, ...]]:
    """Returns each command that works on a job elsewhere, or asks."""
    return {
        "submit": ("submit", "list.txt", "--output", job, "--model", MODEL, "--part-size", "4"),
        "watch": ("watch", job),
        "jobs": ("jobs",),
        "retry": ("retry", job),
        "pause": ("pause", job),
        "resume": ("resume", job),
        "cancel": ("cancel", job),
        "ask": ("ask", images / "000-bottle.jpg", "--model", MODEL),
    }


@pytest.fixture(scope="module")
def no_broker() -> Iterator[dict[str, str]]:
    with closed_port() as port:
        yield {"ASKPIX_BROKER_URL": f"redis://:secret-word@127.0.0.1:{port}/0"}


@pytest.mark.parametrize("command", commands("job", Path()))
def test_without_a_broker_each_command_says_so_in_one_line(
    command: str, no_broker: dict[str, str], listed: Path, images: Path, client: Client
) -> None:
    if command != "submit":
        client.submit((listed / "list.txt").read_text().split(), output=str(listed / "job"), model=MODEL)

    complaint = the_complaint(askpix(*commands("job", images)[command], cwd=listed, env=no_broker))

    assert "broker" in complaint
    assert "secret-word" not in complaint
    assert (listed / "job" / "job.json").exists() == (command != "submit")


def test_without_a_broker_status_and_export_tell_what_the_folder_says(
    no_broker: dict[str, str], listed: Path, client: Client
) -> None:
    client.submit((listed / "list.txt").read_text().split(), output=str(listed / "job"), model=MODEL)

    status = askpix("status", "job", cwd=listed, env=no_broker)
    exported = askpix("export", "job", "--to", "answers.csv", cwd=listed, env=no_broker)

    assert status.code == 0
    assert f"0 of {ITEMS} items" in status.out
    assert "The broker does not answer; this is what the job folder says." in status.err
    assert exported.code == 0
    assert f"{ITEMS} without a result yet" in exported.err


BAD_URLS = {
    "amqp://guest@localhost//": "must begin with redis://",
    "redis://localhost:notaport/0": "host or port cannot be read",
    "localhost:6379": "must begin with redis://",
    "redis://localhost/0?foo=bar": "a ? is followed by nothing",
    "redis://localhost/0?socket_timeout=abc": "a ? is followed by nothing",
    "redis://localhost/notanumber": "the number of a database",
    "redis+socket:///x?virtual_host=abc": "the number of a database",
    "redis+socket:///nowhere/x?virtual_host=2": "the broker does not answer",
}


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_broker_url_that_is_none_is_explained(url: str, tmp_path: Path) -> None:
    assert BAD_URLS[url] in the_complaint(askpix("jobs", "--broker", url, cwd=tmp_path))


def test_a_pause_without_a_broker_holds_by_the_folder(
    no_broker: dict[str, str],
    broker: RedisServer,
    client: Client,
    pages: HeldServer,
    folder: Path,
    start_worker: Starter,
) -> None:
    # Given: a job that waits for a worker.
    job = client.submit([pages.put("/p", jpeg())] * 3, output=str(folder), model=MODEL, part_size=1)

    # When
    complaint = the_complaint(askpix("pause", folder, cwd=folder, env=no_broker))
    assert "told through the job folder all the same" in complaint
    start_worker()

    # Then: its parts are left alone until it is resumed.
    wait_until(lambda: broker.waiting() == 0, within=20, what="messages dropped")
    assert "/p" not in pages.came
    job.resume()
    assert len(list(finished(job).results())) == 3


def test_a_broker_that_is_lost_while_submitting_is_one_line_and_submitting_again_carries_on(
    tmp_path: Path,
    start_worker: Starter,
    client: Client,
    pages: HeldServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given: a list whose reading ends the broker, for longer than is waited for.
    monkeypatch.setattr("askpix.producer.patience.LOST_SECONDS", 1.0)
    broker = RedisServer(tmp_path)
    url = pages.put("/again", jpeg())

    def items(at_half: Callable[[], None]) -> Iterator[Item]:
        for number in range(20):
            if number == 10:
                at_half()
            yield Item(image=url, id=str(number))

    # When
    with Client(broker.url) as doomed, pytest.raises(BrokerError) as caught:
        doomed.submit(items(broker.kill), output=str(folder), model=MODEL, part_size=2)

    # Then: what was read is in the folder, and the same again, wherever the broker is, completes it.
    assert "\n" not in str(caught.value)
    assert (folder / "job.json").exists()
    again = client.submit(items(lambda: None), output=str(folder), model=MODEL, part_size=2)
    assert [row.id for row in finished(again).results()] == [str(number) for number in range(20)]
    broker.client.close()


def test_a_broker_that_is_lost_while_parts_are_queued_is_one_line(
    tmp_path: Path,
    start_worker: Starter,
    client: Client,
    pages: HeldServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given: a broker that ends when the first chunk of parts is queued, for longer than is waited for.
    monkeypatch.setattr("askpix.producer.patience.LOST_SECONDS", 1.0)
    broker = RedisServer(tmp_path)
    url = pages.put("/chunks", jpeg())
    with Client(broker.url) as doomed:
        send = doomed._broker.send_parts

        def send_and_end(*arguments: object) -> None:
            send(*arguments)  # type: ignore[arg-type]
            broker.kill()

        monkeypatch.setattr(doomed._broker, "send_parts", send_and_end)
        with pytest.raises(BrokerError) as caught:
            doomed.submit([url] * 204, output=str(folder), model=MODEL, part_size=1)
    assert "\n" not in str(caught.value)

    # When
    job = client.submit([url] * 204, output=str(folder), model=MODEL, part_size=1)

    # Then
    assert len(list(finished(job).results())) == 204
    broker.client.close()


WITH_S3 = ("submit", "watch", "status", "retry", "pause", "resume", "cancel", "export")


def s3_commands(job: str, images: Path) -> dict[str, tuple[str | Path, ...]]:
    return {**commands(job, images), "status": ("status", job), "export": ("export", job, "--to", "answers.csv")}


@pytest.mark.parametrize("command", WITH_S3)
def test_a_bucket_that_is_not_there_is_named(
    command: str, broker: RedisServer, s3: S3Server, listed: Path, images: Path
) -> None:
    words = s3_commands("s3://no-such-bucket/job", images)[command]

    complaint = the_complaint(askpix(*words, cwd=listed, env={**broker.environment, **s3.environment}))

    assert "there is no bucket no-such-bucket" in complaint
    assert not list(listed.glob("*.csv"))


@pytest.mark.parametrize("command", WITH_S3)
def test_a_server_that_is_down_is_named(command: str, broker: RedisServer, listed: Path, images: Path) -> None:
    with closed_port() as port:
        down = environment(f"http://127.0.0.1:{port}")
        ran = askpix(*s3_commands("s3://shop/job", images)[command], cwd=listed, env={**broker.environment, **down})

    assert f"127.0.0.1:{port} cannot be reached" in the_complaint(ran)


@pytest.mark.parametrize("command", WITH_S3)
def test_missing_credentials_are_named(
    command: str, broker: RedisServer, s3: S3Server, listed: Path, images: Path
) -> None:
    none = {**broker.environment, **environment(s3.url, key=None)}

    complaint = the_complaint(askpix(*s3_commands("s3://shop/job", images)[command], cwd=listed, env=none))

    assert "no S3 credentials were found" in complaint


REFUSALS = {
    "InvalidAccessKeyId": "the S3 credentials are not valid there",
    "SignatureDoesNotMatch": "the S3 credentials are not valid there",
    "ExpiredToken": "the S3 credentials have expired",
    "AccessDenied": "access is denied",
}


@pytest.mark.parametrize("code", REFUSALS)
def test_wrong_credentials_are_named(code: str, broker: RedisServer, listed: Path, images: Path) -> None:
    server = BrokenS3(says(403, code))
    words = s3_commands("s3://shop/job", images)["watch" if code == "ExpiredToken" else "submit"]

    complaint = the_complaint(askpix(*words, cwd=listed, env={**broker.environment, **server.environment}))
    server.close()

    assert REFUSALS[code] in complaint
    assert "testing" not in complaint


def test_the_same_command_carries_on_once_s3_is_there(
    broker: RedisServer, s3: S3Server, listed: Path, client: Client
) -> None:
    job = "s3://comes-later/jobs/first"
    submit = s3_commands(job, listed)["submit"]
    env = {**broker.environment, **s3.environment}
    the_complaint(askpix(*submit, cwd=listed, env=env))
    assert client.jobs() == []

    s3.client.create_bucket(Bucket="comes-later")
    ran = askpix(*submit, cwd=listed, env=env)

    assert ran.code == 0, ran.err
    assert f"{job}: {ITEMS} items in {ITEMS // 4} parts" in ran.err
    assert [uri for uri, _ in client.jobs()] == [job]
    assert askpix("cancel", job, cwd=listed, env=env).code == 0


@pytest.mark.parametrize("command", [name for name in WITH_S3 if name != "submit"])
def test_a_folder_without_a_job_is_named(command: str, broker: RedisServer, listed: Path) -> None:
    job = str(listed / "nothing")

    complaint = the_complaint(askpix(*s3_commands(job, listed)[command], cwd=listed, env=broker.environment))

    assert f"{job} holds no job" in complaint


def test_a_folder_in_s3_without_a_job_is_named(broker: RedisServer, s3: S3Server, listed: Path) -> None:
    job = f"s3://{s3.bucket()}/nothing"

    complaint = the_complaint(askpix("watch", job, cwd=listed, env={**broker.environment, **s3.environment}))

    assert f"{job} holds no job" in complaint


def test_a_folder_that_holds_another_job_is_left_alone(client: Client, folder: Path) -> None:
    client.submit(["https://shop.example/1.jpg"], output=str(folder), model=MODEL)
    before = (folder / "job.json").read_bytes()

    with pytest.raises(JobError, match="holds another job"):
        client.submit(["https://shop.example/2.jpg"], output=str(folder), model=MODEL)

    assert (folder / "job.json").read_bytes() == before


def test_a_worker_writes_nothing_where_a_link_in_a_job_folder_leads(
    client: Client, pages: HeldServer, folder: Path, start_worker: Starter, tmp_path: Path
) -> None:
    # Given: a job in work, in whose folder somebody makes a link.
    url = pages.put("/linked", jpeg())
    pages.hold("/linked")
    start_worker()
    job = client.submit([url], output=str(folder), model=MODEL)
    wait_until(lambda: "/linked" in pages.came, within=20, what="the part in work")
    (folder / "results").symlink_to(tmp_path)

    # When
    pages.let_go()

    # Then: it stops there, and carries on once the link is gone.
    assert "results leads out of the job folder by a symbolic link" in (list(job.watch())[-1].error or "")
    assert list(tmp_path.iterdir()) == []
    (folder / "results").unlink()
    job.resume()
    assert len(list(finished(job).results())) == 1
