"""The Celery tasks `askpix.part` and `askpix.ask`: from a message to its end, whatever happens on the way."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
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
from askpix.worker.events import SettledError, SettledRequest
from askpix.worker.item_errors import EngineStoppedError
from askpix.worker.logs.about import about
from askpix.worker.part import PartRunner
from askpix.worker.part_work import GivenBackError, HeldError
from askpix.worker.replies import Replies
from askpix.worker.slots import working
from askpix.worker.streaming import Stream, Streams
from askpix.worker.tallies import Tallies

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reports:
    """To whom it is said how messages fare. A broker that cannot be told keeps nothing from going on."""

    registry: Registry
    letters: DeadLetters
    ending: Ending
    tallies: Tallies

    def refuse(self, error: MessageError) -> None:
        """Says that a message was refused, in the log and in the counters."""
        self.tallies.refuse(error.reason)
        _log.error("a message was refused: %s", error)
        self.tell(self.registry.count_refused, error.reason)

    def bury(self, entry: str | bytes, queue: str, error: MessageError) -> None:
        """Keeps a message that was not understood, for a person."""
        try:
            self.letters.add(entry, queue, reason=error.reason, why=str(error))
        except redis.RedisError as trouble:
            _log.warning("a message that was refused could not be kept: %s", trouble)

    def stop(self) -> None:
        """Ends the worker, whose engine is of no more use."""
        self.ending.fail(EXIT_ENGINE_STOPPED, "the engine has stopped")

    def tell(self, what: Callable[..., object], *arguments: object) -> None:
        """Tells the broker something."""
        try:
            what(*arguments)
        except redis.RedisError as error:
            _log.warning("the broker could not be told: %s", error)


def add_part_task(app: Celery, runner: PartRunner, reports: Reports) -> None:
    """Makes the app take parts."""

    @app.task(name=PART_TASK, bind=True)  # type: ignore[untyped-decorator]
    def part(self: Any, *arguments: Any, **named: Any) -> None:
        """Answers one part of a job; see PartMessage."""
        queue = self.request.delivery_info["routing_key"]
        try:
            message = PartMessage.parse(_only(arguments, named))
        except MessageError as error:
            reports.refuse(error)
            reports.bury(_entry(self.request.id, arguments, named), queue, error)
            return
        with about(task=self.request.id, job=message.job, part=message.part, round=message.round):
            reports.tell(reports.registry.count_taken, queue)
            _run(message, runner, reports)


def _run(message: PartMessage, runner: PartRunner, reports: Reports) -> None:
    where = f"part {message.part} of {message.job}"
    try:
        with working(PART_TASK):
            taken = runner.run(message)
    except BaseException as error:  # noqa: BLE001 - Celery's thread pool would lose the slot for ever
        reports.tallies.parts.add(_outcome(error))
        _settle(error, message, where, runner, reports)
    else:
        reports.tallies.parts.add("done" if taken else "elsewhere")
        _log.info("%s is done" if taken else "%s is in work elsewhere", where)


def _settle(error: BaseException, message: PartMessage, where: str, runner: PartRunner, reports: Reports) -> None:
    """Ends a part that has no result: its message goes back to the queue, or is dropped."""
    match error:
        case GivenBackError():
            raise Reject("the worker is stopping", requeue=True) from None
        case HeldError():
            _log.info("%s is left: the job was %s", where, error)
        case EngineStoppedError():
            # It gives the part to others and ends.
            reports.stop()
            raise Reject("the engine has stopped", requeue=True) from None
        case MessageError():
            reports.refuse(error)
            if error.reason != "no_such_part":
                reports.tell(runner.progress(message).refuse, message.part, message.round, str(error))
        case MemoryError() | WorkerError() | StorageError(passing=True):
            why = str(error) or f"there was too little memory for {where}"
            _log.error("%s: the part is queued again", why)
            reports.tell(partial(runner.progress(message).refuse, passing=True), message.part, message.round, why)
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


def add_ask_task(app: Celery, runner: AskRunner, replies: Replies, streams: Streams, reports: Reports) -> None:
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
                problem = _problem(error, reports)
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


def _problem(error: BaseException, reports: Reports) -> AskpixError:
    """Returns what is told to whoever asked."""
    match error:
        case MessageError():
            reports.refuse(error)
            return error
        case EngineStoppedError():
            reports.stop()
            return AskpixError("the worker has stopped before it answered: ask again")
        case StorageError():
            return error
        case _:
            _log.error("an ask failed unexpectedly", exc_info=error)
            return AskpixError(f"the worker failed on this: {type(error).__name__}: {str(error)[:300]}")


def _only(arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Returns the one object that a message holds; of anything else, what no message is."""
    return arguments[0] if len(arguments) == 1 and not named else [*arguments, named]


def _entry(id_: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> str:
    """Returns a part's message as it would be in a queue."""
    body = json.dumps([arguments, named, {}])
    headers = {"task": PART_TASK, "id": id_}
    kind = {"content-type": "application/json", "content-encoding": "utf-8"}
    return json.dumps({"body": body, **kind, "headers": headers, "properties": {"body_encoding": "utf-8"}})
