"""The broker's URL: what of it askpix takes, and where it says that the Redis server is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from askpix.producer.errors import BrokerError

_ANY = re.compile(".+", re.DOTALL)

_TLS = {
    "ssl_cert_reqs": re.compile("required|optional|none"),
    "ssl_ca_certs": _ANY,
    "ssl_certfile": _ANY,
    "ssl_keyfile": _ANY,
    "ssl_check_hostname": re.compile("true|false"),
}

_SENTINEL = {"master": re.compile(r"[A-Za-z0-9._-]{1,100}"), "sentinel_username": _ANY, "sentinel_password": _ANY}

_OPTIONS: dict[str, dict[str, re.Pattern[str]]] = {
    "redis": {},
    "rediss": _TLS,
    "redis+socket": {"virtual_host": re.compile("[0-9]{1,6}")},
    "redis+sentinel": _SENTINEL,
    "rediss+sentinel": _SENTINEL | _TLS,
}
"""Of each scheme, what may follow a ?. The rest is ours to decide: Celery, its transport and redis-py each know more,
and fail on each other's."""

_SAID_TLS = (
    "ssl_cert_reqs=required, optional or none, ssl_ca_certs=, ssl_certfile= and ssl_keyfile= with a path, "
    "and ssl_check_hostname=true or false"
)
_SAID_SENTINEL = "master= with the name of the master, and sentinel_username= and sentinel_password="

_SAID = {
    "redis": "nothing",
    "rediss": f"{_SAID_TLS}, with & between them",
    "redis+socket": "virtual_host=, with the number of a database",
    "redis+sentinel": f"{_SAID_SENTINEL}, with & between them",
    "rediss+sentinel": f"{_SAID_SENTINEL}, {_SAID_TLS}, with & between them",
}

_DATABASE = re.compile("/?|/[0-9]{1,6}")
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<name>[^\s:,\[\]@/]+))(?::(?P<port>[0-9]{1,5}))?")
_LAST_PORT = 65_535

REDIS_PORT = 6379
SENTINEL_PORT = 26379


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the broker is, and what it wants to be told before it answers."""

    scheme: str
    hosts: tuple[tuple[str, int], ...] = ()
    """Of the server, or of the sentinels that know where it is, with their ports; none of a unix socket."""

    path: str = ""
    """Of a unix socket."""

    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Mapping[str, str | bool] | None = None
    """As redis-py takes it; None where TLS is not spoken."""

    master: str | None = None
    """The name by which sentinels know the server; None where there are none."""

    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        where = self.path or ",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts
        )
        return f"{self.scheme}://{where}" + ("" if self.path else f"/{self.database}")


def place_of(broker_url: SecretStr) -> Place:
    """Returns what the broker's URL says.

    Raises:
        BrokerError: it is not one of a Redis server, or names a file that cannot be read.
    """
    url = broker_url.get_secret_value()
    try:
        parts = urlsplit(url)
    except ValueError:
        raise BrokerError("the broker URL is not valid: its host or port cannot be read") from None
    # Not a word of the URL is said: a password that is not encoded may begin anywhere.
    if parts.scheme not in _OPTIONS or not url.startswith(f"{parts.scheme}://"):
        raise BrokerError("the broker URL must begin with redis://, rediss://, redis+socket:// or redis+sentinel://")
    if parts.scheme == "redis+socket":
        if parts.path in ("", "/"):
            raise BrokerError("the broker URL is not valid: redis+socket:// goes on with the path of a socket")
    elif not _DATABASE.fullmatch(parts.path):
        raise BrokerError("the broker URL is not valid: after its host comes the number of a database, as in /0")
    options = _options(parts)
    username, password, hosts = _authority(parts)
    sentinel = parts.scheme.endswith("+sentinel")
    if sentinel and not (hosts and "master" in options):
        raise BrokerError(
            "the broker URL is not valid: redis+sentinel:// goes on with the hosts of sentinels and the master's name, "
            "as in redis+sentinel://a:26379,b:26379,c:26379/0?master=askpix"
        )
    if parts.scheme == "redis+socket":
        path, database = unquote(parts.path), options.get("virtual_host", "0")
    else:
        path, database = "", parts.path.strip("/") or "0"
        if len(hosts) > 1 and not sentinel:
            raise BrokerError("the broker URL is not valid: several hosts are for redis+sentinel://")
        default = SENTINEL_PORT if sentinel else REDIS_PORT
        hosts = tuple((host, port or default) for host, port in hosts) or (("localhost", default),)
    return Place(
        scheme=parts.scheme,
        hosts=hosts,
        path=path,
        database=int(database),
        username=username,
        password=password,
        tls=_tls(options) if parts.scheme.startswith("rediss") else None,
        master=options.get("master"),
        sentinel_username=options.get("sentinel_username"),
        sentinel_password=options.get("sentinel_password"),
    )


def _options(parts: SplitResult) -> dict[str, str]:
    # Not as forms are read, in which a + is a space: passwords have some.
    pairs = (pair.partition("=") for pair in parts.query.split("&") if pair)
    options = {unquote(name): unquote(value) for name, _, value in pairs}
    known = _OPTIONS[parts.scheme]
    if parts.fragment or not all(name in known and known[name].fullmatch(value) for name, value in options.items()):
        raise BrokerError(
            f"the broker URL is not valid: in {parts.scheme}://, a ? is followed by {_SAID[parts.scheme]}; "
            "in a password, # and ? are written %23 and %3F"
        )
    return options


def _authority(parts: SplitResult) -> tuple[str | None, str | None, tuple[tuple[str, int], ...]]:
    """Returns user, password, and hosts with their ports, 0 where none is said."""
    user, _, where = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    hosts = []
    for host in where.split(",") if where else ():
        found = _HOST.fullmatch(host)
        if not found or int(found["port"] or 0) > _LAST_PORT:
            raise BrokerError("the broker URL is not valid: its host or port cannot be read")
        hosts.append(((found["six"] or found["name"]).lower(), int(found["port"] or 0)))
    return unquote(name) or None, unquote(password) or None, tuple(hosts)


def _tls(options: Mapping[str, str]) -> dict[str, str | bool]:
    """Returns how certificates are checked: a server's must hold and be of its host, unless the URL says otherwise."""
    tls: dict[str, str | bool] = {name: options[name] for name in _TLS if name in options}
    tls.setdefault("ssl_cert_reqs", "required")
    tls["ssl_check_hostname"] = options.get("ssl_check_hostname", "true") == "true" and tls["ssl_cert_reqs"] != "none"
    for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
        if name in options:
            _check_readable(name, options[name])
    return tls


def _check_readable(name: str, path: str) -> None:
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise BrokerError(f"the file that {name}= in the broker URL names cannot be read: {reason}") from None
