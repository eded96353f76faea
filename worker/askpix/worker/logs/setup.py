"""Where log lines go: to standard error, all in one form, whichever library they come from."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TextIO

import redis
import structlog
import urllib3
from structlog.contextvars import merge_contextvars
from structlog.typing import Processor

from askpix.producer.masking import Masking
from askpix.worker.logs.lines import Facts, ForPeople, Safe, as_json, with_traceback

_log = logging.getLogger("askpix")


@dataclass(frozen=True, kw_only=True, slots=True)
class LogForm:
    """How a process logs."""

    level: str = "info"
    """Of askpix's own lines: debug, info, warning or error. Libraries say nothing below info."""

    json: bool = False
    """One JSON object a line, rather than lines for people."""

    replica: int | None = None
    """Number among the processes of one parent, whose own is 0; None where there is no parent."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    """That are masked wherever they stand."""


class _Handler(logging.StreamHandler[TextIO]):
    """Says of a line that cannot be made in one of the same form, without its arguments."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - as in the base class
        why = traceback.format_exception_only(sys.exc_info()[1])[-1].strip()
        form = record.msg if isinstance(record.msg, str) else f"({type(record.msg).__name__})"
        text = f"a line of {record.filename}:{record.lineno} cannot be logged: {why}: {form}"
        with suppress(Exception):  # the stream itself is gone
            line = logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, text, None, None)
            self.stream.write(self.format(line) + self.terminator)
            self.flush()


_current: LogForm | None = None


def current_form() -> LogForm | None:
    """Returns how this process logs, for a process of its own to do so too; None where that is not ours to say."""
    return _current


def log_to_stderr(form: LogForm) -> None:
    """Has all that this process logs, warns of and dies of said on standard error. Called again, it replaces that."""
    global _current
    _current = form
    handler = _Handler(sys.stderr)
    handler.setFormatter(formatter(form, colors=has_colors(sys.stderr)))
    handler.addFilter(_in_a_line)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    number = logging.getLevelNamesMapping()[form.level.upper()]
    # Debug is for ourselves: what libraries say there is too much, and shows what they send.
    root.setLevel(max(number, logging.INFO))
    # Celery sets the root logger's level to its own taste.
    _log.setLevel(number)
    logging.captureWarnings(True)
    sys.excepthook = _died
    threading.excepthook = _thread_died
    sys.unraisablehook = _not_raised


def formatter(form: LogForm, *, colors: bool = False) -> logging.Formatter:
    """Returns what makes lines of records, whichever logger they are from."""
    render: Processor = as_json if form.json else ForPeople(colors=colors)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[merge_contextvars, Facts(form.replica)],
        processors=[
            with_traceback,
            Safe(Masking(form.secrets)),
            render,
        ],
    )


def has_colors(stream: TextIO) -> bool:
    """Returns whether lines are for a terminal that knows colors, and nobody minds them."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _in_a_line(record: logging.LogRecord) -> bool:
    """Has libraries say in a line that a connection broke: where in their code they noticed is of no use to anybody."""
    error = record.exc_info[1] if record.exc_info else None
    broke = isinstance(error, OSError | redis.RedisError | urllib3.exceptions.HTTPError)
    if broke and not record.name.startswith("askpix"):
        with suppress(Exception):  # a message that cannot be made is the handler's to tell of
            said = record.getMessage().partition("\n")[0]
            record.msg, record.args = f"{said}: {error}" if said else str(error), ()
            record.exc_info = record.exc_text = None
    return True


def _died(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    _log.critical("the process ends", exc_info=(kind, error, trace))


def _thread_died(arguments: Any) -> None:
    if not issubclass(arguments.exc_type, SystemExit):
        name = "" if arguments.thread is None else f" {arguments.thread.name}"
        _log.critical("the thread%s has ended", name, exc_info=arguments.exc_value)


def _not_raised(arguments: Any) -> None:
    _log.error(
        "%s: %r", arguments.err_msg or "raised where nobody waits", arguments.object, exc_info=arguments.exc_value
    )
