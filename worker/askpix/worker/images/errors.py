"""Why an image could not be had."""

from __future__ import annotations


class ImageError(Exception):
    """An image that cannot be fetched or decoded; the row says why.

    Args:
        code: short and stable, for the row's `error_code`.
        message: one sentence for a person.
        retryable: whether trying again can help.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
