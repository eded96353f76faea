"""Why an item, or one question of it, has no answer."""

from __future__ import annotations

from askpix.producer.errors import AskpixError, ModelError
from askpix.worker.error_codes import Code


class ItemError(Exception):
    """Becomes a result row.

    Args:
        code: a `Code`, or what a server answered; short and stable, for the row's `error_code`.
        message: one sentence for a person.
        retryable: whether trying again can help.
        after: seconds that whoever refused it asked to wait before that.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False, after: float | None = None) -> None:
        super().__init__(message)
        self.code = str(code)
        self.message = message
        self.retryable = retryable
        self.after = after


class ImageError(ItemError):
    """An image that cannot be fetched or decoded."""


class RequestError(ItemError):
    """A request that the engine cannot answer, or did not."""


def internal_error(error: BaseException) -> ItemError:
    """Returns what a row says where askpix itself failed."""
    reason = f"{type(error).__name__}: {error}"
    return ItemError(Code.INTERNAL_ERROR, f"askpix failed on this item: {reason[:300]}", retryable=True)


class EngineStoppedError(AskpixError):
    """The model's engine has stopped: start the worker again; its log says why."""


class MemoryShortError(ModelError):
    """The model does not fit into the memory that is left: have less beside it, or take a smaller one."""
