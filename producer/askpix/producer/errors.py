"""What can go wrong, in words for a person.

Every error that a person is told by is an `AskpixError`. Its text says what happened, to what, and what to do next; the
command line prints it as it is, and ends with exit code 2. What askpix itself catches, as what becomes a row, is none.
"""

from __future__ import annotations

from enum import Enum


class AskpixError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)

    @property
    def lines(self) -> tuple[str, ...]:
        """What the command line prints, a line each."""
        return (str(self),)


class InputError(AskpixError):
    """What was given cannot be used: a list, a file, an option or a question."""


class SheetError(InputError):
    """A sheet has mistakes.

    Args:
        mistakes: each in one line, with file, line, and what to write instead.
    """

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes

    @property
    def lines(self) -> tuple[str, ...]:
        return self.mistakes


class JobError(AskpixError):
    """The job cannot be submitted, carried on, read or changed."""


class StorageError(AskpixError):
    """The storage cannot be read or written.

    Args:
        message: one sentence for a person.
        passing: whether it may do in a while what it did not now: it was not reached, or is overloaded, or full.
    """

    def __init__(self, message: str | None = None, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class TooLargeError(StorageError):
    """A file is larger than any that askpix writes."""


class BrokerTrouble(Enum):
    """Why the broker did not do what it was asked to."""

    LOST = "it does not answer"
    FULL = "its memory is full"
    READ_ONLY = "it takes no writes"
    OTHER = "trying again is of no use"


class BrokerError(AskpixError):
    """The broker cannot be reached, or does not do what it is asked to.

    Args:
        message: one sentence for a person.
        trouble: what a caller may want to tell apart.
    """

    def __init__(self, message: str | None = None, trouble: BrokerTrouble = BrokerTrouble.OTHER) -> None:
        super().__init__(message)
        self.trouble = trouble


class ModelError(AskpixError):
    """The model folder cannot be used."""


class DeviceError(AskpixError):
    """The device is not there or cannot do what is asked."""


class WorkerError(AskpixError):
    """The worker ended or could not be started."""


class MessageError(AskpixError):
    """A message was refused; nothing was touched.

    Args:
        message: one sentence for a person.
        reason: a short and stable word, for counters; `askpix.worker.error_codes.REASONS` has all.
    """

    def __init__(self, message: str, reason: str = "malformed") -> None:
        super().__init__(message)
        self.reason = reason
