"""Reads what people wrote into a review's table, and keeps what is right of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from askpix.producer.cells import comparable, number_of
from askpix.producer.corrections import MAX_CORRECTION, MAX_CORRECTIONS, Correction, corrections, keep_corrections
from askpix.producer.edited import LINES, Record, read_records
from askpix.producer.errors import InputError
from askpix.producer.followed import Job
from askpix.producer.items import Item
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_spec import JobSpec
from askpix.producer.questions import Question
from askpix.producer.storage import shortened
from askpix.producer.terms import understood
from askpix.producer.words import Meant, listed

COLUMNS = ("id", "attribute", "correction")
"""Of a table of corrections; others are left aside."""

_NEAR = 20
"""Unknown ids, attributes and terms of a table for which one that is like them is looked for."""

_OTHERS = 10_000
"""Ids among which it is looked for."""

_TWINS = 100
"""Items of ids that are the same number, of which is known what they are."""

_CELL = 32_000
"""Characters that spreadsheets keep of a cell, and a little less."""

_MAX_HELD = 50_000_000
"""Characters of all that is filled in of a table: it is held at once."""

_HELD = 1_000
"""Characters that are held of an image: some are whole files in a URI."""

CAPTION = "caption"

_Asked = Mapping[str, Question | None]
"""An item's questions, by what their answers are called; None stands for a caption."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Corrected:
    """What became of a table's corrections."""

    kept: int
    same: int
    """That were there already."""

    refused: tuple[str, ...]
    """Of each that was not taken: where it is, and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Filled:
    where: str
    id: str
    attribute: str
    text: str
    image: str | None
    """As `_form` makes it; None where the table does not say it, as of the group."""

    group: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """An item of the job."""

    id: str
    image: str
    group: str
    asked: _Asked

    def is_meant(self, filled: _Filled) -> bool:
        """Returns whether what a table says beside the id is so of this item."""
        if filled.image is not None:
            return filled.image == self.image
        return filled.group is None or filled.group == self.group


def correct(job: Job, path: Path) -> Corrected:
    """Keeps the corrections of a table in the job's folder: those of which items, attributes and terms are known.

    Raises:
        InputError: the file cannot be read, or has other columns; nothing was kept.
        JobError: the job's folder is damaged.
        StorageError: the job's folder cannot be read or written.
    """
    filled = list(_filled(path))
    found = _Items(filled, are_exact=path.suffix.lower() in LINES)
    for item, asked in asked_of(job.folder, job.spec):
        found.see(item, asked)
    read = [_read(each, found) for each in filled]
    texts: dict[tuple[str, str], set[str]] = {}
    for each in read:
        if isinstance(each, Correction):
            texts.setdefault((each.id, each.attribute), set()).add(each.text)
    known = corrections(job.folder)
    new: dict[tuple[str, str], Correction] = {}
    same, refused = 0, list[str]()
    for line, each in zip(filled, read, strict=True):
        if isinstance(each, InputError):
            refused.append(f"{line.where}: {each}")
        elif len(texts[each.id, each.attribute]) > 1:
            what = f"{shortened(each.attribute)} of {shortened(repr(each.id))}"
            refused.append(f"{line.where}: this table corrects {what} in two ways: leave one line of them")
        elif (each.id, each.attribute) in new or known.get(each.id, {}).get(each.attribute) == each.text:
            same += 1
        else:
            new[each.id, each.attribute] = each
    if new:
        keep_corrections(job.folder, list(new.values()))
    return Corrected(kept=len(new), same=same, refused=tuple(refused))


def _read(filled: _Filled, found: _Items) -> Correction | InputError:
    """Returns what was filled in, or why it is refused."""
    try:
        return found.correction(filled)
    except InputError as error:
        return error


def asked_of(folder: JobFolder, spec: JobSpec) -> Iterator[tuple[Item, _Asked]]:
    """Yields each item, and what is asked of it; one part is held at a time.

    Raises:
        JobError: an input file is missing or damaged.
    """
    usual = _by_title(spec.questions)
    for part in range(spec.parts):
        for item in folder.read_input(part, spec.id):
            yield item, usual if item.questions is None else _by_title(item.questions)


def _by_title(questions: Sequence[Question] | None) -> _Asked:
    return {question.title: question for question in questions} if questions else {CAPTION: None}


def _filled(path: Path) -> Iterator[_Filled]:
    """Yields what was filled in."""
    count = held = 0
    for record in read_records(path):
        values = {name.casefold(): value for name, value in record.values.items()}
        if (text := values.get("correction")) is None:
            continue
        count += 1
        if count > MAX_CORRECTIONS:
            raise InputError(f"{path} has more than {MAX_CORRECTIONS:,} corrections: give them in several files")
        held += len(text) + len(values.get("id", "")) + len(values.get("attribute", ""))
        if held > _MAX_HELD:
            raise InputError(
                f"{record.where}: up to here the corrections have more than {_MAX_HELD:,} characters: give them in "
                "several files"
            )
        yield _Filled(
            where=record.where,
            id=_needed(values, "id", record),
            attribute=_needed(values, "attribute", record),
            text=text,
            image=_form(values["image"]) if "image" in values else None,
            group=_form(values["group"]) if "group" in values else None,
        )
    if not count:
        raise InputError(f"{path} corrects nothing: fill in the column `correction` beside `id` and `attribute`")


def _needed(values: Mapping[str, str], name: str, record: Record) -> str:
    if name not in values:
        raise InputError(
            f"{record.where}: a correction needs the columns {listed(COLUMNS)}; `{name}` is missing or empty"
        )
    return values[name]


class _Items:
    """The items that corrections are of.

    Args:
        filled: what was filled in.
        are_exact: whether no spreadsheet can have made other numbers of ids.
    """

    def __init__(self, filled: Sequence[_Filled], *, are_exact: bool) -> None:
        self._cells = {each.id for each in filled}
        self._alike = {comparable(cell) for cell in self._cells}
        self._numbers = set() if are_exact else {number_of(form) for form in self._alike} - {None}
        self._exact: dict[str, _Known] = {}
        self._by_form: dict[str, list[_Known]] = {}
        self._by_number: dict[str, list[_Known]] = {}
        self._others: list[str] = []
        self._near = Meant(_NEAR)

    def see(self, item: Item, asked: _Asked) -> None:
        """Takes note of an item of the job."""
        assert item.id is not None
        form = comparable(item.id)
        number = number_of(form)
        if form in self._alike or item.id in self._cells or number in self._numbers:
            known = _Known(id=item.id, image=_form(item.image), group=_form(item.group or ""), asked=asked)
            if item.id in self._cells:
                self._exact[item.id] = known
            if form in self._alike:
                self._by_form.setdefault(form, []).append(known)
            if number in self._numbers and number is not None:
                twins = self._by_number.setdefault(number, [])
                if len(twins) < _TWINS:
                    twins.append(known)
        if len(self._others) < _OTHERS:
            self._others.append(item.id)

    def correction(self, filled: _Filled) -> Correction:
        """Returns what was filled in, in the words of the job.

        Raises:
            InputError: the job knows no such item, attribute or term.
        """
        item = self._item(filled)
        attribute = _attribute(filled.attribute, item.asked, self._near)
        if len(filled.text) > MAX_CORRECTION:
            raise InputError(f"a correction may have {MAX_CORRECTION:,} characters; this has {len(filled.text):,}")
        try:
            text = understood(item.asked[attribute], _sound(filled.text), self._near)
        except InputError as error:
            raise InputError(f"{shortened(attribute)}: {error}") from None
        return Correction(id=item.id, attribute=attribute, text=text)

    def _item(self, filled: _Filled) -> _Known:
        item = self._called(filled.id)
        twins = self._by_number.get(number_of(comparable(filled.id)) or "", [])
        meant = [each for each in twins if each.is_meant(filled)]
        if not item.is_meant(filled):
            what = "image" if filled.image is not None else "group"
            hint = f": is it {shortened(repr(meant[0].id))}?" if len(meant) == 1 else ""
            raise InputError(f"the item {shortened(repr(item.id))} has another {what} than this line says{hint}")
        if len(meant) > 1:
            raise InputError(
                f"the ids {listed([repr(each.id) for each in meant])} are one number to a spreadsheet, which writes "
                "them alike: keep the column `image` beside it, or give corrections as .jsonl"
            )
        return item

    def _called(self, cell: str) -> _Known:
        if (known := self._exact.get(cell)) is not None:
            return known
        found = self._by_form.get(comparable(cell), [])
        if len(found) > 1:
            raise InputError(f"the ids {listed([repr(each.id) for each in found])} look alike in a table")
        if not found:
            twins = self._by_number.get(number_of(comparable(cell)) or "")
            near = twins[0].id if twins else self._near(cell, self._others)
            hint = "" if near is None else f": is it {shortened(repr(near))}?"
            raise InputError(f"the job has no item {shortened(repr(cell))}{hint}")
        return found[0]


def _attribute(cell: str, asked: _Asked, nearest: Meant) -> str:
    if cell in asked:
        return cell
    forms = {comparable(title).casefold(): title for title in asked}
    title = forms.get(comparable(cell).casefold())
    if title is None:
        near = nearest(cell, asked)
        hint = f": is it {shortened(repr(near))}?" if near is not None else f", but {listed(list(asked))}"
        raise InputError(f"{shortened(repr(cell))} was not asked of this item{hint}")
    return title


def _form(text: str) -> str:
    """Returns what of an image or a group is the same in a job and in a table of it, and short."""
    form = comparable(_sound(text))[:_CELL]
    return form if len(form) <= _HELD else hashlib.sha256(form.encode()).hexdigest()


def _sound(text: str) -> str:
    """Returns a text that every program can hold."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
