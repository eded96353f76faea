"""What can go wrong with S3 is said in one line: what happened, to what, and what to do next."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest
from helpers.http_server import closed_port
from helpers.s3_server import Answer, S3Server, broken_s3, environment, says, sends, using

from askpix.producer import s3 as s3_module
from askpix.producer import s3_client
from askpix.producer.errors import StorageError
from askpix.producer.s3 import S3Storage, list_objects, open_object

ACTIONS: dict[str, Callable[[S3Storage], object]] = {
    "read": lambda storage: storage.read("file"),
    "write": lambda storage: storage.write("file", b"data"),
    "create": lambda storage: storage.create("file", b"data"),
    "exists": lambda storage: storage.exists("file"),
    "names": lambda storage: list(storage.names("results")),
    "remove": lambda storage: storage.remove("file"),
    "open": lambda storage: open_object(f"{storage.uri}/file"),
    "list": lambda storage: list(list_objects(storage.uri)),
}


@pytest.fixture(params=ACTIONS)
def action(request: pytest.FixtureRequest) -> Callable[[], object]:
    return lambda: ACTIONS[request.param](S3Storage("s3://nowhere/job"))


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pauses before another try; one of the client's own tries is enough for most."""
    monkeypatch.setattr(s3_module, "_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


def _complaint(action: Callable[[], object]) -> str:
    with pytest.raises(StorageError) as raised:
        action()
    said = str(raised.value)
    assert said.isprintable()
    assert "s3://nowhere/job" in said
    assert len(said) < 400
    return said


def test_no_credentials(action: Callable[[], object]) -> None:
    with using(environment("http://127.0.0.1:9", key=None)):
        said = _complaint(action)
    assert said.endswith("no S3 credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile")


def test_half_of_the_credentials() -> None:
    variables = environment("http://127.0.0.1:9", key=None) | {"AWS_ACCESS_KEY_ID": "me"}
    with using(variables), pytest.raises(StorageError, match=r"half of the S3 cred.* missing: AWS_SECRET_ACCESS_KEY"):
        S3Storage("s3://nowhere/job").read("file")


def test_nothing_at_the_endpoint(action: Callable[[], object]) -> None:
    with closed_port() as port, using(environment(f"http://127.0.0.1:{port}")):
        said = _complaint(action)
    assert said.endswith(f"127.0.0.1:{port} cannot be reached: check AWS_ENDPOINT_URL and the network")


def test_the_password_of_an_endpoint_is_not_said() -> None:
    with closed_port() as port, using(environment(f"http://me:secret@127.0.0.1:{port}")):
        said = _complaint(lambda: S3Storage("s3://nowhere/job").read("file"))
    assert "secret" not in said


@pytest.mark.parametrize("url", ["127.0.0.1:9000", "http://", "http://me:secret@:x", "http://[::1", "s3.example.com"])
def test_an_endpoint_that_is_no_url(url: str) -> None:
    with using(environment(url)), pytest.raises(StorageError, match="AWS_ENDPOINT_URL is no valid URL") as raised:
        S3Storage("s3://nowhere/job").read("file")
    assert "secret" not in str(raised.value)


def test_an_unknown_profile() -> None:
    variables = environment("http://127.0.0.1:9") | {"AWS_PROFILE": "nobody"}
    with using(variables), pytest.raises(StorageError, match="there is no such AWS profile: check AWS_PROFILE"):
        S3Storage("s3://nowhere/job").read("file")


def test_a_region_that_is_none() -> None:
    variables = environment("http://127.0.0.1:9") | {"AWS_REGION": "no where"}
    with using(variables), pytest.raises(StorageError, match="no where"):
        S3Storage("s3://nowhere/job").read("file")


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_is_that_of_the_environment(name: str) -> None:
    variables = {**environment("http://127.0.0.1:9"), name: "eu-north-1"}
    if name != "AWS_REGION":
        del variables["AWS_REGION"]
    with using(variables):
        assert s3_client.s3_client().meta.region_name == "eu-north-1"


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_endpoint_of_ones_own_is_asked_by_path(name: str) -> None:
    with broken_s3(sends(b"data")) as server:
        variables = {key: value for key, value in server.environment.items() if key != "AWS_ENDPOINT_URL"}
        with using({**variables, name: server.url.replace("127.0.0.1", "localhost"), "NO_PROXY": "localhost"}):
            assert S3Storage("s3://nowhere/job").read("a b%20?#ä") == b"data"
    assert [(method, path) for method, path, _ in server.asked] == [("GET", "/nowhere/job/a%20b%2520%3F%23%C3%A4")]


def test_no_bucket(action: Callable[[], object], s3: S3Server) -> None:
    with using(s3.environment):
        assert _complaint(action).endswith("there is no bucket nowhere: create it, or check AWS_ENDPOINT_URL")


DENIED = "access is denied: the credentials need s3:GetObject"


def test_access_denied(action: Callable[[], object]) -> None:
    with broken_s3(says(403, "AccessDenied")):
        assert DENIED in _complaint(action)


def test_a_server_that_is_overloaded(action: Callable[[], object]) -> None:
    with broken_s3(says(503, "SlowDown")) as server:
        assert "overloaded or failing; try again later" in _complaint(action)
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("status", "code", "what"),
    [
        (403, "InvalidAccessKeyId", "the S3 credentials are not valid there: check AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "the S3 credentials are not valid there: check AWS_ACCESS_KEY_ID"),
        (400, "ExpiredToken", "the S3 credentials have expired: renew them"),
        (403, "RequestTimeTooSkewed", "this machine's clock is too far off for S3: set it right"),
        (403, "AllAccessDisabled", DENIED),
        (403, "SomethingElse", DENIED),
        (301, "PermanentRedirect", "sends all requests elsewhere: check AWS_ENDPOINT_URL and AWS_REGION"),
        (400, "AuthorizationHeaderMalformed", "the bucket is in another region: set AWS_REGION to it"),
        (404, "NoSuchBucket", "there is no bucket nowhere: create it"),
        (500, "InternalError", "overloaded or failing"),
        (500, "Whatever", "overloaded or failing"),
        (400, "InvalidRequest", "the server refuses: InvalidRequest be cause"),
        (418, "Teapot", "the server refuses: Teapot be cause"),
    ],
)
def test_what_a_server_answers_is_explained(status: int, code: str, what: str) -> None:
    with broken_s3(says(status, code, "be\ncause")):
        assert what in _complaint(lambda: S3Storage("s3://nowhere/job").read("file"))


def test_a_server_that_speaks_something_else(action: Callable[[], object]) -> None:
    with broken_s3(sends(b"<html>not S3</html>", status=400)):
        assert "refuses" in _complaint(action)


def _hang_up(request: BaseHTTPRequestHandler) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)
    request.close_connection = True


