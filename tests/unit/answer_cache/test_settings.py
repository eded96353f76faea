"""Where answers are kept is set, and where they cannot be is said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from askpix.producer.errors import AskpixError
from askpix.producer.settings import Settings
from askpix.worker.answer_cache.disk import DiskStore
from askpix.worker.answer_cache.opening import open_store
from askpix.worker.answer_cache.store import StoreError


def test_by_default_answers_are_kept_beside_the_compiled_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASKPIX_ANSWER_CACHE", raising=False)
    store = open_store(Settings(model_cache=str(tmp_path / "cache")))
    assert isinstance(store, DiskStore)
    assert store.contents().place == str(tmp_path / "cache" / "answers" / "answers-v1.0.sqlite3")
    assert store.contents().limit == 512 << 20
    store.close()


def test_a_folder_can_be_named(tmp_path: Path) -> None:
    store = open_store(Settings(answer_cache=SecretStr(str(tmp_path / "mine")), answer_cache_megabytes=3))
    assert store is not None
    assert store.contents().place == str(tmp_path / "mine" / "answers-v1.0.sqlite3")
    assert store.contents().limit == 3 << 20
    store.close()


@pytest.mark.parametrize("settings", [{"answer_cache": SecretStr("off")}, {"answer_cache": SecretStr("OFF")}], ids=repr)
def test_it_can_be_off(settings: Mapping[str, SecretStr]) -> None:
    assert open_store(Settings(**settings)) is None  # type: ignore[arg-type]


def test_without_any_folder_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASKPIX_ANSWER_CACHE", raising=False)
    assert open_store(Settings(model_cache="")) is None


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(StoreError, match="cannot be used"):
        open_store(Settings(answer_cache=SecretStr(str(tmp_path / "open"))))


@pytest.mark.parametrize("broker", ["redis://queue:6379/0", "redis://:secret-word@queue/1"])
def test_the_brokers_own_server_is_refused(broker: str) -> None:
    settings = Settings(broker_url=SecretStr(broker), answer_cache=SecretStr("redis://:secret-word@queue:6379/2"))
    with pytest.raises(AskpixError, match="a server of its own") as raised:
        open_store(settings)
    assert "secret-word" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://:secret-word@cache/", "redis://:secret-word@cache/none", "redis+socket://x"])
def test_what_is_no_url_of_a_server_is_said_without_its_password(url: str) -> None:
    with pytest.raises(AskpixError) as raised:
        open_store(Settings(answer_cache=SecretStr(url)))
    assert "secret-word" not in str(raised.value)
    assert "ASKPIX_ANSWER_CACHE" in str(raised.value) or "answers' cache" in str(raised.value)
