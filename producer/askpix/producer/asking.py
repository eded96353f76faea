"""Asks: one image through the queue, answered at once."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from celery.states import SUCCESS

from askpix.producer.broker import Broker
from askpix.producer.errors import AskpixError, InputError, MessageError
from askpix.producer.items import Options, Question
from askpix.producer.messages import MAX_IMAGE, AskMessage, queue_name
from askpix.producer.rows import Row, row_from_json
from askpix.producer.storage import local_path, shortened


class Ask:
    """An image that was sent to a worker; its answer can be fetched for an hour."""

    def __init__(self, broker: Broker, id_: str, model: str) -> None:
        self._broker = broker
        self._model = model
        self.id = id_
        """Of the Celery task."""

    def get(self, timeout: float | None = None) -> Row:
        """Waits for the answer.

        Raises:
            MessageError: the worker refused to answer.
            TimeoutError: there was no answer within `timeout` seconds.
            BrokerError: the broker does not answer.
        """
        told = self._broker.result(self.id, timeout)
        if told is None:
            raise TimeoutError(f"no answer from a worker with {self._model} within {timeout} s")
        if told["status"] != SUCCESS:
            raise _refusal(told["result"])
        return row_from_json(told["result"])


def _refusal(told: Mapping[str, Any]) -> AskpixError:
    """Returns the error that a worker has told instead of an answer."""
    message = " ".join(map(str, told.get("exc_message") or ()))
    if told.get("exc_module") == MessageError.__module__:
        return (MessageError if told.get("exc_type") == MessageError.__name__ else AskpixError)(message)
    return AskpixError(f"the worker gave no answer: {told.get('exc_type')}: {message}")


def ask(
    broker: Broker,
    image: str,
    questions: Sequence[Question | str] = (),
    *,
    model: str,
    options: Options | None = None,
    output: str | None = None,
    device: str | None = None,
    expires: float | None = None,
) -> Ask:
    """Sends an image to a worker; a local file is sent along.

    Raises:
        InputError: the file cannot be read, or a question is not valid.
        BrokerError: the broker did not take it.
    """
    message = AskMessage.parse(
        {
            "model": model,
            "image": _sendable(image),
            "questions": [Question.parse(q).model_dump() if isinstance(q, str) else q.model_dump() for q in questions],
            "options": (options or Options()).model_dump(),
            "output": output,
        }
    )
    return Ask(broker, broker.send_ask(message, queue_name(model, device, ask=True), expires), model)


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
