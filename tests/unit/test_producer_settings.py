"""Settings come from the environment and a .env file, and secrets stay in them."""

from __future__ import annotations

import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from askpix.producer.broker import celery_app, redis_client
from askpix.producer.errors import AskpixError, BrokerError
from askpix.producer.settings import DEFAULT_BROKER, load_settings


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("BROKER_URL", "MODEL_CACHE", "LOAD_THREADS", "CONTACT", "ALLOW_NET"):
        monkeypatch.delenv(f"ASKPIX_{name}", raising=False)


def test_without_anything_there_are_defaults() -> None:
    settings = load_settings()

    assert settings.broker_url.get_secret_value() == DEFAULT_BROKER
    assert (settings.load_threads, settings.allow_net, settings.model_cache) == (64, (), None)


def test_the_environment_comes_before_the_file_and_what_is_given_before_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("ASKPIX_LOAD_THREADS=2\nASKPIX_CONTACT=from-file\nASKPIX_BROKER_URL=redis://file\n")
    monkeypatch.setenv("ASKPIX_CONTACT", "from-environment")

    settings = load_settings("redis://given")

    assert settings.load_threads == 2
    assert settings.contact == "from-environment"
    assert settings.broker_url.get_secret_value() == "redis://given"
    assert load_settings().broker_url.get_secret_value() == "redis://file"


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HOME": "/home/ann"}, Path("/home/ann/.cache/askpix")),
        ({"HOME": "/home/ann", "XDG_CACHE_HOME": "/scratch"}, Path("/scratch/askpix")),
        ({"HOME": "/home/ann", "XDG_CACHE_HOME": ""}, Path("/home/ann/.cache/askpix")),
        ({"XDG_CACHE_HOME": "/scratch", "ASKPIX_MODEL_CACHE": "/volume"}, Path("/volume")),
        ({"HOME": "/home/ann", "ASKPIX_MODEL_CACHE": ""}, None),
    ],
)
def test_compiled_models_are_kept_in_the_users_own_folder_unless_another_or_none_is_set(
    environment: dict[str, str], folder: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert load_settings().cache_folder() == folder


def test_a_scheme_that_is_none_is_told_by_the_variables_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKPIX_SCHEMES", "https,gopher")
    with pytest.raises(AskpixError, match=r"ASKPIX_SCHEMES in the environment .* 'https', 'http', 's3'"):
        load_settings()


def test_networks_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKPIX_ALLOW_NET", "10.0.0.0/8, 127.0.0.1,")

    assert load_settings().allow_net == ("10.0.0.0/8", "127.0.0.1")


def test_variables_of_other_versions_and_programs_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKPIX_OF_TOMORROW", "x")
    monkeypatch.setenv("LOAD_THREADS", "5")

    assert load_settings().load_threads == 64


@pytest.mark.parametrize("value", ["none", "0", "-1", "1000000", "1.5", ""])
def test_a_value_that_is_none_names_its_variable(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKPIX_LOAD_THREADS", value)

    with pytest.raises(AskpixError, match="ASKPIX_LOAD_THREADS") as caught:
        load_settings()
    assert "\n" not in str(caught.value)
    assert "INPUT SHOULD" not in str(caught.value)


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKPIX_BROKER_URL", "redis://:secret@host/0")
    settings = load_settings()

    assert "secret" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_the_queue_takes_json_only_and_nothing_of_the_users_own_celery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://elsewhere/0")
    monkeypatch.setenv("CELERY_BROKER_READ_URL", "redis://elsewhere/0")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://elsewhere/0")

    app = celery_app(SecretStr("redis://ours/0"))

    assert app.conf.accept_content == ["json"]
    assert app.connection_for_read().hostname == app.connection_for_write().hostname == "ours"
    assert app.backend.connparams["host"] == "ours"
    assert app.conf.task_ignore_result


@pytest.mark.parametrize("url", ["", "nonsense", "http://host", "amqp://host", "sqla+sqlite:///x"])
def test_a_broker_of_another_kind_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(BrokerError, match="redis://"):
        celery_app(SecretStr(url))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://:secret@h/0?foo=bar", "a ? is followed by nothing"),
        ("redis://:secret@h/0?socket_timeout=abc", "followed by nothing"),
        ("redis://:secret@h/0?socket_timeout=5", "followed by nothing"),
        ("redis://:secret@h/0?foo", "followed by nothing"),
        ("redis://h/0#secret", "are written %23 and %3F"),
        ("redis://user:12?secret@h/0", "are written %23 and %3F"),
        ("redis://:secret@h/secret", "the number of a database"),
        ("redis://h/-1", "the number of a database"),
        ("redis://h/1/", "the number of a database"),
        ("redis://h/\u0663", "the number of a database"),
        ("redis+socket:///x?virtual_host=secret", "virtual_host=, with the number of a database"),
        ("redis+socket:///x?db=1", "virtual_host="),
        ("redis+socket://", "the path of a socket"),
        ("redis+socket:///", "the path of a socket"),
        ("rediss://h/0?ssl_cert_reqs=secret", "ssl_cert_reqs=required, optional or none"),
        ("rediss://h/0?ssl_password=secret", "ssl_ca_certs="),
        ("redis:secret", "must begin with redis://"),
        ("REDIS://secret", "must begin with redis://"),
        ("redis://[::1/secret", "host or port cannot be read"),
    ],
)
def test_a_broker_url_that_one_of_its_readers_would_fail_on_is_refused_without_showing_it(url: str, words: str) -> None:
    for use in (celery_app, redis_client):
        with pytest.raises(BrokerError) as caught:
            use(SecretStr(url))
        assert words in str(caught.value)
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "place", "database"),
    [
        ("redis://h", "h", 0),
        ("redis://h/", "h", 0),
        ("redis://:pw@h:7000/15", "h", 15),
        ("redis://[::1]:6379/1", "::1", 1),
        ("rediss://h/3", "h", 3),
        ("rediss://h/3?ssl_ca_certs=%2Fetc%2Fa%20b.pem&ssl_check_hostname=false", "h", 3),
        ("redis+socket:///run/redis.sock", "/run/redis.sock", 0),
        ("redis+socket:///run/redis.sock?virtual_host=2", "/run/redis.sock", 2),
        ("redis+socket://:pw@/run/redis.sock?virtual_host=2", "/run/redis.sock", 2),
    ],
)
def test_all_readers_of_a_broker_url_understand_the_same(url: str, place: str, database: int) -> None:
    client = redis_client(SecretStr(url)).connection_pool.connection_kwargs
    app = celery_app(SecretStr(url))
    transport = app.connection_for_write()
    channel: Any = type(
        "Channel", (transport.transport.Channel,), {"__init__": lambda _: None, "__del__": lambda _: None}
    )()
    channel.connection = SimpleNamespace(client=transport, default_port=6379)
    read = [client, channel._connparams(), app.backend.connparams]

    assert [of.get("host") or of.get("path") for of in read] == [place] * 3
    assert [int(of.get("db", 0)) for of in read] == [database] * 3
    assert {of.get("password") for of in read} == {"pw" if ":pw@" in url else None}


