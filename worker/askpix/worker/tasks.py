"""The Celery tasks `askpix.part` and `askpix.ask`: from a message to its end, whatever happens on the way."""

from __future__ import annotations

import logging
from typing import Any

import redis
from celery import Celery
from celery.exceptions import Ignore, Reject
from celery.worker import state

from askpix.producer.errors import AskpixError, MessageError, StorageError
from askpix.producer.messages import ASK_TASK, PART_TASK, AskMessage, PartMessage
from askpix.producer.progress import Progress
from askpix.producer.registry import Registry
from askpix.worker.asking import AskRunner
from askpix.worker.errors import EngineStoppedError
from askpix.worker.part import GivenBackError, HeldError, PartRunner

_log = logging.getLogger(__name__)

EXIT_ENGINE_STOPPED = 3


def add_part_task(app: Celery, runner: PartRunner, registry: Registry) -> None:
    """Makes the app take parts."""

    @app.task(name=PART_TASK)  # type: ignore[untyped-decorator]
    def part(*arguments: Any, **named: Any) -> None:
        """Answers one part of a job; see PartMessage."""
        try:
            message = PartMessage.parse(_only(arguments, named))
        except MessageError as error:
            _refuse(error, registry)
            return
        progress = runner.progress(message)
        where = f"part {message.part} of {message.job}"
        try:
            taken = runner.run(message)
            _log.info("%s is done" if taken else "%s is in work elsewhere", where)
        except GivenBackError:
            raise Reject("the worker is stopping", requeue=True) from None
        except HeldError as held:
            _log.info("%s is left: the job was %s", where, held)
        except MessageError as error:
            _refuse(error, registry)
            if error.reason != "no_such_part":
                _tell(progress.part_refused, str(error))
        except EngineStoppedError as error:
            # This worker is of no more use: it gives the part to others and ends.
            _fail(error, message, progress)
            state.should_stop = EXIT_ENGINE_STOPPED
            raise Reject("the engine has stopped", requeue=True) from None
        except BaseException as error:  # noqa: BLE001 - Celery's thread pool would lose the slot for ever
            _fail(error, message, progress)


def add_ask_task(app: Celery, runner: AskRunner, registry: Registry) -> None:
    """Makes the app take asks. What cannot be answered fails the task with a MessageError."""

    @app.task(name=ASK_TASK, bind=True, ignore_result=False)  # type: ignore[untyped-decorator]
    def ask(self: Any, *arguments: Any, **named: Any) -> Any:
        """Answers one image; see AskMessage."""
        try:
            return runner.run(AskMessage.parse(_only(arguments, named)))
        except MessageError as error:
            _refuse(error, registry)
            problem: AskpixError = error
        except EngineStoppedError as error:
            _log.error("%s", error)
            state.should_stop = EXIT_ENGINE_STOPPED
            raise Reject("the engine has stopped", requeue=True) from None
        except StorageError as error:
            problem = error
        except BaseException as error:  # noqa: BLE001 - Celery's thread pool would lose the slot for ever
            _log.exception("an ask failed unexpectedly")
            problem = AskpixError(f"the worker failed on this: {type(error).__name__}: {str(error)[:300]}")
        # Stored by hand: Celery would send a traceback along, which is nobody's business but ours.
        kind = type(problem)
        told = {"exc_type": kind.__name__, "exc_message": [str(problem)], "exc_module": kind.__module__}
        self.update_state(state="FAILURE", meta=told)
        raise Ignore


def _only(arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Returns the one object that a message holds; of anything else, what no message is."""
    return arguments[0] if len(arguments) == 1 and not named else [*arguments, named]


def _refuse(error: MessageError, registry: Registry) -> None:
    _log.error("a message was refused: %s", error)
    _tell(registry.count_refused, error.reason)


def _fail(error: BaseException, message: PartMessage, progress: Progress) -> None:
    known = isinstance(error, AskpixError)
    text = str(error) if known else f"part {message.part} failed: {type(error).__name__}: {error}"
    _log.error("%s", text, exc_info=None if known else error)
    _tell(progress.part_error, message.part, text, message.round)


def _tell(what: Any, *arguments: Any) -> None:
    try:
        what(*arguments)
    except redis.RedisError as error:
        _log.warning("the broker could not be told: %s", error)
