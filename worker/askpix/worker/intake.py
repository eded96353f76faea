"""What of the broker's queues reaches Celery: messages of the one form that askpix reads, and nothing else.

kombu and Celery trust what they find. An entry that is no message ends their loop; a body of another form, an
odd `timelimit` or `callbacks` end the worker or a thread of it, and the message goes back to do the same to the
next worker; `eta` goes past the slots. So each entry is checked where it is taken from its list in Redis, and
what Celery is given of it is written anew.
"""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty
from typing import Annotated, Any, Literal
from uuid import uuid4

from kombu.utils.json import loads
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from askpix.producer.errors import MessageError
from askpix.producer.messages import ASK_TASK, QUEUED_HEADER, queued_at
from askpix.producer.queues import is_ask_queue
from askpix.producer.shown import first_problem
from askpix.producer.transport import BrokerConnection, Channel, Transport
from askpix.worker.slots import all_free

_MAX_DEPTH = 20
"""Of lists and objects in one another; our messages have six. Deeper ones could be read here and not in a thread."""

_SILENT_SECONDS = 10.0

_LISTEN_SECONDS = 0.5
"""For which a worker with room for everything listens before it asks again: twice a second, not ten times. Its end
waits for that."""

_Id = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("this is beyond all dates") from None


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Headers(_Strict):
    """What a Celery client says of a task; what is only for people's eyes is left out."""

    task: Literal["askpix.part", "askpix.ask"]
    id: _Id
    eta: None = None
    expires: Annotated[datetime | None, BeforeValidator(_moment)] = None
    retries: int = 0
    group: None = None
    timelimit: Annotated[list[None], Field(min_length=2, max_length=2)] | None = None
    ignore_result: bool | None = None
    compression: None = None
    """Nothing bounds what a compressed body unpacks to."""

    askpix_queued: Annotated[float | None, BeforeValidator(lambda value: queued_at(value, time.time()))] = None
    """When it was queued; None where it does not say, or something that is no such moment: work is work without it."""


class _Properties(_Strict):
    body_encoding: Literal["base64", "utf-8"] | None = None


class _Entry(_Strict):
    """A message as kombu keeps it in a Redis list."""

    body: str
    content_type: Annotated[Literal["application/json"], Field(alias="content-type")]
    content_encoding: Annotated[Literal["utf-8"], Field(alias="content-encoding")]
    headers: _Headers
    properties: _Properties


class _Embed(_Strict):
    """Whom a task is to tell; askpix' tasks tell nobody."""

    callbacks: Annotated[list[None], Field(max_length=0)] | None = None
    errbacks: Annotated[list[None], Field(max_length=0)] | None = None
    chain: Annotated[list[None], Field(max_length=0)] | None = None
    chord: None = None


_BODY: TypeAdapter[tuple[list[Any], dict[str, Any], _Embed]] = TypeAdapter(tuple[list[Any], dict[str, Any], _Embed])
"""Arguments, named arguments, and what is to follow."""

_ID: TypeAdapter[str] = TypeAdapter(_Id)


class RefusedError(MessageError):
    """An entry that Celery is not given.

    Args:
        ask: the id under which somebody waits for an answer to it, where that can be read.
    """

    entry: str | bytes = b""
    """What was in the queue."""

    queue: str = ""

    def __init__(self, message: str, reason: str = "malformed", ask: str | None = None) -> None:
        super().__init__(message, reason)
        self.ask = ask


