"""What people put right of a job: which of it an export tells, and that there is more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from askpix.producer.results import Line
from askpix.producer.shown import shown_value
from askpix.producer.words import counted


class Corrected:
    """A job's corrections, and those of them that were written so far.

    Args:
        said: by the item's id and the question's name, what a person says that the answer should be.
    """

    def __init__(self, said: Mapping[str, Mapping[str, str]]) -> None:
        self._said = said
        self._groups: dict[str | None, Sequence[str]] = {}
        """By group, those of its items that anybody has corrected."""

        self._told: set[tuple[str, str]] = set()
        self.names = tuple(dict.fromkeys(name for texts in said.values() for name in texts))
        """Of all questions that were corrected."""

    def __bool__(self) -> bool:
        return bool(self._said)

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

    def told(self, line: Line, name: str) -> str | None:
        """Returns what a line's answer should be, which is written then; None where nobody has said it."""
        text = (line.corrected or {}).get(name)
        if text is not None:
            identities = self._groups[line.group] if line.id is None else (line.id,)
            self._told.update((identity, name) for identity in identities if name in self._said[identity])
        return text

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
