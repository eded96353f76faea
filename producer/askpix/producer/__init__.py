"""The producer's side: submitting jobs, following them, reading their results."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askpix.producer.asking import Ask
    from askpix.producer.client import Client
    from askpix.producer.errors import AskpixError, MessageError, SheetError
    from askpix.producer.followed import Job, JobProgress
    from askpix.producer.items import Item, Options, Turn
    from askpix.producer.live import Glimpse
    from askpix.producer.questions import Question
    from askpix.producer.rows import Alternative, Answer, Choice, Kind, Row, Status
    from askpix.producer.sheets.reading import read_questions

__all__ = [
    "Alternative",
    "Answer",
    "Ask",
    "AskpixError",
    "Choice",
    "Client",
    "Glimpse",
    "Item",
    "Job",
    "JobProgress",
    "Kind",
    "MessageError",
    "Options",
    "Question",
    "Row",
    "SheetError",
    "Status",
    "Turn",
    "read_questions",
]

_MODULES = {
    "asking": ("Ask",),
    "client": ("Client",),
    "errors": ("AskpixError", "MessageError", "SheetError"),
    "followed": ("Job", "JobProgress"),
    "items": ("Item", "Options", "Turn"),
    "live": ("Glimpse",),
    "questions": ("Question",),
    "rows": ("Alternative", "Answer", "Choice", "Kind", "Row", "Status"),
    "sheets.reading": ("read_questions",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    # Imported when they are asked for: who needs an error alone does not wait for Celery.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
