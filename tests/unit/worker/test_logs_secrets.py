"""What a process knows and must not say: also the keys that the S3 client reads from files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from askpix.producer.settings import Settings
from askpix.worker.logs.secrets import secrets_of

SETTINGS = Settings(broker_url=SecretStr("redis://h/0"), proxy=None)

KEYS = """
[default]
aws_access_key_id = testing
aws_secret_access_key = of-the-%file-1
aws_session_token=of-the-file-2

[DEFAULT]
[ann]
AWS_SECRET_ACCESS_KEY = of-ann
s3 =
  addressing_style = path
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    return tmp_path


def told(**environment: str) -> set[str]:
    """Returns what is secret beside the URL of the broker, which has no password."""
    return {one for one in secrets_of(SETTINGS, environment) if one} - {"redis://h/0"}


@pytest.mark.usefixtures("home")
def test_keys_of_the_environment_are_secret() -> None:
    given = {"AWS_SECRET_ACCESS_KEY": "of-the-key", "AWS_SESSION_TOKEN": "of-the-token", "AWS_ACCESS_KEY_ID": "id"}

    assert told(**given) == {"of-the-key", "of-the-token"}


@pytest.mark.parametrize("variable", ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"])
def test_so_are_those_of_all_profiles_of_a_file(variable: str, home: Path) -> None:
    (home / "keys").write_text(KEYS)

    assert told(**{variable: str(home / "keys")}) == {"of-the-%file-1", "of-the-file-2", "of-ann"}
    assert told(**{variable: "~/keys"}) == told(**{variable: "$HOME/keys"}) != set()


@pytest.mark.parametrize("name", ["credentials", "config"])
def test_and_of_the_files_where_they_usually_are(name: str, home: Path) -> None:
    (home / ".aws" / name).write_text(KEYS)
    assert told() == {"of-the-%file-1", "of-the-file-2", "of-ann"}


@pytest.mark.parametrize(
    "content",
    [b"", b"aws_secret_access_key = x", b"[default]\n= \xff\x00", b"[default", b"[a]\nx"],
)
def test_a_broken_file_has_none(content: bytes, home: Path) -> None:
    (home / "keys").write_bytes(content)
    assert told(AWS_SHARED_CREDENTIALS_FILE=str(home / "keys")) == set()


def test_neither_has_one_that_is_none(home: Path) -> None:
    # Given: a pipe, at which reading would wait for ever.
    os.mkfifo(home / "pipe")

    for name in ("pipe", "missing", ".aws", "keys\0", "~nobody-of-that-name/keys"):
        assert told(AWS_SHARED_CREDENTIALS_FILE=str(home / name) if "~" not in name else name) == set()
