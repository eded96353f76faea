"""Where log lines go: to standard error, all in one form, whichever library they come from."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TextIO

import redis
import structlog
import urllib3
from structlog.contextvars import merge_contextvars
from structlog.typing import Processor

from askpix.producer.broker_url import place_of
from askpix.producer.errors import BrokerError
from askpix.producer.masking import Masking
from askpix.producer.settings import Settings
from askpix.worker.logs.lines import Facts, ForPeople, Safe, as_json

_log = logging.getLogger("askpix")

_AWS_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


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


_taken: LogForm | None = None


def taken() -> LogForm | None:
    """Returns how this process logs, for a process of its own to do so too; None where that is not ours to say."""
    return _taken


def secrets_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Returns what this process knows and must not say: URLs with passwords, those of sentinels, and keys of S3."""
    held = [settings.broker_url] + ([] if settings.proxy is None else [settings.proxy])
    keys = [environment[name] for name in _AWS_SECRETS if environment.get(name)]
    with suppress(BrokerError):  # said where the URL is used
        keys.append(place_of(settings.broker_url).sentinel_password or "")
    return (*(secret.get_secret_value() for secret in held), *keys)


def log_to_stderr(form: LogForm) -> None:
    """Has all that this process logs, warns of and dies of said on standard error. Called again, it replaces that."""
    global _taken
    _taken = form
    handler = logging.StreamHandler(sys.stderr)
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
            structlog.processors.format_exc_info,
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
        record.msg, record.args = f"{record.getMessage().splitlines()[0]}: {error}", ()
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
