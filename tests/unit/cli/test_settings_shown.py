"""What is set is shown with where it is from, and without secrets; what sets nothing is told apart."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event

import pytest

from askpix.producer.checks.finding import Finding, Mark, tried
from askpix.producer.checks.settings import check_settings, usable_broker
from askpix.producer.errors import AskpixError
from askpix.producer.settings import Settings
from askpix.producer.settings_shown import Source, shown_settings


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("ASKPIX_", "XDG_"))]:
        monkeypatch.delenv(name)


def test_each_setting_says_where_it_is_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("ASKPIX_WINDOW=7\nASKPIX_PER_HOST=3\n")
    monkeypatch.setenv("ASKPIX_PER_HOST", "4")
    monkeypatch.setenv("askpix_load_threads", "5")

    shown = {one.variable: (one.value, one.source) for one in shown_settings("redis://given")}

    assert shown["ASKPIX_BROKER_URL"] == ("redis://given", Source.OPTION)
    assert shown["ASKPIX_WINDOW"] == (7, Source.ENV_FILE)
    assert shown["ASKPIX_PER_HOST"] == (4, Source.ENVIRONMENT)
    assert shown["ASKPIX_LOAD_THREADS"] == (5, Source.ENVIRONMENT)
    assert shown["ASKPIX_ITEM_SECONDS"] == (120.0, Source.DEFAULT)
    assert len(shown) == len(Settings.model_fields)


def test_passwords_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("from-a-file")
    monkeypatch.setenv("ASKPIX_BROKER_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("ASKPIX_PROXY", "http://ann:of-the-proxy@proxy:3128")

    for url in (None, "redis://ann:a/b@c@h/0", "redis://ann@h/0"):
        shown = str(shown_settings(url))
        assert not any(secret in shown for secret in ("from-a-file", "of-the-proxy", "a/b", "@c"))
    assert "http://***@proxy:3128" in shown


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKPIX_LOAD_THREADS", "many")
    monkeypatch.setenv("ASKPIX_SCHEMES", "https,gopher")
    monkeypatch.setenv("ASKPIX_PROXY", "ftp://ann:secret@h")
    monkeypatch.setenv("ASKPIX_LOAD_THREAD", "5")
    monkeypatch.setenv("ASKPIX_OF_TOMORROW", "5")

    found = {one.what: one for one in check_settings()}

    assert {what: one.mark for what, one in found.items()} == {
        "ASKPIX_LOAD_THREADS": Mark.WRONG,
        "ASKPIX_SCHEMES": Mark.WRONG,
        "ASKPIX_PROXY": Mark.WRONG,
        "ASKPIX_LOAD_THREAD": Mark.WRONG,
        "ASKPIX_OF_TOMORROW": Mark.NOTE,
    }
    assert "did you mean ASKPIX_LOAD_THREADS?" in found["ASKPIX_LOAD_THREAD"].said
    assert "secret" not in str(found)


def test_a_file_env_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"ASKPIX_CONTACT=\xff\xfe")

    (found,) = check_settings()

    assert (found.what, found.mark) == (".env", Mark.WRONG)


def test_a_broker_can_be_tried_when_other_settings_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKPIX_LOAD_THREADS", "many")
    monkeypatch.setenv("ASKPIX_BROKER_URL", "redis://set")

    assert usable_broker().get_secret_value() == "redis://set"
    assert usable_broker("redis://given").get_secret_value() == "redis://given"


def test_a_check_that_hangs_or_fails_is_a_finding_and_keeps_nobody_waiting() -> None:
    ends = Event()

    def hangs() -> list[Finding]:
        ends.wait(60)
        return []

    def fails() -> list[Finding]:
        raise RuntimeError("of a library")

    def refused() -> list[Finding]:
        raise AskpixError("because")

    (hanging,) = tried("storage", hangs, 0.05)
    ends.set()
    assert (hanging.mark, "nothing came back" in hanging.said) == (Mark.WRONG, True)
    assert [one.said for one in tried("storage", fails, 10)] == [
        "the check failed unexpectedly: RuntimeError: of a library"
    ]
    assert [one.said for one in tried("storage", refused, 10)] == ["because"]