def accepted(item: str | bytes, queue: str) -> dict[str, Any]:
    """Returns the message that an entry of a queue holds, as kombu takes it.

    Its delivery tag is new, and it says that it came from the queue that it did come from: there it returns,
    should this worker end.

    Raises:
        RefusedError: it is no message of ours, or in a queue for others.
    """
    raw: Any = None
    try:
        raw = loads(item)
        entry = _Entry.model_validate(raw)
        body = entry.body.encode()
        if entry.properties.body_encoding == "base64":
            body = base64.b64decode(body, validate=True)
        content = loads(body)
        _check_depth(content)
        _BODY.validate_python(content)
    except ValidationError as error:
        raise RefusedError(
            f"a message in {queue} is not of our form: {first_problem(error)}", ask=_ask_of(raw)
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever it was, it was in the message
        name = type(error).__name__
        raise RefusedError(f"a message in {queue} cannot be read ({name})", ask=_ask_of(raw)) from None
    headers = entry.headers
    if (headers.task == ASK_TASK) is not is_ask_queue(queue):
        kind = "asks" if is_ask_queue(queue) else "parts"
        raise RefusedError(f"an {headers.task} came by {queue}, a queue for {kind}", "wrong_queue", _ask_of(raw))
    return {
        "body": entry.body,
        "content-type": entry.content_type,
        "content-encoding": entry.content_encoding,
        "headers": {
            "task": headers.task,
            "id": headers.id,
            "expires": headers.expires and headers.expires.isoformat(),
            "ignore_result": headers.ignore_result if headers.task == ASK_TASK else True,
            # Should it go back to its queue, it has waited since then.
            **({} if headers.askpix_queued is None else {QUEUED_HEADER: headers.askpix_queued}),
        },
        "properties": {
            "correlation_id": headers.id,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "delivery_tag": str(uuid4()),
            "body_encoding": entry.properties.body_encoding,
        },
    }


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer if isinstance(outer, list) else outer.values())
        ]
    if level:
        raise ValueError("too deep")


def _ask_of(raw: Any) -> str | None:
    headers = raw.get("headers") if isinstance(raw, dict) else None
    if not isinstance(headers, dict) or headers.get("task") != ASK_TASK:
        return None
    try:
        return _ID.validate_python(headers.get("id"), strict=True)
    except ValidationError:
        return None


class _Channel(Channel):
    """Reads queues as kombu does, but for what it makes of what it finds there."""

    from_transport_options = (*Channel.from_transport_options, "refuse")

    refuse: Callable[[RefusedError], None]
    """What is done about an entry that is refused: a transport option, so that it comes with the connection."""

    _asked_at = 0.0
    """When the server was last asked for a message."""

    def _brpop_start(self, timeout: float | None = None) -> None:
        # While all queues are listened to, nothing but a message can change which ones are to be.
        super()._brpop_start(_LISTEN_SECONDS if timeout is None and all_free() else timeout)
        self._asked_at = time.monotonic()

    def hang_up_if_silent(self) -> None:
        """Ends a connection on which the server, which answers in a moment even where there is no message, does not.

        A network can forget a connection without telling anybody, and kombu would wait for ever.
        """
        if self._in_poll and time.monotonic() - self._asked_at > _SILENT_SECONDS:
            with suppress(OSError, AttributeError):  # it has ended meanwhile
                self._in_poll._sock.shutdown(socket.SHUT_RDWR)

    def _brpop_read(self, **options: Any) -> bool:
        try:
            try:
                found = self.client.parse_response(self.client.connection, "BRPOP", **options)
            except self.connection_errors:
                # As in kombu: the next look connects anew.
                self.client.connection.disconnect()
                raise
            if not found:
                raise Empty
            key, item = found
            queue = key.decode().rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)
            try:
                message = accepted(item, queue)
            except RefusedError as error:
                error.entry, error.queue = item, queue
                self.refuse(error)
            else:
                self.connection._deliver(message, queue)
            return True
        finally:
            self._in_poll = None


class _Transport(Transport):
    Channel = _Channel

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        super().register_with_event_loop(connection, loop)
        loop.call_repeatedly(1.0, self._hang_up_if_silent)

    def _hang_up_if_silent(self) -> None:
        for channel in list(self.cycle._channels):
            channel.hang_up_if_silent()


class IntakeConnection(BrokerConnection):
    """A connection to a Redis server from whose queues only messages of our form come."""

    def get_transport_cls(self) -> type[_Transport]:
        return _Transport
