"""What errors of the broker mean is said in a sentence, and told apart by what can be done about it."""

from __future__ import annotations

import ssl

import pytest
import redis
from kombu.exceptions import OperationalError
from pydantic import SecretStr
from redis.sentinel import MasterNotFoundError

from askpix.producer.broker import redis_client
from askpix.producer.broker_errors import explained, refused
from askpix.producer.errors import BrokerTrouble


def _from(outer: BaseException, inner: BaseException) -> BaseException:
    """Returns an error as it is when another led to it."""
    outer.__cause__ = inner
    return outer


def _tls(kind: type[ssl.SSLError], said: str) -> BaseException:
    error = kind(1, said)
    return _from(redis.ConnectionError(f"Error 1 connecting to h:1. {said}."), error)


CASES = [
    (redis.OutOfMemoryError("command not allowed"), BrokerTrouble.FULL, "memory is full"),
    (redis.ResponseError("OOM command not allowed"), BrokerTrouble.FULL, "memory is full"),
    (redis.ReadOnlyError("You can't write"), BrokerTrouble.READ_ONLY, "is a replica, or another is taking over"),
    (
        _from(redis.ConnectionError("You can't write"), redis.ReadOnlyError("You can't write")),
        BrokerTrouble.READ_ONLY,
        "is a replica",
    ),
    (redis.ResponseError("READONLY You can't write"), BrokerTrouble.READ_ONLY, "is a replica"),
    (redis.ConnectionError("Error 111"), BrokerTrouble.LOST, "does not answer: Error 111; ASKPIX_BROKER_URL"),
    (redis.TimeoutError("Timeout"), BrokerTrouble.LOST, "does not answer: Timeout;"),
    (redis.AuthenticationError("invalid"), BrokerTrouble.OTHER, "refuses this user or password"),
    (
        redis.exceptions.NoPermissionError("User x has no permissions to run the 'lpush' command"),
        BrokerTrouble.OTHER,
        "may not do this: User x has no permissions to run the 'lpush' command; docs/redis.md",
    ),
    (
        redis.ResponseError("The user executing the script can't run this command or subcommand script: 1"),
        BrokerTrouble.OTHER,
        "the broker's user may not do this",
    ),
    (
        MasterNotFoundError("the sentinels know no master 'askpix' that lives"),
        BrokerTrouble.LOST,
        "the broker has no master for now: the sentinels know no master 'askpix' that lives",
    ),
    (
        _from(MasterNotFoundError("no sentinel answers"), redis.AuthenticationError("invalid")),
        BrokerTrouble.OTHER,
        "refuses this user or password",
    ),
    (
        _tls(ssl.SSLCertVerificationError, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed"),
        BrokerTrouble.OTHER,
        "ssl_ca_certs= in the broker URL names",
    ),
    (_tls(ssl.SSLError, "tlsv13 alert certificate required"), BrokerTrouble.OTHER, "does not take our certificate"),
    (_tls(ssl.SSLError, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), BrokerTrouble.OTHER, "does not speak it"),
    (_tls(ssl.SSLError, "tlsv1 alert protocol version"), BrokerTrouble.OTHER, "no version from 1.2 on"),
    # What is said when a server dies is no word about certificates.
    (_tls(ssl.SSLEOFError, "EOF occurred in violation of protocol"), BrokerTrouble.LOST, "the broker hung up"),
    (_tls(ssl.SSLError, "something else"), BrokerTrouble.LOST, "does not answer: "),
]


@pytest.mark.parametrize(("error", "trouble", "words"), CASES)
def test_each_is_told_apart_and_said(error: BaseException, trouble: BrokerTrouble, words: str) -> None:
    found = explained(error)

    assert found.trouble is trouble
    assert words in str(found)
    assert "\n" not in str(found)


@pytest.mark.parametrize(("error", "trouble", "words"), CASES)
def test_celery_says_the_same_in_words_of_its_own(error: BaseException, trouble: BrokerTrouble, words: str) -> None:
    found = refused("the question", _from(OperationalError(str(error)), error))

    assert found.trouble is trouble
    assert str(found).startswith("the broker did not take the question: ")


def test_sentinels_that_do_not_answer_are_said_without_a_password() -> None:
    url = "redis+sentinel://u:hush@127.0.0.1:1,127.0.0.1:2/0?master=askpix&sentinel_password=quiet"

    with pytest.raises(redis.ConnectionError) as caught:
        redis_client(SecretStr(url)).ping()

    assert str(explained(caught.value)) == "the broker has no master for now: no sentinel answers"
    assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r}"
