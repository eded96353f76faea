"""What a form of export is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from askpix.producer.export.corrected import Corrected
from askpix.producer.export.originals import ReadOriginals
from askpix.producer.job_spec import JobSpec
from askpix.producer.questions import Question
from askpix.producer.results import Line, Results


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What is exported, whatever the form."""

    results: Results
    lines: Callable[[], Iterator[Line]]
    """The items, or the groups of them, that wide tables have: each call begins anew."""

    spec: JobSpec | None = None
    """What the job is; None where there is no job.json, and so nobody knows what was asked."""

    corrected: Corrected = field(default_factory=lambda: Corrected({}))
    """What people have put right; whoever writes a line takes it from there."""

    by_group: bool = False
    """Whether a line is a group."""

    excel: bool = False
    """Whether tables begin with the mark by which Excel knows UTF-8."""

    originals: ReadOriginals | None = None
    """What reads images again; None where that cannot be."""

    @property
    def questions(self) -> tuple[Question, ...]:
        """Of the job; none where it captions."""
        return () if self.spec is None else self.spec.questions or ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What an export came to."""

    items: int
    """That it holds, or has tried: items of the job, groups of them, or rows of the user's own list."""

    files: int | None = None
    """Written into a folder; None where all is one file."""

    noun: str = "item"
    """What such a file is called; where all is one file, what a row of it is."""

    of: int | None = None
    """Results that it is of, with those that were left out; None where that is not counted."""

    without: int = 0
    """Items that failed, or have no answer: they get no file."""

    renamed: int = 0
    """Files whose name another image's had taken: they end in -2, -3 and so on."""

    notes: tuple[str, ...] = ()
    """What else is to be told."""


WriteFile = Callable[[Source, IO[bytes]], int]
"""Writes one file; returns how many items, or groups, it holds."""

WriteFolder = Callable[..., Exported]
"""Takes a source, a path, and `force`: whether what is there is replaced."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """A form of export. Each is in a module of its own, as `FORM`, which `forms.py` lists."""

    name: str
    """As `--form` takes it."""

    said: str
    """In a few words."""

    files: Mapping[str, WriteFile] = field(default_factory=dict)
    """By the ending of a file's name."""

    folder: WriteFolder | None = None
    """Where it takes a folder."""

    shards: str | None = None
    """The ending of a name that stands for several files, which `folder` takes."""

    packed: frozenset[str] = frozenset()
    """Endings that may be followed by .gz."""

    images: bool = False
    """Whether it reads the images again."""

    wide: bool = False
    """Whether a line may be a group."""
