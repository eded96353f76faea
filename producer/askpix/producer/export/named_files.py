"""Files of an export that go by the names of images: each under a name that no other has."""

from __future__ import annotations

from pathlib import Path

from askpix.producer.export.names import file_name

_NUMBER = "-12345678"
"""As long as numbers become."""


class NamedFiles:
    """Writes files into a folder, which replace none that it has. Of equal names each finds its number at once.

    The file system says whether two names are one: not all tell capitals apart.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers: dict[tuple[str, ...], int] = {}
        """The last one that was given, by what all names have in common that may get the same ones."""

    def write(self, place: tuple[str, ...], suffix: str, data: bytes) -> str | None:
        """Writes a file of that place, as `sidecar_path` says it; returns its path, None where there is one already.

        Raises:
            OSError: it cannot be written.
        """
        return self._written(place, "", suffix, data)

    def write_numbered(self, place: tuple[str, ...], suffix: str, data: bytes) -> str:
        """Writes a file of that place with a number, from 2 on; returns its path.

        Raises:
            OSError: it cannot be written.
        """
        *folders, stem = place
        # Long names are cut to make room for a number: so they can become one.
        common = (*folders, file_name(stem, _NUMBER, suffix), suffix)
        key = tuple(text.casefold() for text in common)
        number = self._numbers.get(key, 1) + 1
        while (path := self._written(place, f"-{number}", suffix, data)) is None:
            number += 1
        self._numbers[key] = number
        return path

    def _written(self, place: tuple[str, ...], ending: str, suffix: str, data: bytes) -> str | None:
        *folders, stem = place
        parent = self._folder.joinpath(*folders)
        parent.mkdir(parents=True, exist_ok=True)
        name = f"{file_name(stem, ending, suffix)}{suffix}"
        try:
            with (parent / name).open("xb") as file:
                file.write(data)
        except FileExistsError:
            return None
        return "/".join((*folders, name))
