"""The broker's URL: what of it askpix takes, and what its Redis client makes of it."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import SecretStr

from askpix.producer.errors import BrokerError

_OPTIONS: dict[str, dict[str, re.Pattern[str]]] = {
    "redis": {},
    "rediss": {
        "ssl_cert_reqs": re.compile("required|optional|none"),
        "ssl_ca_certs": re.compile(".+"),
        "ssl_certfile": re.compile(".+"),
        "ssl_keyfile": re.compile(".+"),
        "ssl_check_hostname": re.compile("true|false"),
    },
    "redis+socket": {"virtual_host": re.compile("[0-9]{1,6}")},
}
"""Of each scheme, what may follow a ?: Celery, its transport and redis-py each know more, and fail on each other's."""

_SAID = {
    "redis": "nothing",
    "rediss": "ssl_cert_reqs=required, optional or none, ssl_ca_certs=, ssl_certfile= and ssl_keyfile= with a path, "
    "and ssl_check_hostname=true or false, with & between them",
    "redis+socket": "virtual_host=, with the number of a database",
}

_DATABASE = re.compile("/?|/[0-9]{1,6}")


def checked_url(broker_url: SecretStr) -> str:
    """Returns the broker's URL, its password included, as Celery and its transport take it.

    Raises:
        BrokerError: it is not one of a Redis server.
    """
    url = broker_url.get_secret_value()
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise BrokerError("the broker URL is not valid: its host or port cannot be read") from None
    # Not a word of the URL is said: a password that is not encoded may begin anywhere.
    if parts.scheme not in _OPTIONS or not url.startswith(f"{parts.scheme}://"):
        raise BrokerError("the broker URL must begin with redis://, rediss:// or redis+socket://")
    if parts.scheme == "redis+socket":
        if parts.path in ("", "/"):
            raise BrokerError("the broker URL is not valid: redis+socket:// goes on with the path of a socket")
    elif not _DATABASE.fullmatch(parts.path):
        raise BrokerError("the broker URL is not valid: after its host comes the number of a database, as in /0")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = _OPTIONS[parts.scheme]
    if parts.fragment or not all(name in known and known[name].fullmatch(value) for name, value in options.items()):
        raise BrokerError(
            f"the broker URL is not valid: in {parts.scheme}://, a ? is followed by {_SAID[parts.scheme]}; "
            "in a password, # and ? are written %23 and %3F"
        )
    if parts.scheme == "rediss":
        # Without it the transport would take any certificate, and Celery's results none.
        return parts._replace(query=urlencode({"ssl_cert_reqs": "required", **options})).geturl()
    return url


def client_url(broker_url: SecretStr) -> str:
    """Returns the broker's URL as redis-py takes it.

    Raises:
        BrokerError: it is not one of a Redis server.
    """
    url = checked_url(broker_url)
    parts = urlsplit(url)
    if parts.scheme != "redis+socket":
        return url
    database = dict(parse_qsl(parts.query)).get("virtual_host", "0")
    return f"unix://{url.removeprefix('redis+socket://').partition('?')[0]}?db={database}"
