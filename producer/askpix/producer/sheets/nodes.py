"""What is written in a sheet, and where: YAML 1.2 as texts, lists and mappings, each with its line.

A word stays as it was written: `38` is a text of two digits, and `no` is a word. What is to be a number or true or
false is made so by whoever reads that key. Nothing is ever constructed from a tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

_MOST_NODES = 300_000
"""Counted each time that an alias stands for them: a few lines of aliases of aliases can stand for billions."""

_MOST_CHARACTERS = 10_000_000
"""Of all texts, counted in the same way: a few lines of one long text can be as much."""

_DEEPEST = 60
"""Levels: schemas are what goes deepest."""

_TAG = "tag:yaml.org,2002:"
_MERGE = "<<"
_LINE_ENDS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
# Possessive: a line of a million spaces is looked at once.
_NO_SPACE = re.compile(r"\s*+(?:-\s*+)?+([a-z_]++):\S")


class Form(StrEnum):
    """What a word that is written without quotes could be taken for."""

    TEXT = "str"
    NULL = "null"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"


_WORDS = frozenset((*Form, "timestamp", "merge", "value"))
"""What YAML may take a word for that has no tag."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scalar:
    """A text, as it is written; without the quotes, if it has any."""

    line: int
    text: str
    form: Form
    plain: bool
    """Whether it stands without quotes."""

    glued: tuple[int, str] | None = None
    """A line that it goes over and that was to be a key of its own: its number, and the key, with no space after the
    colon."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mapped:
    line: int
    entries: tuple[tuple[Scalar, Node], ...]
    """In order; a key may come twice."""


Node: TypeAlias = Scalar | Listed | Mapped


class UnreadableNodeError(Exception):
    """Something in a sheet is neither text, list nor mapping.

    Args:
        line: from 1.
        problem: what it is, and what to write instead.
    """

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


def composed(text: str) -> Node | None:
    """Returns what a YAML document holds; None, if it holds nothing.

    Raises:
        UnreadableNodeError: something in it is nothing that a sheet may hold.
        ruamel.yaml.error.YAMLError: it is not YAML.
        RecursionError: it is nested too deeply.
    """
    _check_directives(lines_of(text))
    loader = YAML(typ="safe", pure=True)
    # An anchor may be given anew; that is not worth a warning of Python's.
    loader.composer.warn_double_anchors = False
    root = loader.compose(text)
    return None if root is None else _Reading(lines_of(text)).node(root, 0)


def _check_directives(lines: list[str]) -> None:
    """Raises UnreadableNodeError where a document says how it is to be read: in YAML 1.1, `no` is no word."""
    for number, line in enumerate(lines, 1):
        if line.startswith("%"):
            raise UnreadableNodeError(number, "a sheet is YAML 1.2, and does without directives: leave this line out")
        if line.strip() and not line.lstrip().startswith("#"):
            return


def lines_of(text: str) -> list[str]:
    """Returns the lines of a document, as YAML and its positions count them."""
    return _LINE_ENDS.split(text)


class _Reading:
    """Takes over the nodes of a document; those of an alias each time that it stands there."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._count = 0
        self._characters = 0

    def node(self, node: Any, depth: int) -> Node:
        line = node.start_mark.line + 1
        self._count += 1
        self._characters += len(node.value) if isinstance(node, ScalarNode) else 0
        if self._count > _MOST_NODES or self._characters > _MOST_CHARACTERS:
            raise UnreadableNodeError(line, "this sheet has too much in it, or aliases (*) make it so: write less")
        if depth > _DEEPEST:
            raise UnreadableNodeError(line, "this is nested too deeply, or an alias (*) stands within what it names")
        if isinstance(node, ScalarNode):
            return self._scalar(node, line)
        if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
            return Listed(line=line, items=tuple(self.node(item, depth + 1) for item in node.value))
        if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
            return Mapped(line=line, entries=tuple(self._entries(node, depth)))
        raise _tagged(node, line)

    def _scalar(self, node: Any, line: int) -> Scalar:
        plain = node.style is None
        tag = str(node.tag)
        form = tag.removeprefix(_TAG)
        if not tag.startswith(_TAG) or form not in _WORDS:
            raise _tagged(node, line)
        known = plain and form in {each.value for each in Form}
        return Scalar(
            line=line,
            text=_whole(str(node.value), line),
            form=Form(form) if known else Form.TEXT,
            plain=plain,
            glued=self._glued(node) if plain else None,
        )

    def _glued(self, node: Any) -> tuple[int, str] | None:
        for number in range(node.start_mark.line + 1, min(node.end_mark.line + 1, len(self._lines))):
            if found := _NO_SPACE.match(self._lines[number]):
                return number + 1, found[1]
        return None

    def _entries(self, node: Any, depth: int) -> Iterator[tuple[Scalar, Node]]:
        merged: list[tuple[Scalar, Node]] = []
        own = []
        for key_node, value_node in node.value:
            key = self.node(key_node, depth + 1)
            if not isinstance(key, Scalar):
                raise UnreadableNodeError(key.line, "a key is one word, such as text or name: put it in quotes")
            value = self.node(value_node, depth + 1)
            if isinstance(value, Scalar) and value.form is Form.NULL and not value.text:
                # What is not there would stand where the next thing begins.
                value = replace(value, line=key.line)
            if key.plain and key.text == _MERGE:
                merged += _merged(value)
            else:
                own.append((key, value))
        names = {key.text for key, _ in own}
        yield from own
        for key, value in merged:
            if key.text not in names:
                names.add(key.text)
                yield key, value


def _merged(value: Node) -> Iterator[tuple[Scalar, Node]]:
    """Yields what a key `<<` stands for."""
    for each in value.items if isinstance(value, Listed) else (value,):
        if not isinstance(each, Mapped):
            raise UnreadableNodeError(value.line, "<< takes over the keys of another attribute: write <<: *its-anchor")
        yield from each.entries


def _tagged(node: Any, line: int) -> UnreadableNodeError:
    name = str(node.tag).removeprefix(_TAG)
    return UnreadableNodeError(
        line, f"{name[:40]!r} is a tag of YAML, which sheets do without: put a text that begins with ! in quotes"
    )


def _whole(text: str, line: int) -> str:
    """Returns a text whose characters are whole: JSON writes some of them as two halves."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise UnreadableNodeError(line, "half of a surrogate pair is no text: write the character itself") from None
