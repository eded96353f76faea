"""Asks: one image through the queue, answered at once."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from celery.states import REVOKED, SUCCESS
from pydantic import TypeAdapter, ValidationError

from askpix.producer.broker import RESULT_SECONDS, Broker
from askpix.producer.errors import AskpixError, InputError, MessageError
from askpix.producer.items import MAX_IMAGE, MAX_IMAGES, Options, Question, Turn, first_problem
from askpix.producer.messages import AskMessage, queue_name
from askpix.producer.rows import Row, row_from_json
from askpix.producer.storage import local_path, shortened

ASK_SECONDS = 300.0
"""Unless a sender says otherwise, after which no worker begins with an ask any more, and nobody waits for it."""

_MAX_EXPIRES = 86_400

_ROW = TypeAdapter(Row)


class Ask:
    """An image that was sent to a worker; its answer can be fetched for an hour."""

    def __init__(self, broker: Broker, id_: str, model: str) -> None:
        self._broker = broker
        self._model = model
        self.id = id_
        """Of the Celery task."""

    def get(self, timeout: float = ASK_SECONDS) -> Row:
        """Waits for the answer.

        An answer is lost with its worker, or where Redis is full: who gets none asks again.

        Args:
            timeout: in seconds, up to an hour.

        Raises:
            MessageError: the worker refused to answer.
            AskpixError: no worker has begun in time, or what came is no answer.
            TimeoutError: there was no answer within `timeout` seconds.
            BrokerError: the broker does not answer.
            InputError: the timeout is none.
        """
        if not 0 <= timeout <= RESULT_SECONDS:
            raise InputError(f"an answer can be waited for from 0 to {RESULT_SECONDS} seconds, not {timeout}")
        told = self._broker.result(self.id, timeout)
        if told is None:
            raise TimeoutError(f"no answer from a worker with {self._model} within {timeout} s")
        if told["status"] == REVOKED:
            raise AskpixError(f"no worker with {self._model} has begun in time: ask again")
        if told["status"] != SUCCESS:
            raise _refusal(told["result"])
        return _row(told["result"])


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
) -> Ask:
    """Sends an image to a worker; local files are sent along.

    Raises:
        InputError: the file cannot be read, a question or a turn is not valid, or the device or the seconds are none.
        BrokerError: the broker did not take it.
    """
    queue = queue_name(model, device, ask=True)
    if not 0 < expires <= _MAX_EXPIRES:
        raise InputError(f"an ask can expire after up to {_MAX_EXPIRES} seconds, not {expires}")
    try:
        message = AskMessage(
            model=model,
            image=None if image is None else _sendable(image),
            questions=tuple(Question.parse(q) if isinstance(q, str) else q for q in questions),
            history=tuple(map(_turn_to_send, history)) or None,
            options=options or Options(),
            output=output,
        )
    except ValidationError as error:
        raise InputError(f"this cannot be asked: {first_problem(error)}") from None
    return Ask(broker, broker.send_ask(message, queue, expires), model)


def _turn_to_send(turn: object) -> Any:
    """Returns a turn whose images are to be had elsewhere too; what is no turn is left to be refused."""
    values = asdict(turn) if isinstance(turn, Turn) else turn
    if not isinstance(values, Mapping):
        return values
    images = values.get("images")
    if not isinstance(images, Sequence) or isinstance(images, str) or not all(isinstance(one, str) for one in images):
        return values
    if len(images) > MAX_IMAGES:
        raise InputError(f"a turn shows {len(images)} images; an ask may show {MAX_IMAGES}")
    return {**values, "images": tuple(map(_sendable, images))}


def _sendable(image: str) -> str:
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
