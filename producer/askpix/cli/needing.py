"""What is said where a package is missing that not every install has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from askpix.producer.errors import AskpixError


@contextmanager
def needing(what: str, extra: str = "convert") -> Iterator[None]:
    """Says which packages to install where one is missing, by the name of the extra that brings them."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("askpix"):
            raise
        raise AskpixError(f"{what} needs the package {error.name}: run `pip install 'askpix[{extra}]'`") from None
