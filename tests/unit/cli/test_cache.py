"""`askpix cache purge` of one model."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import pytest
from helpers.answers import change

from askpix.cli.main import main
from askpix.producer.settings import load_settings
from askpix.worker.answer_cache.opening import open_store


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of two models about three images."""
    monkeypatch.setenv("ASKPIX_ANSWER_CACHE", str(tmp_path / "answers"))
    store = open_store(load_settings())
    assert store is not None
    with closing(store):
        store.write([change(bytes([n]) * 32, {b"q": b"a"}, model=m) for n, m in enumerate(("tiny", "tiny", "small"))])


def purged(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["askpix", "cache", "purge", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code


def test_a_model_of_which_nothing_is_kept_is_told_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert purged(monkeypatch, "--model", "nobody") == 2
    assert capsys.readouterr().err == (
        "askpix: nothing is kept that nobody has said: there are answers of small, tiny\n"
    )


def test_what_one_model_has_said_is_forgotten_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert purged(monkeypatch, "--model", "tiny") == 0
    assert capsys.readouterr().err == "The answers of tiny about 2 images are forgotten.\n"
    assert purged(monkeypatch, "--model", "tiny") == 2
    assert "there are answers of small" in capsys.readouterr().err
    assert purged(monkeypatch) == 0
    capsys.readouterr()
    assert purged(monkeypatch, "--model", "small") == 2
    assert str(tmp_path / "answers") in (told := capsys.readouterr().err)
    assert told.endswith(" is empty\n")
