"""What people put right: kept in the job folder beside the model's answers, which stay as they are.

corrections/000001.json       what was read at a time; never changed, the newest of an answer counts
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from askpix.producer.errors import JobError, TooLargeError
from askpix.producer.job_folder import JobFolder
from askpix.producer.shown import first_problem

MAX_CORRECTIONS = 100_000
"""That are kept at a time."""

MAX_CORRECTION = 100_000
"""Characters of one: captions and free answers are some too."""

_MAX_BYTES = 500_000_000
"""Of a file of them."""

_MAX_ALL_BYTES = 1_000_000_000
"""Of all files of a job."""

_FOLDER = "corrections"
_NAME = re.compile(r"[0-9]{6,18}\.json")
_MOST = 10**18 - 1

_Text = Annotated[str, StringConstraints(max_length=MAX_CORRECTION)]


class Correction(BaseModel):
    """What a person says that an answer should be."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    """Of the item."""

    attribute: str
    """The question's name, or its text; "caption" for captions."""

    text: _Text
    """In the shop's own terms; of several, separated by commas, and empty where there are none."""


class _Kept(BaseModel):
    """corrections/000001.json and so on."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    created_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    corrections: Annotated[tuple[Correction, ...], Field(max_length=MAX_CORRECTIONS)]


def corrections(folder: JobFolder) -> Mapping[str, Mapping[str, str]]:
    """Returns what people put right in a job: by the item's id and the attribute, the newest text.

    All of it is held at once.

    Raises:
        JobError: a file of them is damaged, or they are too many.
        StorageError: the folder cannot be read.
    """
    found: dict[str, dict[str, str]] = {}
    for number, data in _files(folder):
        for each in _parsed(folder, number, data).corrections:
            found.setdefault(each.id, {})[each.attribute] = each.text
    return found


def keep_corrections(folder: JobFolder, new: Sequence[Correction]) -> None:
    """Adds corrections to a job folder, all in one atomic step.

    Raises:
        JobError: there are too many, with those that were kept before too, or a file stands where no later one can be.
        StorageError: they cannot be written.
    """
    if len(new) > MAX_CORRECTIONS:
        raise JobError(f"{len(new):,} corrections are too many at a time: give them in files of {MAX_CORRECTIONS:,}")
    data = _Kept(corrections=tuple(new)).model_dump_json().encode() + b"\n"
    if len(data) > _MAX_BYTES:
        raise JobError(f"corrections of {len(data) / 1e6:,.0f} MB are too large at a time: give them in several files")
    number, held = 1, len(data)
    for last, kept in _files(folder):
        number, held = last + 1, held + len(kept)
    if held > _MAX_ALL_BYTES:
        raise JobError(
            f"with these, the corrections of {folder.uri} would have {held / 1e6:,.0f} MB, and no more than "
            f"{_MAX_ALL_BYTES / 1e6:,.0f} MB can be held: move some files of {_FOLDER} to another place"
        )
    # Another may have been quicker, with corrections of its own.
    while number <= _MOST and not folder.storage.create(_name(number), data):
        number += 1
    if number > _MOST:
        raise JobError(f"{folder.uri}/{_name(_MOST)} is the last that there can be: give it a number that is free")


def _files(folder: JobFolder) -> Iterator[tuple[int, bytes]]:
    """Yields the number of each file, in their order, and what it holds."""
    left = _MAX_ALL_BYTES
    for number in _numbers(folder):
        data = _read(folder, number)
        left -= len(data)
        if left < 0:
            raise JobError(
                f"the files of {folder.uri}/{_FOLDER} have more than {_MAX_ALL_BYTES / 1e6:,.0f} MB together, too many "
                "to be held: move some of them to another place"
            )
        yield number, data


def _numbers(folder: JobFolder) -> Iterator[int]:
    """Yields the numbers of files, in their order."""
    names = [name for name in folder.storage.names(_FOLDER) if _NAME.fullmatch(name)]
    numbers = {name: int(name.removesuffix(".json")) for name in names}
    yield from sorted(number for name, number in numbers.items() if name == _file(number))


def _file(number: int) -> str:
    return f"{number:06d}.json"


def _name(number: int) -> str:
    return f"{_FOLDER}/{_file(number)}"


def _read(folder: JobFolder, number: int) -> bytes:
    name = _name(number)
    try:
        return folder.storage.read(name, most=_MAX_BYTES)
    except FileNotFoundError:
        raise JobError(f"{folder.uri}/{name} was removed while it was to be read: run the same command again") from None
    except TooLargeError as error:
        raise JobError(f"{error}: remove it, then give its table to `askpix correct` again") from None


def _parsed(folder: JobFolder, number: int, data: bytes) -> _Kept:
    try:
        return _Kept.model_validate_json(data)
    except ValidationError as error:
        raise JobError(
            f"{folder.uri}/{_name(number)} is damaged ({first_problem(error)}): remove it, then give its table to "
            "`askpix correct` again"
        ) from None
