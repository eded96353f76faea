"""What the attributes of a sheet say of each other: names, columns, conditions."""

from __future__ import annotations

from collections.abc import Sequence

from askpix.producer.sheets.attributes import Attribute
from askpix.producer.sheets.fields import Word
from askpix.producer.sheets.mistakes import Mistakes
from askpix.producer.shown import shown_value
from askpix.producer.titles import clashes
from askpix.producer.words import listed


def check_between(attributes: Sequence[Attribute], told: Mistakes) -> None:
    """Tells what is wrong between attributes, in the order in which they are asked."""
    _check_titles(attributes, told)
    asked = _Asked(attributes)
    for place, attribute in enumerate(attributes):
        _check_earlier(asked, place, attribute, told)


class _Asked:
    """Attributes by what their answers are called; of several that are called alike, the first."""

    def __init__(self, attributes: Sequence[Attribute]) -> None:
        self.attributes = attributes
        self.titles = [None if (word := attribute.title) is None else word.text for attribute in attributes]
        self.places: dict[str, int] = {}
        for place, title in enumerate(self.titles):
            if title is not None:
                self.places.setdefault(title, place)
        self.known = [title for title in self.titles if title is not None]
        self.are_all_known = len(self.known) == len(self.titles)


def _check_titles(attributes: Sequence[Attribute], told: Mistakes) -> None:
    titles = [attribute.title for attribute in attributes]
    texts = [None if title is None else title.text for title in titles]
    for index, problem in clashes(texts, ["" if title is None else f"line {title.node.line}" for title in titles]):
        title = titles[index]
        assert title is not None
        told.tell(title.node, problem)


def _check_earlier(asked: _Asked, place: int, attribute: Attribute, told: Mistakes) -> None:
    after = attribute.word("after")
    if after is not None:
        _earlier(asked, place, after, "after", told)
    for name, terms in attribute.values.get("when", ()):
        found = _earlier(asked, place, name, "when", told)
        possible = None if found is None else found.terms
        if possible is None:
            continue
        for term in terms:
            if term.text not in possible:
                near = told.nearest(term.text, possible)
                instead = f"write {near}" if near else f"it can be {listed(possible, quoted=True)}"
                told.tell(
                    term.node,
                    f"{shown_value(name.text)} is never answered by {shown_value(term.text)}: {instead}",
                )


def _earlier(asked: _Asked, place: int, name: Word, key: str, told: Mistakes) -> Attribute | None:
    """Returns the attribute of that name which is asked before another; tells why there is none."""
    found = asked.places.get(name.text)
    if found is not None and found < place:
        return asked.attributes[found]
    if found == place:
        told.tell(name.node, f"{key}: an attribute cannot wait for its own answer: name an earlier one")
    elif found is not None:
        line = asked.attributes[found].node.line
        told.tell(
            name.node, f"{key}: {shown_value(name.text)} is asked later, in line {line}: put that attribute before this"
        )
    elif asked.are_all_known:
        known = asked.known[:place]
        near = told.nearest(name.text, known)
        there = f"there are {listed(known, quoted=True)}" if known else "there is none before this"
        instead = f"write {near}" if near else there
        told.tell(name.node, f"{key}: no earlier attribute is called {shown_value(name.text)}: {instead}")
    return None
