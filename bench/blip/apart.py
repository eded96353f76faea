"""Forms in processes of their own, which stand still but for their turns."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from bench.blip.forms import Form


class FormFailedError(Exception):
    """A form's process could not do what it was to do."""


class Apart:
    """A form in a process of its own: so threads and memory of one are none of the others' concern.

    Args:
        name: of the form.
        build: makes the form, in that process; it and what it holds must be picklable.
    """

    def __init__(self, name: str, build: Callable[[], Form]) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, build), name=name)
        self._process.start()
        theirs.close()
        self._result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, method: str, *arguments: object) -> Any:
        """Returns what a method of the form returns there; raises FormFailedError where it raises."""
        self._connection.send((method, arguments))
        return self._result()

    def get(self, attribute: str) -> Any:
        """Returns an attribute of the form."""
        return self.call("__getattribute__", attribute)

    def close(self) -> None:
        """Closes the form and ends its process."""
        self._connection.close()
        self._process.join()

    def _result(self) -> Any:
        try:
            error, result = self._connection.recv()
        except EOFError:
            raise FormFailedError(f"{self.name}: its process has ended") from None
        if error:
            raise FormFailedError(f"{self.name}: {error}")
        return result


def _serve(connection: Connection, build: Callable[[], Form]) -> None:
    """Builds the form and does as it is told, until the other end is closed."""
    # Whoever gave the orders may end at any time; so does this process then, and all that the form has running.
    with suppress(EOFError, ConnectionError, KeyboardInterrupt), ExitStack() as stack:
        try:
            form = build()
            stack.callback(form.close)
            connection.send(("", None))
        except Exception as error:  # noqa: BLE001 - told to whoever wanted it
            connection.send((_reason(error), None))
            return
        while True:
            method, arguments = connection.recv()
            try:
                connection.send(("", getattr(form, method)(*arguments)))
            except Exception as error:  # noqa: BLE001
                connection.send((_reason(error), None))


def _reason(error: Exception) -> str:
    """Returns what an error says and where it came from, in one line."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{said} ({Path(place.filename).name}:{place.lineno})"