def test_a_server_that_hangs_up(action: Callable[[], object]) -> None:
    with broken_s3(_hang_up):
        assert re.search(r"the connection to 127\.0\.0\.1:\d+ broke off; try again", _complaint(action))


def test_a_server_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()
    new_client = s3_client._new_client
    monkeypatch.setattr(s3_client, "_new_client", lambda *_: new_client(0.1, 1, 32))
    with broken_s3(lambda _: let_go.wait(30) and None):
        said = _complaint(lambda: S3Storage("s3://nowhere/job").read("file"))
        let_go.set()
    assert "did not answer in time; try again later" in said


def test_a_head_that_breaks_off_within_a_date_is_a_connection_that_broke_off() -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nLast-Modified: \r\n\r\ndata")

    with broken_s3(answer):
        assert "broke off; try again" in _complaint(lambda: S3Storage("s3://nowhere/job").read("file"))


def test_a_body_that_breaks_off_is_asked_for_again_a_few_times() -> None:
    with broken_s3(sends(b"half", promised=100)) as server:
        assert "broke off; try again" in _complaint(lambda: S3Storage("s3://nowhere/job").read("file"))
    assert len(server.asked) == s3_module._TRIES


# Creating where servers differ. ---------------------------------------------------------------------


class Puts:
    """Has no object, and gives one answer after the other to whoever puts one."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.conditions: list[str | None] = []

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        if request.command == "PUT":
            self.conditions.append(request.headers.get("If-None-Match"))
            return self.answers.pop(0)(request)
        # The bucket is there.
        return (sends(b"") if request.path == "/nowhere" else says(404, "NoSuchKey"))(request)


@pytest.mark.parametrize(
    ("answers", "created", "conditions"),
    [
        ([sends(b"")], True, ["*"]),
        ([says(412, "PreconditionFailed")], False, ["*"]),
        ([says(409, "ConditionalRequestConflict")] * 2 + [sends(b"")], True, ["*", "*", "*"]),
        ([says(409, "ConditionalRequestConflict"), says(412, "PreconditionFailed")], False, ["*", "*"]),
        ([says(501, "NotImplemented"), sends(b"")], True, ["*", None]),
        ([says(400, "InvalidArgument"), sends(b"")], True, ["*", None]),
    ],
)
def test_a_file_is_created_on_condition_where_the_server_knows_any(
    answers: list[Answer], created: bool, conditions: list[str | None]
) -> None:
    puts = Puts(*answers)
    with broken_s3(puts):
        assert S3Storage("s3://nowhere/job").create("file", b"data") is created
    assert puts.conditions == conditions


def test_a_conflict_without_end_is_given_up() -> None:
    puts = Puts(*[says(409, "ConditionalRequestConflict")] * s3_module._TRIES)
    with broken_s3(puts):
        assert "another request was changing it" in _complaint(
            lambda: S3Storage("s3://nowhere/job").create("file", b"")
        )


@pytest.mark.parametrize(("there", "created"), [(b"mine", True), (b"another's", False)])
def test_a_creator_whose_first_answer_was_lost_knows_its_own_file(there: bytes, created: bool) -> None:
    # Given: a server that keeps the file, and fails to say so.
    puts = Puts(says(500, "InternalError"), says(412, "PreconditionFailed"))

    def answer(request: BaseHTTPRequestHandler) -> None:
        (sends(there) if request.command == "GET" else puts)(request)

    # Then
    with broken_s3(answer):
        assert S3Storage("s3://nowhere/job").create("file", b"mine") is created


# The client. ----------------------------------------------------------------------------------------


def test_threads_share_one_client() -> None:
    with using(environment("http://127.0.0.1:9")), ThreadPoolExecutor(8) as pool:
        assert len({id(client) for client in pool.map(lambda _: s3_client.s3_client(), range(32))}) == 1


def test_who_keeps_nothing_in_s3_does_not_load_its_client() -> None:
    program = (
        "import sys; import askpix.producer.locations, askpix.worker.images.fetch;"
        "from askpix.producer.storage_opening import open_storage; open_storage('job');"
        "sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