def test_a_server_must_have_a_certificate_that_holds_unless_the_url_says_otherwise() -> None:
    def requirements(url: str) -> list[Any]:
        app = celery_app(SecretStr(url))
        transport = app.connection_for_write().ssl["ssl_cert_reqs"]
        client = redis_client(SecretStr(url)).connection_pool.connection_kwargs["ssl_cert_reqs"]
        return [transport, app.backend.connparams["ssl_cert_reqs"], client]

    assert requirements("rediss://h/0") == [ssl.CERT_REQUIRED, ssl.CERT_REQUIRED, "required"]
    assert requirements("rediss://h/0?ssl_cert_reqs=none") == [ssl.CERT_NONE, ssl.CERT_NONE, "none"]


@pytest.fixture
def password_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "broker-password"
    file.write_text("p@ss:w/rd#1\n")
    monkeypatch.setenv("ASKPIX_BROKER_PASSWORD_FILE", str(file))
    return file


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("redis://host:6379/0", "redis://:p%40ss%3Aw%2Frd%231@host:6379/0"),
        ("redis://ann@host/0", "redis://ann:p%40ss%3Aw%2Frd%231@host/0"),
        ("rediss://ann:@host/0?ssl_cert_reqs=none", "rediss://ann:p%40ss%3Aw%2Frd%231@host/0?ssl_cert_reqs=none"),
        ("redis://ann:own@host/0", "redis://ann:own@host/0"),
        ("redis+socket:///run/redis.sock", "redis+socket:///run/redis.sock"),
    ],
)
def test_a_password_from_a_file_is_put_where_a_url_has_none(url: str, whole: str, password_file: Path) -> None:
    assert load_settings(url).broker_url.get_secret_value() == whole


def test_the_broker_is_told_the_password_as_the_file_holds_it(password_file: Path) -> None:
    client = redis_client(load_settings("redis://ann@h/0").broker_url)

    assert client.connection_pool.connection_kwargs["password"] == "p@ss:w/rd#1"


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"", "holds no password"),
        (b"\n", "holds no password"),
        (b"one\ntwo\n", "holds no password"),
        (b"x" * 5_000, "holds no password"),
        (b"\xff\xfe", "holds no text"),
    ],
)
def test_a_file_that_holds_no_password_is_named_and_not_shown(
    held: bytes | None, words: str, password_file: Path
) -> None:
    password_file.unlink()
    if held is not None:
        password_file.write_bytes(held)

    with pytest.raises(AskpixError, match="ASKPIX_BROKER_PASSWORD_FILE") as caught:
        load_settings()
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_broker_of_our_own_needs_no_password_file(password_file: Path) -> None:
    password_file.unlink()

    assert load_settings("redis+socket:///run/redis.sock").broker_url.get_secret_value().endswith("redis.sock")
