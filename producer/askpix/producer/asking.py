"""Asks: one image through the queue, answered at once."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from celery.states import REVOKED, SUCCESS
from pydantic import TypeAdapter, ValidationError

from askpix.producer.broker import RESULT_SECONDS, Broker
from askpix.producer.errors import AskpixError, BrokerError, InputError, MessageError
from askpix.producer.items import MAX_IMAGE, MAX_IMAGES, Options, Turn
from askpix.producer.messages import MAX_TURNS, AskMessage
from askpix.producer.questions import Question
from askpix.producer.queues import queue_name
from askpix.producer.records import row_from_json
from askpix.producer.rows import Row, Status
from askpix.producer.shown import first_problem
from askpix.producer.storage import local_path, shortened
from askpix.producer.streaming import Listener

ASK_SECONDS = 300.0
"""Unless a sender says otherwise, after which no worker begins with an ask any more, and nobody waits for it."""

_MAX_EXPIRES = 86_400

_LOOK_SECONDS = 2.0
"""Between two looks at whether the worker of an answer that is streamed lives."""

_ROW = TypeAdapter(Row)


class Ask:
    """An image that was sent to a worker; its answer can be fetched for an hour."""

    def __init__(self, broker: Broker, id_: str, model: str, listener: Listener | None = None) -> None:
        self._broker = broker
        self._model = model
        self._listener = listener
        """Of an answer that is streamed."""
        self.id = id_
        """Of the Celery task."""

    def get(self, timeout: float = ASK_SECONDS) -> Row:
        """Waits for the answer.

        An answer is lost with its worker, or where Redis is full: who gets none asks again.

        Args:
            timeout: in seconds, up to an hour.

        Raises:
            MessageError: the worker refused to answer.
            AskpixError: no worker has begun in time, or what came is no answer; of an answer that is streamed also: the
                worker has ended before it.
            TimeoutError: there was no answer within `timeout` seconds.
            BrokerError: the broker does not answer.
            InputError: the timeout is none.
        """
        _check(timeout)
        told = self._told(timeout)
        if told is None:
            raise TimeoutError(f"no answer from a worker with {self._model} within {timeout} s")
        if told["status"] == REVOKED:
            raise AskpixError(f"no worker with {self._model} has begun in time: ask again")
        if told["status"] != SUCCESS:
            raise _refusal(told["result"])
        return _row(told["result"])

    def pieces(self, timeout: float = ASK_SECONDS) -> Iterator[str]:
        """Yields the answer's text as it is generated, in pieces that together are the text of `get`.

        It comes in one, at the end, where the ask was not streamed, and where its text is not known before: with
        choices, a match, beams, several texts, a JSON schema. Where the row is an error, what came before is all:
        `get` says why.

        Reading is what keeps an answer under way: one that was asked for with `stream` is given up when nobody has
        read for 15 seconds (a minute before the first time), whether a worker has begun or not. Nobody waits for a
        slow reader: what has come meanwhile is in the next pieces, for an hour after the end. Whatever is raised,
        whoever calls this again goes on from where he was.

        Args:
            timeout: in seconds, for each piece.

        Raises:
            TimeoutError: nothing came within `timeout` seconds.
            AskpixError: the worker has ended, or began anew and came to another text; or as `get`.
            BrokerError: the broker does not answer.
        """
        _check(timeout)
        listener = self._listener
        if listener is None:
            yield from _rest(self.get(timeout), "")
            return
        ends = time.monotonic() + timeout
        while (piece := listener.more(ends - time.monotonic())) is not None:
            if piece:
                yield piece
                ends = time.monotonic() + timeout
            elif time.monotonic() > ends:
                raise TimeoutError(f"no more of the answer from a worker with {self._model} within {timeout} s")
        if listener.left:
            return
        for piece in _rest(self.get(0), listener.text):
            listener.text += piece
            yield piece

    def cancel(self) -> None:
        """Gives an answer up that is streamed: its worker stops at once, or does not begin. `pieces` end, and the row,
        where a worker makes one, has the code `cancelled`; one that is there already stays.

        Raises:
            InputError: the ask was not streamed, so that its worker does not look whether anybody waits.
            BrokerError: the broker does not answer; some seconds after the last reading, the worker stops all the same.
        """
        if self._listener is None:
            raise InputError("only an ask that is streamed can be cancelled: ask with stream=True")
        self._listener.leave()

    def _told(self, timeout: float) -> dict[str, Any] | None:
        """Waits for the result; returns what Celery stores of it, None where it did not come in time."""
        if self._listener is None:
            return self._broker.result(self.id, timeout)
        ends = time.monotonic() + timeout
        while True:
            try:
                self._listener.renew()
            except BrokerError:
                # What is there can be had all the same.
                if (told := self._broker.result(self.id, 0)) is None:
                    raise
                return told
            left = max(ends - time.monotonic(), 0)
            told = self._broker.result(self.id, min(left, _LOOK_SECONDS))
            if told is not None or not left:
                return told
            self._listener.is_answered()


def _check(timeout: float) -> None:
    if not 0 <= timeout <= RESULT_SECONDS:
        raise InputError(f"an answer can be waited for from 0 to {RESULT_SECONDS} seconds, not {timeout}")


def _rest(row: Row, shown: str) -> Iterator[str]:
    """Yields what a row's answer has beside what was shown of it.

    Raises:
        AskpixError: what was shown is not so any more.
    """
    text = row.answers[0].text if row.answers and row.status is Status.OK else shown
    if not text.startswith(shown):
        raise AskpixError("the answer was begun anew, and came out otherwise: what was shown of it is not so")
    if text != shown:
        yield text[len(shown) :]


def _row(told: Any) -> Row:
    """Returns the result row that a worker has told; anybody else could have told something else."""
    try:
        return _ROW.validate_python(asdict(row_from_json(told)))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AskpixError("what came as an answer is no result row: somebody else has sent it") from None


def _refusal(told: Any) -> AskpixError:
    """Returns the error that a worker has told instead of an answer."""
    if not isinstance(told, Mapping):
        return AskpixError("the worker gave no answer, and did not say why")
    said = told.get("exc_message")
    message = " ".join(map(str, said)) if isinstance(said, Sequence) and not isinstance(said, str) else str(said)
    if told.get("exc_module") == MessageError.__module__:
        return (MessageError if told.get("exc_type") == MessageError.__name__ else AskpixError)(message)
    return AskpixError(f"the worker gave no answer: {told.get('exc_type')}: {message}")


def ask(
    broker: Broker,
    image: str | None,
    questions: Sequence[Question | str] = (),
    *,
    model: str,
    history: Sequence[Turn | Mapping[str, Any]] = (),
    options: Options | None = None,
    output: str | None = None,
    device: str | None = None,
    expires: float = ASK_SECONDS,
    stream: bool = False,
    cache: bool = True,
) -> Ask:
    """Sends an image to a worker; local files are sent along.

    Args:
        stream: whether its answer is read while it is generated.
        cache: whether an answer that was given before may be given again, and is kept.

    Raises:
        InputError: the file cannot be read, a question or a turn is not valid, or the device or the seconds are none.
        BrokerError: the broker did not take it.
    """
    queue = queue_name(model, device, ask=True)
    if not 0 < expires <= _MAX_EXPIRES:
        raise InputError(f"an ask can expire after up to {_MAX_EXPIRES} seconds, not {expires}")
    image, history = _sendable(image, history)
    try:
        message = AskMessage(
            model=model,
            image=image,
            questions=tuple(Question.parse(q) if isinstance(q, str) else q for q in questions),
            history=history or None,
            options=options or Options(),
            output=output,
            stream=stream,
            cache=cache,
        )
    except ValidationError as error:
        raise InputError(f"this cannot be asked: {first_problem(error)}") from None
    if not stream:
        return Ask(broker, broker.send_ask(message, queue, expires), model)
    id_ = str(uuid.uuid4())
    listener = Listener(broker.redis, id_)
    listener.begin()
    return Ask(broker, broker.send_ask(message, queue, expires, id_), model, listener)


def _sendable(image: str | None, history: Sequence[object]) -> tuple[str | None, tuple[Any, ...]]:
    """Returns an image and turns with images that are to be had elsewhere too; what is no turn is left to be refused.

    Each file is read once, and none where there are too many turns or images.
    """
    if len(history) > MAX_TURNS:
        raise InputError(f"this cannot be asked: history: it has {len(history):,} turns; {MAX_TURNS} are taken")
    turns = [asdict(turn) if isinstance(turn, Turn) else turn for turn in history]
    shown = [_shown(turn) for turn in turns]
    count = sum(map(len, shown)) + (image is not None)
    if count > MAX_IMAGES:
        raise InputError(f"this cannot be asked: it shows {count:,} images; {MAX_IMAGES} are taken")
    names = dict.fromkeys(chain(() if image is None else (image,), *shown))
    sent = {name: _sent(name) for name in names}
    told = (
        {**turn, "images": tuple(sent[name] for name in images)} if images and isinstance(turn, Mapping) else turn
        for turn, images in zip(turns, shown, strict=True)
    )
    return None if image is None else sent[image], tuple(told)


def _shown(turn: object) -> Sequence[str]:
    """Returns the images that a turn shows; none, where it is not one."""
    images = turn.get("images") if isinstance(turn, Mapping) else None
    if not isinstance(images, Sequence) or isinstance(images, str) or not all(isinstance(one, str) for one in images):
        return ()
    return images


def _sent(image: str) -> str:
    """Returns the reference of an image, of a local file its content as a data URI: a worker may be elsewhere."""
    path = local_path(image)
    if path is None:
        return image
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{shortened(image)} cannot be read: {reason.lower()}") from None
    reference = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    if len(reference) > MAX_IMAGE:
        raise InputError(f"{shortened(image)} is larger than a worker takes, 20 MB")
    return reference
