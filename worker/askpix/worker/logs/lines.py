"""From a log record to a line: for people as `time LEVEL message field=value`, or one JSON object for programs."""

from __future__ import annotations

import json
import logging
import os
import re
import time
import traceback
from collections.abc import MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any

from askpix.producer.masking import Masking, escaped, shortened
from askpix.worker.logs.about import FIELDS

Event = MutableMapping[str, Any]

_MESSAGE, _FIELD, _TRACEBACK = 4_000, 500, 12_000
"""Characters of each."""

_LEVELS = {
    logging.DEBUG: "\x1b[2m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[1;31m",
}
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"

_UNSURE = re.compile(r"[\s=\"]|\A\Z").search


class Facts:
    """A processor that reads off a record what every line tells.

    Args:
        replica: number of this process among those of one parent, whose own is 0; None where there is no parent.
    """

    def __init__(self, replica: int | None) -> None:
        self._own = replica
        self._replica = {} if replica is None else {"replica": replica}
        self._pid = os.getpid()

    def __call__(self, logger: Any, method: str, event: Event) -> Event:  # noqa: ARG002 - as structlog calls it
        record: logging.LogRecord = event["_record"]
        told = {"created": record.created, "level": record.levelname, "number": record.levelno, "own": self._own}
        named = {"logger": record.name, "pid": self._pid, **self._replica}
        # Celery says of a task in this way which one it is.
        data = getattr(record, "data", None)
        if isinstance(data, dict) and "id" in data:
            named["task"] = data["id"]
        return {**told, **named, **event}


def with_traceback(logger: Any, method: str, event: Event) -> Event:  # noqa: ARG001
    """A processor that has what was raised told as the pieces of a traceback: each frame, and all of each message."""
    error = (event.pop("exc_info", None) or (None, None, None))[1]
    if error is not None:
        event["exception"] = traceback.format_exception(error)
    return event


class Safe:
    """A processor that masks all texts of a line and takes out what a terminal would act on."""

    def __init__(self, masking: Masking) -> None:
        self._masking = masking

    def __call__(self, logger: Any, method: str, event: Event) -> Event:  # noqa: ARG002
        event["event"] = self._text(str(event["event"]), _MESSAGE)
        for name in FIELDS:
            if name in event:
                event[name] = self._value(event[name])
        if "exception" in event:
            event["exception"] = self._traceback(event["exception"])
        return event

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(one) for one in value]
        return value if isinstance(value, int) else self._reference(str(value))

    def _reference(self, value: str) -> str:
        # It is one as a whole, with the spaces that it may hold.
        if value[:8].lower().startswith(("http://", "https://")):
            value = "%20".join(value.split())
        return self._text(value, _FIELD)

    def _text(self, text: str, most: int) -> str:
        return shortened(escaped(self._masking(text)), most)

    def _traceback(self, pieces: Sequence[str]) -> str:
        kept: list[str] = []
        left = _TRACEBACK
        # Its end says most.
        for piece in reversed(pieces):
            kept.insert(0, self._piece(piece))
            left -= len(kept[0])
            if left < 0:
                kept[0] = "...\n"
                break
        text = self._masking("".join(kept)).removesuffix("\n")
        return "\n".join(escaped(line) for line in text.split("\n"))

    def _piece(self, piece: str) -> str:
        # Masked before it is cut: a half of a secret is not known as one.
        return piece if len(piece) <= _MESSAGE else f"{shortened(self._masking(piece), _MESSAGE)}\n"


def as_json(logger: Any, method: str, event: Event) -> str:  # noqa: ARG001
    """Renders one JSON object, in ASCII."""
    at = datetime.fromtimestamp(event["created"], UTC).isoformat(timespec="milliseconds")
    line = {
        "time": at.replace("+00:00", "Z"),
        "level": event["level"].lower(),
        "message": event["event"],
        "logger": event["logger"],
        "pid": event["pid"],
        **{name: event[name] for name in FIELDS if name in event},
    }
    if "exception" in event:
        line["exception"] = event["exception"]
    return json.dumps(line)


class ForPeople:
    """Renders a line as a terminal shows it; a traceback follows, indented, so that none of it looks like a line.

    Args:
        colors: whether the terminal knows them, and nobody minds.
    """

    def __init__(self, *, colors: bool) -> None:
        self._colors = colors

    def __call__(self, logger: Any, method: str, event: Event) -> str:  # noqa: ARG002
        created = event["created"]
        at = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(created))},{int(created % 1 * 1000):03d}"
        who = f" [{event['own']}:{event['pid']}]" if event["own"] else ""
        level = self._colored(event["level"], _LEVELS.get(event["number"], ""))
        fields = " ".join(_field(name, event[name]) for name in self._shown(event))
        line = f"{at}{who} {level} {event['event']}" + (f"  {self._colored(fields, _DIM)}" if fields else "")
        if "exception" in event:
            line += "".join(f"\n    {one}" for one in event["exception"].split("\n"))
        return line

    def _shown(self, event: Event) -> list[str]:
        """Returns the fields that the message does not say already."""
        message = event["event"]
        said = {
            "replica": event.get("replica") == event["own"] or f"replica {event.get('replica')} " in message,
            "job": (job := str(event.get("job"))) in message,
            "part": f"part {event.get('part')} of {job}" in message,
            "round": event.get("round") == 0,
            "task": "task" in event and str(event["task"]) in message,
        }
        if "part" in event:
            # Its id is for whoever looks for it in Celery's own lines.
            said["task"] = True
        return [name for name in FIELDS if name in event and not said.get(name)]

    def _colored(self, text: str, color: str) -> str:
        return f"{color}{text}{_PLAIN}" if self._colors and color else text


def _field(name: str, value: Any) -> str:
    shown = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    # Quoted where it could be taken for more than one.
    return f"{name}={json.dumps(shown, ensure_ascii=False)}" if _UNSURE(shown) else f"{name}={shown}"
