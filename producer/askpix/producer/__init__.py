"""The producer's side: submitting jobs, following them, reading their results."""

from askpix.producer.asking import Ask
from askpix.producer.client import Client
from askpix.producer.errors import AskpixError, MessageError
from askpix.producer.followed import Job, JobProgress
from askpix.producer.items import Item, Options, Question
from askpix.producer.rows import Alternative, Answer, Choice, Kind, Row, Status

__all__ = [
    "Alternative",
    "Answer",
    "Ask",
    "AskpixError",
    "Choice",
    "Client",
    "Item",
    "Job",
    "JobProgress",
    "Kind",
    "MessageError",
    "Options",
    "Question",
    "Row",
    "Status",
]
