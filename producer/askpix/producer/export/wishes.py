"""How an export is to be, beyond what its name says, and what that makes of a job's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import compress

from askpix.producer.columns import Columns
from askpix.producer.corrections import corrections
from askpix.producer.export.corrected import Corrected
from askpix.producer.export.form import Source
from askpix.producer.export.grouping import Grouping
from askpix.producer.export.originals import ReadOriginals
from askpix.producer.export.since import Changes, changes
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_spec import JobSpec
from askpix.producer.results import Line, Results

_Lines = Callable[[], Iterator[Line]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """How an export is to be, beyond what its name says."""

    form: str | None = None
    """The name of a form; None where the name of the file says all."""

    groups: bool = False
    """Put the answers of a group's images together."""

    since: JobFolder | None = None
    """An earlier job: what is the same there is left out."""

    merge: str | None = None
    """The user's own list, to which the answers are added."""

    columns: Columns = field(default_factory=Columns)
    """Of that list, as the job was made of it."""

    excel: bool = False
    """Begin tables with the mark by which Excel knows UTF-8."""

    places: bool = False
    """Whether it was said where images may be read from, which is for forms that hold them."""


def source_of(folder: JobFolder, wishes: Wishes, originals: ReadOriginals | None) -> tuple[Source, Changes | None]:
    """Returns what is exported of a job, and how that compares to the earlier job, where there is one.

    Raises:
        JobError: a result file is missing or damaged.
        StorageError: a folder cannot be listed, or there is no room for temporary files.
    """
    results = Results.of(folder)
    spec = folder.spec()
    corrected = Corrected(corrections(folder))
    source = Source(
        results=results,
        lines=_lines(results, spec, corrected, groups=wishes.groups),
        corrected=corrected,
        spec=spec,
        by_group=wishes.groups,
        excel=wishes.excel,
        originals=originals,
    )
    return (source, None) if wishes.since is None else _changed(source, wishes.since)


def _lines(results: Results, spec: JobSpec | None, corrected: Corrected, *, groups: bool) -> _Lines:
    if groups:
        return Grouping(results, spec, corrected).lines
    if not corrected:
        return results.lines
    return lambda: (line._replace(corrected=corrected.of_item(line.id)) for line in results.lines())


def _changed(source: Source, earlier: JobFolder) -> tuple[Source, Changes]:
    """Returns a source without what an earlier job says too."""
    before = _lines(
        Results.of(earlier), earlier.spec() if source.by_group else None, Corrected({}), groups=source.by_group
    )
    if source.by_group:
        lines = source.lines
        found = changes(before(), lines())
        kept = bytes(1 - left for left in found.left_out)
        return replace(source, lines=lambda: compress(lines(), kept)), found
    sizes: list[tuple[int, int]] = []
    results = source.results
    found = changes(before(), _counted(results, sizes))
    left_out, start = {}, 0
    for part, size in sizes:
        left_out[part] = found.left_out[start : start + size]
        start += size
    results = replace(results, left_out=left_out)
    return replace(source, results=results, lines=_lines(results, source.spec, source.corrected, groups=False)), found


def _counted(results: Results, sizes: list[tuple[int, int]]) -> Iterator[Line]:
    """Yields the lines, and notes how many each part has."""
    for part in results.parts:
        size = 0
        for size, line in enumerate(replace(results, parts=(part,)).lines(), 1):  # noqa: B007 - it is kept
            yield line
        sizes.append((part[0], size))
