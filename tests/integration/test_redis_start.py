"""deploy/redis/start.sh: who has a secret is a user, passwords are nowhere to be seen, and what is wrong is said."""

from __future__ import annotations

import hashlib
import stat
import subprocess
from pathlib import Path

import pytest
from helpers.secured import DEPLOYED, SECRETS, SecuredServer


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "redis_password").write_text("long-enough\n")
    return folder


def _started(secrets: Path, server: str = "/bin/echo", **env: str) -> subprocess.CompletedProcess[str]:
    """Runs it with a program in place of the server that says how it was called."""
    return subprocess.run(
        ["sh", DEPLOYED / "start.sh", "--loglevel", "warning"],
        env={
            "PATH": "/usr/bin:/bin",
            "REDIS_SECRETS": str(secrets),
            "REDIS_RUN": str(secrets.parent / "run"),
            "REDIS_DATA": str(secrets.parent),
            "REDIS_SERVER": server,
            **env,
        },
        capture_output=True,
        encoding="utf-8",
    )


def _users(secrets: Path) -> dict[str, str]:
    lines = (secrets.parent / "run" / "users.acl").read_text().splitlines()
    return {line.split()[1]: line for line in lines}


def test_who_has_no_secret_is_no_user(secrets: Path) -> None:
    (secrets / "redis_watch_password").write_text("another\n")

    ran = _started(secrets)

    assert ran.returncode == 0, ran.stderr
    assert set(_users(secrets)) == {"default", "askpix", "askpix-watch"}


def test_a_password_is_there_as_its_digest_alone(secrets: Path) -> None:
    ran = _started(secrets)

    digest = hashlib.sha256(b"long-enough").hexdigest()
    assert f" on #{digest} " in _users(secrets)["askpix"]
    written = secrets.parent / "run" / "users.acl"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert "long-enough" not in ran.stdout + ran.stderr + written.read_text()


def test_nobody_is_a_user_without_a_password(secrets: Path) -> None:
    for secret in SECRETS.values():
        (secrets / secret).write_text(f"{secret}-long-enough")

    _started(secrets)

    users = _users(secrets)
    assert users.pop("default") == "user default off resetpass resetkeys resetchannels -@all"
    assert set(users) == set(SECRETS)
    for line in users.values():
        assert "nopass" not in line
        assert "@redis" not in line
        assert "-@all +" in line


@pytest.mark.parametrize(
    ("password", "words"),
    [("", "redis_password is empty"), ("\n", "is empty"), ("two words", "holds a space"), ("a\nb", "a line break")],
)
def test_a_password_that_is_none_starts_nothing(password: str, words: str, secrets: Path) -> None:
    (secrets / "redis_password").write_text(password)

    ran = _started(secrets)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert words in ran.stderr
    assert not password.strip() or password not in ran.stderr


def test_without_a_password_for_askpix_nothing_starts(secrets: Path) -> None:
    (secrets / "redis_password").unlink()

    ran = _started(secrets)

    assert ran.returncode == 2
    assert "redis_password cannot be read" in ran.stderr


def test_what_it_is_told_goes_to_the_server(secrets: Path) -> None:
    ran = _started(secrets, REDIS_MAXMEMORY="64mb", REDIS_PORT="7000", REDIS_DATA="/var")

    words = ran.stdout.strip()
    assert words.startswith(f"{secrets.parent}/run/redis.conf --dir /var --aclfile ")
    assert "--loglevel warning --maxmemory 64mb --port 7000" in words
    assert "tls" not in words


def test_with_a_certificate_only_tls_is_spoken(secrets: Path) -> None:
    (secrets / "redis_tls_cert").write_text("a certificate")
    without_key = _started(secrets)
    (secrets / "redis_tls_key").write_text("a key")
    server_only = _started(secrets).stdout
    (secrets / "redis_tls_ca").write_text("an authority")
    mutual = _started(secrets).stdout

    assert without_key.returncode == 2
    assert "redis_tls_key cannot be read" in without_key.stderr
    assert "--port 0 --tls-port 6379 --tls-protocols TLSv1.2 TLSv1.3" in server_only
    assert "--tls-auth-clients no" in server_only
    assert f"--tls-ca-cert-file {secrets}/redis_tls_ca --tls-auth-clients yes" in mutual


def test_the_server_is_as_its_configuration_says(tmp_path: Path) -> None:
    server = SecuredServer(tmp_path / "redis")

    config = server.client.config_get("*")
    server.close()

    assert config["maxmemory-policy"] == "noeviction"
    assert config["protected-mode"] == "yes"
    assert config["enable-debug-command"] == config["enable-module-command"] == "no"
    assert config["requirepass"] == ""
    assert config["appendfsync"] == "everysec"


def test_folders_may_be_named_from_where_one_is(secrets: Path) -> None:
    # Given
    for name in ("redis_tls_cert", "redis_tls_key"):
        (secrets / name).write_text("a paper")
    here = {"REDIS_SECRETS": "secrets", "REDIS_RUN": "run", "REDIS_DATA": "."}

    # When: the server goes into the folder of its data before it reads anything.
    ran = subprocess.run(
        ["sh", DEPLOYED / "start.sh"],
        cwd=secrets.parent,
        env={"PATH": "/usr/bin:/bin", "REDIS_SERVER": "/bin/echo", **here},
        capture_output=True,
        encoding="utf-8",
    )

    # Then
    assert ran.returncode == 0, ran.stderr
    words = ran.stdout.split()
    own = str(secrets.parent)
    for option, value in (
        ("--dir", own),
        ("--aclfile", f"{own}/run/users.acl"),
        ("--tls-cert-file", f"{own}/secrets/redis_tls_cert"),
    ):
        assert words[words.index(option) + 1] == value
    assert words[0] == f"{own}/run/redis.conf"


def test_how_a_replica_logs_in_is_written_where_nobody_looks(secrets: Path) -> None:
    (secrets / "redis_replica_password").write_text('Zq"7\\x\n')

    ran = _started(secrets)

    written = secrets.parent / "run" / "redis.conf"
    assert "Zq" not in ran.stdout
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert written.read_text().endswith('masteruser replica\nmasterauth "Zq\\"7\\\\x"\n')


def test_whose_replica_a_server_became_is_kept(secrets: Path) -> None:
    # Given
    _started(secrets, REDIS_REPLICAOF="10.0.0.1 6379")
    written = secrets.parent / "run" / "redis.conf"
    assert "replicaof 10.0.0.1 6379\n" in written.read_text()

    # When: sentinels have had the server write down another, and it is started again.
    written.write_text(written.read_text().replace("10.0.0.1", "10.0.0.2"))
    _started(secrets, REDIS_REPLICAOF="10.0.0.1 6379")

    # Then
    assert "replicaof 10.0.0.2 6379\n" in written.read_text()
