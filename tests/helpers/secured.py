"""The Redis server as deploy/redis starts it: with users of few rights, and with TLS."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import redis
from helpers.processes import wait_until
from helpers.system import REDIS_SERVER, RedisServer

DEPLOYED = Path(__file__).parents[2] / "deploy" / "redis"

SECRETS = {
    "askpix": "redis_password",
    "askpix-submit": "redis_submit_password",
    "askpix-watch": "redis_watch_password",
    "flower": "redis_flower_password",
    "replica": "redis_replica_password",
    "sentinel": "redis_sentinel_password",
}

TESTS_OWN = "tests-own"
"""A user who may do anything, which no deployment has."""


class SecuredServer(RedisServer):
    """Redis by start.sh, on 127.0.0.1. `url` is for the user askpix; `client` may do anything.

    Args:
        secrets: further ones, by name.
        changed: what is other in users.acl.
        tls: with what of a URL's options the server is spoken to, where its secrets have it speak TLS.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        secrets: Mapping[str, bytes] | None = None,
        changed: Mapping[str, str] | None = None,
        server: str = REDIS_SERVER,
        tls: Mapping[str, str] | None = None,
    ) -> None:
        self._secrets, self._users, self._server = folder / "secrets", folder / "users.acl", server
        self._secrets.mkdir(parents=True)
        self._write(f"redis_{TESTS_OWN}", self.password(TESTS_OWN).encode())
        for user, secret in SECRETS.items():
            self._write(secret, f"{self.password(user)}\n".encode())
        for name, value in (secrets or {}).items():
            self._write(name, value)
        text = (DEPLOYED / "users.acl").read_text()
        for old, new in (changed or {}).items():
            assert old in text
            text = text.replace(old, new)
        self.template = text
        """Of the users' file."""
        self._users.write_text(f"{text}user {TESTS_OWN} on #@redis_{TESTS_OWN}@ ~* &* +@all\n")
        self.tls = tls
        super().__init__(folder, *options)

    def _write(self, secret: str, value: bytes) -> None:
        (self._secrets / secret).write_bytes(value)

    @staticmethod
    def password(user: str) -> str:
        return f"{user}'s-$ecret:50%#1?@/"

    def url_of(self, user: str, *, host: str = "127.0.0.1", **tls: str) -> str:
        scheme, options = ("redis", "") if self.tls is None else ("rediss", f"?{urlencode({**self.tls, **tls})}")
        return f"{scheme}://{user}:{quote(self.password(user), safe='')}@{host}:{self.port}/0{options}"

    def as_user(self, user: str) -> dict[str, str]:
        """Returns the environment of a command of that user's."""
        return {"ASKPIX_BROKER_URL": self.url_of(user)}

    def refusals(self) -> list[dict[str, Any]]:
        """Returns what users were refused since the last `forget_refusals`."""
        found = self.client.execute_command("ACL LOG")
        return [{name: one[name] for name in ("username", "reason", "context", "object")} for one in found]

    def forget_refusals(self) -> None:
        self.client.execute_command("ACL LOG", "RESET")

    def start(self) -> None:
        self.url = self.url_of("askpix")
        self.environment = self.as_user("askpix")
        self.client.close()
        own = {"password": self.password(TESTS_OWN), "username": TESTS_OWN, "decode_responses": True}
        secured = {"ssl": True, **self.tls} if self.tls else {}
        self.client = redis.Redis(host="127.0.0.1", port=self.port, **own, **secured)
        self._process = subprocess.Popen(
            ["sh", DEPLOYED / "start.sh", "--save", "", "--appendonly", "no", *self._options],
            env={
                "PATH": os.environ["PATH"],
                "REDIS_SERVER": self._server,
                "REDIS_SECRETS": str(self._secrets),
                "REDIS_RUN": str(self.folder / "run"),
                "REDIS_DATA": str(self.folder),
                "REDIS_ACL": str(self._users),
                "REDIS_PORT": str(self.port),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        wait_until(self._answers, within=10, what="an answer of Redis")
