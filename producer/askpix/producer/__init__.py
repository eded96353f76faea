"""The producer's side: submitting jobs, following them, reading their results."""

from askpix.producer.client import Client, Job, JobProgress
from askpix.producer.errors import AskpixError
from askpix.producer.items import Item, Options, Question
from askpix.producer.rows import Answer, Choice, Kind, Row, Status

__all__ = [
    "Answer",
    "AskpixError",
    "Choice",
    "Client",
    "Item",
    "Job",
    "JobProgress",
    "Kind",
    "Options",
    "Question",
    "Row",
    "Status",
]
