"""Settings come from the environment and a .env file, and secrets stay in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from askpix.producer.broker import celery_app, redis_client
from askpix.producer.errors import AskpixError
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
    assert app.backend.client.connection_pool.connection_kwargs["host"] == "ours"
    assert app.conf.task_ignore_result


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
        ("redis+sentinel://ann@a:1,b:2/0?master=m", "redis+sentinel://ann:p%40ss%3Aw%2Frd%231@a:1,b:2/0?master=m"),
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
