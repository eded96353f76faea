"""What people put right of a job: which of it an export tells, and that there is more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from askpix.producer.results import Line
from askpix.producer.shown import shown_value
from askpix.producer.words import counted

Correction = tuple[str, str]
"""The id of an item, and the name of a question."""


class Corrected:
    """A job's corrections, and those of them that were written so far.

    Args:
        said: by the item's id and the question's name, what a person says that the answer should be.
    """

    def __init__(self, said: Mapping[str, Mapping[str, str]]) -> None:
        self._said = said
        self._groups: dict[str | None, Sequence[str]] = {}
        """By group, those of its items that anybody has corrected."""

        self._told: set[Correction] = set()

    def __bool__(self) -> bool:
        return bool(self._said)

    def names(self, identities: Iterable[str]) -> tuple[str, ...]:
        """Returns the names of all questions that were corrected of some items."""
        return tuple(dict.fromkeys(name for one in identities for name in self._said.get(one, ())))

    def of_item(self, identity: str | None) -> Mapping[str, str] | None:
        """Returns what people put right of an item, by the name of the question; None where that is nothing."""
        return self._said.get(identity or "")

    def of_group(self, group: str | None, identities: Sequence[str]) -> Mapping[str, str] | None:
        """Returns what all corrections of a question say that there are of a group's items."""
        found = [identity for identity in identities if identity in self._said]
        if not found:
            return None
        self._groups[group] = found
        said = [self._said[identity] for identity in found]
        names = dict.fromkeys(name for one in said for name in one)
        texts = {name: {one[name] for one in said if name in one} for name in names}
        return {name: agreed.pop() for name, agreed in texts.items() if len(agreed) == 1} or None

    def of_line(self, line: Line, names: Iterable[str]) -> list[Correction]:
        """Returns the corrections behind what a line has in the columns of some questions."""
        if not line.corrected:
            return []
        there = [name for name in names if name in line.corrected]
        identities = self._groups[line.group] if line.id is None else (line.id,)
        return [(identity, name) for identity in identities for name in there if name in self._said[identity]]

    def tell(self, corrections: Iterable[Correction]) -> None:
        """Takes note that some were written."""
        self._told.update(corrections)

    def notes(self) -> tuple[str, ...]:
        """Returns what is to be told of those that were not written."""
        left = sum(map(len, self._said.values())) - len(self._told)
        if not left:
            return ()
        identity, name = next(
            (identity, name)
            for identity, texts in self._said.items()
            for name in texts
            if (identity, name) not in self._told
        )
        return (
            f"{counted(left, 'correction')} not in it, such as {shown_value(name)} of {shown_value(identity)}: "
            "--form wide, without --groups or --since, has those of all items with a result",
        )
