"""Writes calibrations into a sheet, of which nothing else changes: not a comment, not a space."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from askpix.producer.calibration import Calibration
from askpix.producer.errors import InputError
from askpix.producer.tabs import without_tabs

_KEY = "calibration"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z_-]*( [A-Za-z_-]+)*")
_NOT_PLAIN = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
"""Words that YAML, of one version or another, takes for something else than texts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Edit:
    begin: int
    end: int
    text: str


class _Composer(Composer):
    """Composes nodes that stand where they are written: of an alias, where it is, not where its anchor is."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        # An anchor may be given anew.
        self.warn_double_anchors = False

    def compose_node(self, parent: Any, index: Any) -> Any:
        alias = self.parser.peek_event() if self.parser.check_event(AliasEvent) else None
        node = super().compose_node(parent, index)
        if alias is None:
            return node
        text = node.value if isinstance(node, ScalarNode) else ""
        return ScalarNode(node.tag, text, start_mark=alias.start_mark, end_mark=alias.end_mark)


def with_calibrations(text: str, found: Mapping[str, Calibration | None]) -> str:
    """Returns a sheet's text with other calibrations.

    Args:
        text: a sheet that can be read.
        found: by attribute, what takes the place of its calibration, None removes that; others keep theirs.

    Raises:
        InputError: it is written in a way in which nothing can be put.
    """
    ends = "\r\n" if "\r\n" in text else "\n"
    edits: list[_Edit] = []
    for item in _items(text):
        title = _title(item)
        if title is not None and title in found:
            edits += _edits(text, item, found[title], ends)
    for edit in sorted(edits, key=lambda edit: edit.begin, reverse=True):
        text = text[: edit.begin] + edit.text + text[edit.end :]
    return text


def written(calibration: Calibration) -> str:
    """Returns a calibration as a sheet has it, in one line."""
    shifts = ", ".join(f"{_word(choice)}: {shift:g}" for choice, shift in calibration.shifts.items())
    parts = [f"temperature: {calibration.temperature:g}", f"shifts: {{{shifts}}}" if shifts else ""]
    if (whole := calibration.whole) is not None:
        parts.append(f"whole: {{temperature: {whole.temperature:g}, shift: {whole.shift:g}}}")
    return f"{{{', '.join(filter(None, parts))}}}"


def _items(text: str) -> list[MappingNode]:
    loader = YAML(typ="rt", pure=True)
    loader.Composer = _Composer
    try:
        # As it is read: what stands for a tab has its place.
        root: Any = loader.compose(without_tabs(text))
    except (YAMLError, RecursionError) as error:
        raise InputError(f"the sheet is not YAML: {' '.join(str(error).split())[:200]}") from None
    items = root.value if isinstance(root, SequenceNode) else []
    return [item for item in items if isinstance(item, MappingNode)]


def _title(item: MappingNode) -> str | None:
    values = {key.value: value.value for key, value in item.value if isinstance(value, ScalarNode)}
    return values.get("name") or values.get("text")


def _edits(text: str, item: MappingNode, calibration: Calibration | None, ends: str) -> Iterator[_Edit]:
    """Yields what removes an item's calibration, and what adds the new one."""
    entries = [(key, value) for key, value in item.value if key.value != _KEY]
    for place, (key, value) in enumerate(item.value):
        if key.value == _KEY:
            yield _without(text, item, place, key, value)
    if calibration is None:
        return
    if item.flow_style:
        # As JSON, which a sheet may be, and which all of YAML's flow style takes.
        value = json.dumps(calibration.model_dump(mode="json"), ensure_ascii=False)
        at = _end(text, entries[-1][1])
        yield _Edit(begin=at, end=at, text=f', "{_KEY}": {value}')
        return
    at = _line_end(text, _end(text, entries[-1][1]))
    first = item.value[0][0].start_mark
    yield _Edit(begin=at, end=at, text=f"{ends}{' ' * first.column}{_KEY}: {written(calibration)}")


def _without(text: str, item: MappingNode, place: int, key: Node, value: Node) -> _Edit:
    begin, end = key.start_mark.index, _end(text, value)
    if item.flow_style:
        # With the comma before it, or, of the first, after it.
        before = text[:begin].rstrip()
        if place and before.endswith(","):
            return _Edit(begin=len(before) - 1, end=end, text="")
        after = re.compile(r"\s*,\s*").match(text, end)
        return _Edit(begin=begin, end=after.end() if after else end, text="")
    if place == 0 and len(item.value) > 1:
        # What stands behind the dash.
        return _Edit(begin=begin, end=item.value[1][0].start_mark.index, text="")
    line = text.rfind("\n", 0, begin)
    if text[line - 1 : line] == "\r":
        line -= 1
    return _Edit(begin=line, end=_line_end(text, end), text="")


def _end(text: str, node: Node) -> int:
    """Returns where a value ends, without what stands between it and the next."""
    while not getattr(node, "flow_style", None) and not isinstance(node, ScalarNode) and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return len(text[: node.end_mark.index].rstrip())


def _line_end(text: str, at: int) -> int:
    found = re.compile(r"\r?\n|\Z").search(text, at)
    assert found is not None
    return found.start()


def _word(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and text.casefold() not in _NOT_PLAIN
    return text if plain else json.dumps(text, ensure_ascii=False)
