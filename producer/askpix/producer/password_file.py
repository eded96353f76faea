"""Passwords that come from files, as secrets of containers do."""

from __future__ import annotations

from pathlib import Path

from askpix.producer.errors import AskpixError

_MOST_BYTES = 4_096
"""Of a file, which is no password any more if it is longer."""


def password_in(file: Path, named_by: str) -> str:
    """Returns the password that a file holds, in its only line.

    Args:
        named_by: the setting or option that names the file.

    Raises:
        AskpixError: the file cannot be read, or holds no password.
    """
    try:
        with file.open("rb") as opened:
            held = opened.read(_MOST_BYTES + 1)
        password = held.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise AskpixError(f"{named_by}: {file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise AskpixError(f"{named_by}: {file} holds no text") from None
    if not password or len(held) > _MOST_BYTES or not password.isprintable():
        raise AskpixError(f"{named_by}: {file} holds no password: write it there in one line")
    return password
