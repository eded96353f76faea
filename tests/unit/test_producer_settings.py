"""Settings come from the environment and a .env file, and secrets stay in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from askpix.producer.broker import celery_app
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
