"""The Celery tasks `askpix.part` and `askpix.ask`: from a message to its end, whatever happens on the way."""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import Any

import redis
from celery import Celery
from celery.exceptions import Reject

from askpix.producer.dead import DeadLetters
from askpix.producer.errors import AskpixError, MessageError, StorageError, WorkerError
from askpix.producer.messages import ASK_TASK, PART_TASK, AskMessage, PartMessage
from askpix.producer.registry import Registry
from askpix.worker.asking import AskRunner
from askpix.worker.ending import EXIT_ENGINE_STOPPED, Ending
from askpix.worker.errors import EngineStoppedError
from askpix.worker.events import SettledError, SettledRequest
from askpix.worker.logs.about import about
from askpix.worker.part import PartRunner
from askpix.worker.part_work import GivenBackError, HeldError
from askpix.worker.replies import Replies
from askpix.worker.slots import working
from askpix.worker.streaming import Stream, Streams
from askpix.worker.tallies import Tallies

_log = logging.getLogger(__name__)


def add_part_task(
    app: Celery, runner: PartRunner, registry: Registry, letters: DeadLetters, ending: Ending, tallies: Tallies
) -> None:
    """Makes the app take parts."""

    @app.task(name=PART_TASK, bind=True)  # type: ignore[untyped-decorator]
    def part(self: Any, *arguments: Any, **named: Any) -> None:
        """Answers one part of a job; see PartMessage."""
        try:
            message = PartMessage.parse(_only(arguments, named))
        except MessageError as error:
            refuse(error, registry, tallies)
            queue = self.request.delivery_info["routing_key"]
            bury(_entry(self.request.id, arguments, named), queue, error, letters)
            return
        with about(task=self.request.id, job=message.job, part=message.part, round=message.round):
            _tell(registry.count_taken, self.request.delivery_info["routing_key"])
            _run(message, runner, registry, ending, tallies)


def _run(message: PartMessage, runner: PartRunner, registry: Registry, ending: Ending, tallies: Tallies) -> None:
    where = f"part {message.part} of {message.job}"
    try:
        with working(PART_TASK):
            taken = runner.run(message)
    except BaseException as error:  # noqa: BLE001 - Celery's thread pool would lose the slot for ever
        tallies.parts.add(_outcome(error))
        _settle(error, message, where, runner, registry, ending, tallies)
    else:
        tallies.parts.add("done" if taken else "elsewhere")
        _log.info("%s is done" if taken else "%s is in work elsewhere", where)


def _settle(
    error: BaseException,
    message: PartMessage,
    where: str,
    runner: PartRunner,
    registry: Registry,
    ending: Ending,
    tallies: Tallies,
) -> None:
    """Ends a part that has no result: its message goes back to the queue, or is dropped."""
    match error:
        case GivenBackError():
            raise Reject("the worker is stopping", requeue=True) from None
        case HeldError():
            _log.info("%s is left: the job was %s", where, error)
        case EngineStoppedError():
            # This worker is of no more use: it gives the part to others and ends.
            ending.fail(EXIT_ENGINE_STOPPED, "the engine has stopped")
            raise Reject("the engine has stopped", requeue=True) from None
        case MessageError():
            refuse(error, registry, tallies)
            if error.reason != "no_such_part":
                _tell(runner.progress(message).refuse, message.part, message.round, str(error))
        case MemoryError() | WorkerError() | StorageError(passing=True):
            why = str(error) or f"there was too little memory for {where}"
            _log.error("%s: the part is queued again", why)
            _tell(partial(runner.progress(message).refuse, passing=True), message.part, message.round, why)
        case AskpixError():
            _log.error("%s", error)
        case _:
            _log.error("%s failed unexpectedly", where, exc_info=error)


def _outcome(error: BaseException) -> str:
    """Returns how a part ended that has no result, in a word; see `_settle`."""
    match error:
        case GivenBackError() | EngineStoppedError():
            return "given_back"
        case HeldError():
            return "held"
        case MessageError():
            return "refused"
        case MemoryError() | WorkerError() | StorageError(passing=True):
            return "again"
        case _:
            return "failed"


def add_ask_task(
    app: Celery,
    runner: AskRunner,
    replies: Replies,
    streams: Streams,
    registry: Registry,
    ending: Ending,
    tallies: Tallies,
) -> None:
    """Makes the app take asks. What cannot be answered fails the task with a MessageError.

    An ask leaves the broker when it begins: one that is lost with its worker is asked again by whoever waits for
    it, and would otherwise be answered, and its output be written over newer ones, when nobody does any more.
    """

    @app.task(  # type: ignore[untyped-decorator]
        name=ASK_TASK, bind=True, ignore_result=False, acks_late=False, Request=SettledRequest
    )
    def ask(self: Any, *arguments: Any, **named: Any) -> None:
        """Answers one image; see AskMessage."""
        problem: AskpixError | None = None
        stream: Stream | None = None
        with about(task=self.request.id):
            try:
                with working(ASK_TASK):
                    message = AskMessage.parse(_only(arguments, named))
                    if message.stream:
                        stream = streams.open(self.request.id)
                    row = runner.run(message, stream)
            except BaseException as error:  # noqa: BLE001 - Celery's thread pool would lose the slot for ever
                problem = _problem(error, registry, ending, tallies)
                if not self.request.ignore_result:
                    replies.fail(self.request.id, problem)
            else:
                if not self.request.ignore_result:
                    replies.answer(self.request.id, row)
            if stream is not None:
                # Who hears of its end finds the answer.
                streams.end(stream)
        # What there is to store was stored.
        raise SettledError(problem)


def _problem(error: BaseException, registry: Registry, ending: Ending, tallies: Tallies) -> AskpixError:
    """Returns what is told to whoever asked."""
    match error:
        case MessageError():
            refuse(error, registry, tallies)
            return error
        case EngineStoppedError():
            # This worker is of no more use.
            ending.fail(EXIT_ENGINE_STOPPED, "the engine has stopped")
            return AskpixError("the worker has stopped before it answered: ask again")
        case StorageError():
            return error
        case _:
            _log.error("an ask failed unexpectedly", exc_info=error)
            return AskpixError(f"the worker failed on this: {type(error).__name__}: {str(error)[:300]}")


def _only(arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Returns the one object that a message holds; of anything else, what no message is."""
    return arguments[0] if len(arguments) == 1 and not named else [*arguments, named]


def refuse(error: MessageError, registry: Registry, tallies: Tallies) -> None:
    """Says that a message was refused, in the log and in the counters."""
    tallies.refuse(error.reason)
    _log.error("a message was refused: %s", error)
    _tell(registry.count_refused, error.reason)


def bury(entry: str | bytes, queue: str, error: MessageError, letters: DeadLetters) -> None:
    """Keeps a message that was not understood, for a person."""
    try:
        letters.add(entry, queue, reason=error.reason, why=str(error))
    except redis.RedisError as trouble:
        _log.warning("a message that was refused could not be kept: %s", trouble)


def _entry(id_: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> str:
    """Returns a part's message as it would be in a queue."""
    body = json.dumps([arguments, named, {}])
    headers = {"task": PART_TASK, "id": id_}
    kind = {"content-type": "application/json", "content-encoding": "utf-8"}
    return json.dumps({"body": body, **kind, "headers": headers, "properties": {"body_encoding": "utf-8"}})


def _tell(what: Any, *arguments: Any) -> None:
    try:
        what(*arguments)
    except redis.RedisError as error:
        _log.warning("the broker could not be told: %s", error)
