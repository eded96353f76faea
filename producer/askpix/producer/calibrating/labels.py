"""What is known to be right: tables of labels, and what people put right in a job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from askpix.producer.cells import comparable, number_of
from askpix.producer.columns import IMAGE_COLUMNS
from askpix.producer.edited import LINES, Record, read_records
from askpix.producer.errors import InputError
from askpix.producer.questions import Question
from askpix.producer.storage import shortened
from askpix.producer.terms import terms_of, understood
from askpix.producer.words import Meant, listed, nearest

MAX_LABELS = 1_000_000
"""Items with labels that are held at once."""

_MAX_REFUSED = 1_000
"""Labels that are none of which is kept why; the others are counted."""

_NEAR = 20
"""Labels that are none for which the term is looked for that may be meant."""


@dataclass(kw_only=True, slots=True)
class Labels:
    """The right answers to some questions about some items."""

    by_item: dict[str, dict[str, str]] = field(default_factory=dict)
    """By an item's id or image, as `comparable` makes it, and by the question's title; in the shop's terms."""

    refused: list[str] = field(default_factory=list)
    """Of the first labels that are none: where each is, and why."""

    refused_too: int = 0
    """How many there are beside those."""

    file: str = ""
    """Where they are from."""

    are_exact: bool = False
    """Whether no spreadsheet can have made other numbers of ids."""

    def refuse(self, why: str) -> None:
        """Takes note of a label that is none."""
        if len(self.refused) < _MAX_REFUSED:
            self.refused.append(why)
        else:
            self.refused_too += 1

    def refuse_twins(self, ids: Iterable[str]) -> None:
        """Refuses the labels of items whose ids are one number to a spreadsheet, which writes them alike.

        Args:
            ids: of all items that labels may be of.
        """
        if self.are_exact:
            return
        numbers = {number for key in self.by_item if (number := number_of(key)) is not None}
        first: dict[str, str] = {}
        twins: dict[str, str] = {}
        for identity in ids:
            number = number_of(comparable(identity))
            if number in numbers and number is not None and first.setdefault(number, identity) != identity:
                twins.setdefault(number, identity)
        for key in [key for key in self.by_item if number_of(key) in twins]:
            number = number_of(key) or ""
            both = listed([repr(first[number]), repr(twins[number])])
            self.refuse(
                f"{self.file}: {shortened(repr(key))}: the ids {both} are one number to a spreadsheet, which writes "
                "them alike: give a column `image` in place of `id`, or labels as .jsonl"
            )
            del self.by_item[key]


def read_labels(path: Path, questions: Sequence[Question]) -> Labels:
    """Returns the labels of a .csv, .tsv or .jsonl file: a column `id` or `image`, and one for each attribute.

    Cells that are empty say nothing, nor do those that hold what an attribute says where it is not sure. Where lines
    say different things of one item, none of them is taken.

    Raises:
        InputError: the file cannot be read, or has no such columns.
    """
    known = {comparable(question.title).casefold(): question for question in questions}
    labels, names = Labels(file=str(path), are_exact=path.suffix.lower() in LINES), dict[str, None]()
    reading = _Reading(known, labels)
    for record in read_records(path):
        names.update(dict.fromkeys(record.values))
        if len(labels.by_item) >= MAX_LABELS:
            raise InputError(f"{path} labels more than {MAX_LABELS:,} items: fewer will do")
        reading.take(record)
    if not any(labels.by_item.values()) and not labels.refused:
        raise InputError(f"{path} labels nothing: {_missing(list(names), [q.title for q in questions])}")
    return labels


def label_of(question: Question, text: str, meant: Callable[[str, Iterable[str]], str | None] = nearest) -> str | None:
    """Returns a label in the question's terms, None where it says that nobody is sure.

    Args:
        meant: see `understood`.

    Raises:
        InputError: it is none of the terms.
    """
    label = understood(question, text, meant)
    return None if label == question.then and label not in terms_of(question) else label


class _Reading:
    """Takes the labels of a table, line by line."""

    def __init__(self, known: Mapping[str, Question], labels: Labels) -> None:
        self._known = known
        self._labels = labels
        self._meant = Meant(_NEAR)
        self._first: dict[str, str] = {}
        """Where the first label of an item is."""
        self._later: dict[tuple[str, str], str] = {}
        """Where those labels are that are not in the line of the item's first."""
        self._two_ways: set[tuple[str, str]] = set()

    def take(self, record: Record) -> None:
        item = _item(record)
        for name, text in record.values.items():
            question = self._known.get(comparable(name).casefold())
            if question is None:
                continue
            try:
                label = label_of(question, text, self._meant)
            except InputError as error:
                self._labels.refuse(f"{record.where}: {shortened(question.title)}: {error}")
                continue
            if label is not None:
                self._keep(item, question.title, label, record.where)

    def _keep(self, item: str, title: str, label: str, where: str) -> None:
        held = self._labels.by_item.setdefault(item, {})
        before = held.get(title)
        if (item, title) in self._two_ways:
            self._refuse(item, title, where)
        elif before is None:
            held[title] = label
            if self._first.setdefault(item, where) != where:
                self._later[item, title] = where
        elif before != label:
            del held[title]
            self._two_ways.add((item, title))
            self._refuse(item, title, self._later.pop((item, title), self._first[item]))
            self._refuse(item, title, where)

    def _refuse(self, item: str, title: str, where: str) -> None:
        what = f"{shortened(title)} of {shortened(repr(item))}"
        self._labels.refuse(f"{where}: this table labels {what} in two ways: leave one line of them")


def _item(record: Record) -> str:
    values = {name.casefold(): text for name, text in record.values.items()}
    for name in ("id", *IMAGE_COLUMNS):
        if name in values:
            return comparable(values[name])
    raise InputError(f"{record.where}: labels need a column `id` or `image`; this row has {_named(record)}")


def _named(record: Record) -> str:
    return listed([repr(name) for name in record.values])


def _missing(names: Sequence[str], titles: Sequence[str]) -> str:
    """Returns which columns there are instead of those that are wanted."""
    for title in titles:
        if (near := nearest(title, names)) is not None:
            return f"it has a column {shortened(repr(near))}: is that {shortened(repr(title))}?"
    return f"it has the columns {listed(names) or 'none'}, and the attributes are {listed(titles)}"
