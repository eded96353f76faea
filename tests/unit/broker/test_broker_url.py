"""What the broker's URL says is understood alike by all that read it, and no password of it is shown."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from askpix.producer.broker import celery_app, redis_client
from askpix.producer.errors import BrokerError


@pytest.mark.parametrize("url", ["", "nonsense", "http://host", "amqp://host", "sqla+sqlite:///x"])
def test_a_broker_of_another_kind_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(BrokerError, match="redis://"):
        celery_app(SecretStr(url))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://:secret@h/0?foo=bar", "a ? is followed by nothing"),
        ("redis://:secret@h/0?socket_timeout=abc", "followed by nothing"),
        ("redis://:secret@h/0?socket_timeout=5", "followed by nothing"),
        ("redis://:secret@h/0?foo", "followed by nothing"),
        ("redis://h/0#secret", "are written %23 and %3F"),
        ("redis://user:12?secret@h/0", "are written %23 and %3F"),
        ("redis://:secret@h/secret", "the number of a database"),
        ("redis://h/-1", "the number of a database"),
        ("redis://h/1/", "the number of a database"),
        ("redis://h/\u0663", "the number of a database"),
        ("redis+socket:///x?virtual_host=secret", "virtual_host=, with the number of a database"),
        ("redis+socket:///x?db=1", "virtual_host="),
        ("redis+socket://", "the path of a socket"),
        ("redis+socket:///", "the path of a socket"),
        ("rediss://h/0?ssl_cert_reqs=secret", "ssl_cert_reqs=required, optional or none"),
        ("rediss://h/0?ssl_password=secret", "ssl_ca_certs="),
        ("redis:secret", "must begin with redis://"),
        ("REDIS://secret", "must begin with redis://"),
        ("redis://[::1/secret", "host or port cannot be read"),
        ("redis://h:secret/0", "host or port cannot be read"),
        ("redis://h:65536/0", "host or port cannot be read"),
        ("redis://a,b/0", "several hosts are for redis+sentinel://"),
        ("redis+sentinel://a,b/0", "the master's name"),
        ("redis+sentinel:///0?master=secret", "the hosts of sentinels"),
        ("redis+sentinel://a,,b/0?master=secret", "host or port cannot be read"),
        ("redis+sentinel://a/0?master=", "master= with the name of the master"),
        ("redis+sentinel://a/0?master=x&ssl_cert_reqs=none", "master= with the name of the master"),
        ("rediss+sentinel://a/0?master=x&foo=secret", "ssl_ca_certs="),
    ],
)
def test_a_broker_url_that_one_of_its_readers_would_fail_on_is_refused_without_showing_it(url: str, words: str) -> None:
    for use in (celery_app, redis_client):
        with pytest.raises(BrokerError) as caught:
            use(SecretStr(url))
        assert words in str(caught.value)
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


def _readers(url: str) -> dict[str, redis.ConnectionPool]:
    """Returns the pools of connections of all that read a broker's URL."""
    app = celery_app(SecretStr(url))
    connection = app.connection_for_write()
    channel: Any = type(
        "Channel", (connection.transport.Channel,), {"__init__": lambda _: None, "__del__": lambda _: None}
    )()
    for name in channel.from_transport_options:
        if name in connection.transport_options:
            setattr(channel, name, connection.transport_options[name])
    return {
        "counters": redis_client(SecretStr(url)).connection_pool,
        "queue": channel._get_pool(),
        "queue's events": channel._get_pool(asynchronous=True),
        "answers": app.backend.client.connection_pool,
    }


@pytest.mark.parametrize(
    ("url", "place", "database"),
    [
        ("redis://h", "h", 0),
        ("redis://h/", "h", 0),
        ("redis://:pw@h:7000/15", "h", 15),
        ("redis://[::1]:6379/1", "::1", 1),
        ("rediss://h/3", "h", 3),
        ("rediss://h/3?ssl_ca_certs=%2Fdev%2Fnull&ssl_check_hostname=false", "h", 3),
        ("redis+socket:///run/redis.sock", "/run/redis.sock", 0),
        ("redis+socket:///run/redis.sock?virtual_host=2", "/run/redis.sock", 2),
        ("redis+socket://:pw@/run/redis.sock?virtual_host=2", "/run/redis.sock", 2),
    ],
)
def test_all_readers_of_a_broker_url_understand_the_same(url: str, place: str, database: int) -> None:
    read = [pool.connection_kwargs for pool in _readers(url).values()]

    assert [of.get("host") or of.get("path") for of in read] == [place] * 4
    assert [of["db"] for of in read] == [database] * 4
    assert {of["password"] for of in read} == {"pw" if ":pw@" in url else None}


@pytest.mark.parametrize(
    ("options", "required", "checked"),
    [
        ("", "required", True),
        ("?ssl_cert_reqs=none", "none", False),
        ("?ssl_check_hostname=false", "required", False),
        ("?ssl_check_hostname=true", "required", True),
    ],
)
@pytest.mark.parametrize("url", ["rediss://h/0", "rediss+sentinel://h/0"])
def test_a_server_must_have_a_certificate_that_holds_unless_the_url_says_otherwise(
    url: str, options: str, required: str, checked: bool
) -> None:
    sentinel = "+sentinel" in url
    both = f"{options}{'&' if options else '?'}master=askpix" if sentinel else options

    for pool in _readers(url + both).values():
        kinds = [pool.connection_kwargs]
        if sentinel:
            kinds += [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
        for of in kinds:
            assert (of["ssl_cert_reqs"], of["ssl_check_hostname"]) == (required, checked)
            assert of["ssl_min_version"] == ssl.TLSVersion.TLSv1_2
        assert issubclass(pool.connection_class, redis.SSLConnection)


def test_the_master_is_asked_of_all_sentinels_with_their_own_password() -> None:
    url = "redis+sentinel://ours:pw@a:1,b,[::1]:3/4?master=askpix&sentinel_username=su&sentinel_password=s%23w"

    for pool in _readers(url).values():
        assert pool.service_name == "askpix"
        of = pool.connection_kwargs
        assert (of["db"], of["username"], of["password"]) == (4, "ours", "pw")
        sentinels = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
        assert [(one["host"], one["port"]) for one in sentinels] == [("a", 1), ("b", 26379), ("::1", 3)]
        assert {(one["username"], one["password"]) for one in sentinels} == {("su", "s#w")}


def test_what_logs_say_of_a_place_is_no_password() -> None:
    url = "redis+sentinel://ours:hush@a:1,b/4?master=askpix&sentinel_password=quiet"
    app = celery_app(SecretStr(url))

    said = f"{app.connection_for_read().as_uri()} {app.place} {app.place!r}"

    assert "redis+sentinel://a:1,b:26379/4" in said
    assert "hush" not in said
    assert "quiet" not in said


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
def test_a_file_of_a_certificate_that_is_not_there_is_said(name: str) -> None:
    with pytest.raises(BrokerError, match=f"{name}= in the broker URL names cannot be read: no such file"):
        redis_client(SecretStr(f"rediss://h/0?{name}=/none/such"))
