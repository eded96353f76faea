"""What somebody has most likely meant whose sheet is not YAML, and what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from askpix.producer.sheets.keys import KEYS
from askpix.producer.shown import shown_value

_KEY = "|".join(KEYS)
_BAD_INDENT = re.compile(r"[ -]*[\t\u00a0]")
_NO_DASH_SPACE = re.compile(r"\s*-[^\s-]")
_GLUED = re.compile(rf"\s*(?:- +)?({_KEY}):(?=\S)(.*)")
_NO_COLON = re.compile(rf"\s*(?:- +)?({_KEY})(?:\s+([^:\s].*))?$")
# Possessive: a line of a million dashes is looked at once.
_ENTRY = re.compile(r"(?P<before>\s*+(?:- ++)*+)(?P<key>[^\s:\"'\[{][^:]*+):\s++(?P<value>.*)")
_BRACKETED = ("choices", "map", "when", "calibration", "json_schema")
_TEXTS = ("text", "name", "then", "after")
_QUOTED = re.compile(r"(?P<key>.*?[:\-\[,{] *)(?P<quote>[\"'])(?P<rest>.*)")


def explained(error: YAMLError, lines: list[str]) -> tuple[int, str]:
    """Returns the line of a mistake, from 1, and what to write instead.

    Args:
        error: what kept the document from being read.
        lines: those of the document.
    """
    if isinstance(error, ReaderError):
        before = "\n".join(lines)[: int(error.position)]
        return before.count("\n") + 1, f"the character U+{error.character:04X} cannot stand in a sheet: delete it"
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return 1, f"this is not YAML: {_short(str(error))}"
    trouble = _Trouble.of(error, lines)
    for look in (_indented_oddly, _quotes, _brackets, _characters, _colons, _indentation, _documents):
        found = look(trouble)
        if found is not None:
            return found[0] + 1, found[1]
    return trouble.at + 1, f"this is not YAML from column {trouble.column + 1}: {_short(trouble.problem)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Trouble:
    """Where reading stopped, and within what; lines and columns from 0."""

    problem: str
    context: str
    at: int
    column: int
    since: int
    lines: list[str]

    @classmethod
    def of(cls, error: MarkedYAMLError, lines: list[str]) -> _Trouble:
        mark, context = error.problem_mark, error.context_mark or error.problem_mark
        return cls(
            problem=str(error.problem),
            context=str(error.context or ""),
            at=mark.line,
            column=mark.column,
            since=min(context.line, mark.line),
            lines=lines,
        )

    def line(self, number: int) -> str:
        return self.lines[number] if 0 <= number < len(self.lines) else ""

    @property
    def text(self) -> str:
        """The line where reading stopped."""
        return self.line(self.at)

    @property
    def above(self) -> int:
        """The last line before that which holds something."""
        number = self.at - 1
        while number > 0 and (not self.line(number).strip() or self.line(number).lstrip().startswith("#")):
            number -= 1
        return max(number, 0)


_Found = tuple[int, str] | None


def _indented_oddly(trouble: _Trouble) -> _Found:
    for number in range(trouble.since, trouble.at + 1):
        if found := _BAD_INDENT.match(trouble.line(number)):
            name = "a tab" if found[0].endswith("\t") else "a space of another kind (U+00A0)"
            return number, f"this line is indented with {name}: use ordinary spaces, two for each level"
    if trouble.text[trouble.column : trouble.column + 1] == "\t":
        return trouble.at, f"there is a tab in column {trouble.column + 1}: use spaces"
    return None


def _quotes(trouble: _Trouble) -> _Found:
    if trouble.context.endswith("quoted scalar") and "end of stream" in trouble.problem:
        return trouble.since, f"the quote that begins here is never closed: end the text with {_quote_in(trouble)}"
    if "unknown escape" in trouble.problem:
        return trouble.at, "in double quotes, \\ begins an escape: write \\\\ for it, or put the text in single quotes"
    if "found '<scalar>'" not in trouble.problem:
        return None
    for number in range(trouble.at - 1, trouble.since - 1, -1):
        # Of a quote that was left open, the next one of its kind is the end.
        if (found := _QUOTED.match(trouble.line(number))) and found["quote"] not in found["rest"]:
            return number, f"the quote that begins here is not closed in this line: end the text with {found['quote']}"
    entry = _ENTRY.match(trouble.text)
    if entry is None:
        return None
    value = entry["value"].rstrip()
    if value.startswith(("{", "[")) and entry["key"] in _BRACKETED:
        return trouble.at, f"the brackets end before column {trouble.column + 1}: leave out what comes after them"
    if value.startswith(("{", "[")):
        return trouble.at, f"a text that begins with {value[0]} must be in quotes: {entry['key']}: {_in_quotes(value)}"
    if value.startswith(("'", '"')):
        inner = value[1:-1] if value.endswith(value[0]) and len(value) > 1 else value.replace(value[0], "")
        return trouble.at, f"the quotes end before the text does: write {entry['key']}: {_in_quotes(inner)}"
    return None


def _quote_in(trouble: _Trouble) -> str:
    found = _QUOTED.match(trouble.line(trouble.since))
    return found["quote"] if found else "the same quote"


def _brackets(trouble: _Trouble) -> _Found:
    if "the node content" in trouble.problem:
        return _no_content(trouble)
    if re.search(r"but found '[\]},:]'", trouble.problem):
        found = trouble.text[trouble.column : trouble.column + 1]
        return (
            trouble.at,
            f"the {found} in column {trouble.column + 1} has nothing before it that it belongs to: leave it out",
        )
    if "while parsing a flow" not in trouble.context:
        return None
    opened, closed = ("[", "]") if "sequence" in trouble.context else ("{", "}")
    rest = trouble.text[trouble.column :]
    if trouble.at == trouble.since and rest[:1] in ("]", "}"):
        return trouble.at, f"what begins with {opened} ends with {rest[0]}: write {closed}"
    if trouble.at == trouble.since and closed in rest:
        return trouble.at, f"a comma is missing before column {trouble.column + 1}, or a text there needs quotes"
    return trouble.since, f"the {opened} of this line is never closed: write {closed} where it ends"


def _no_content(trouble: _Trouble) -> _Found:
    """Tells of a mark where a value was to be."""
    if "','" in trouble.problem:
        return trouble.at, "two commas follow each other, or one comes first: leave one out"
    for number in range(trouble.at - 1, max(trouble.at - 50, -1), -1):
        for opened, closed in ("[]", "{}"):
            if trouble.line(number).count(opened) > trouble.line(number).count(closed):
                return number, f"the {opened} of this line is never closed: write {closed} where it ends"
    found = trouble.text[trouble.column : trouble.column + 1]
    return (
        trouble.at,
        f"the {found} in column {trouble.column + 1} stands where a text was to be: put it in quotes, or leave it out",
    )


def _characters(trouble: _Trouble) -> _Found:
    entry = _ENTRY.match(trouble.text)
    where = f"{entry['key']}: " if entry else ""
    value = _in_quotes(entry["value"].rstrip() if entry else trouble.text[trouble.column :].rstrip())
    if "cannot start any token" in trouble.problem:
        first = trouble.text[trouble.column : trouble.column + 1]
        return trouble.at, f"a text that begins with {first} must be in quotes: {where}{value}"
    if "undefined alias" in trouble.problem or "alias" in trouble.context:
        return trouble.at, f"a text that begins with * must be in quotes: {where}{value}"
    if "anchor" in trouble.context:
        return trouble.at, f"a text that begins with & must be in quotes: {where}{value}"
    if "block scalar" in trouble.context:
        return trouble.at, "after | or > the text begins in the next line, indented: move it there"
    return None


def _colons(trouble: _Trouble) -> _Found:
    if "could not find expected ':'" in trouble.problem:
        return trouble.since, _no_key(trouble.line(trouble.since))
    if "mapping values are not allowed" not in trouble.problem:
        return None
    for number in (trouble.at, trouble.above):
        if _NO_DASH_SPACE.match(trouble.line(number)):
            return number, f"a space is missing after the dash: write - {trouble.line(number).lstrip(' -')}"
    entry = _ENTRY.match(trouble.text)
    if entry and entry.start("value") < trouble.column:
        value = entry["value"].rstrip()
        if entry["key"] == "when":
            return trouble.at, f"a condition is written in braces: when: {{{value}}}"
        return trouble.at, f"a text with a colon in it must be in quotes: {entry['key']}: {_in_quotes(value)}"
    above = trouble.line(trouble.above)
    if _GLUED.match(above) or _NO_COLON.match(above):
        return trouble.above, _no_key(above)
    return None


def _no_key(line: str) -> str:
    if _NO_DASH_SPACE.match(line):
        return f"a space is missing after the dash: write - {line.lstrip(' -')}"
    if found := _GLUED.match(line):
        return f"a space is missing after the colon: write {found[1]}: {found[2]}"
    if found := _NO_COLON.match(line):
        return f"a colon is missing after {found[1]}: write {found[1]}: {found[2] or '…'}"
    return (
        f"{shown_value(line.strip())} is no key with its value: write it as key: value, or, "
        "if it belongs to the text above, indent it further"
    )


def _indentation(trouble: _Trouble) -> _Found:
    if "sequence entries are not allowed" in trouble.problem:
        return trouble.at, "a dash begins an item, in a line of its own: write it there, or put the text in quotes"
    if "mapping values" not in trouble.problem and "expected <block end>" not in trouble.problem:
        return None
    if _NO_DASH_SPACE.match(trouble.text):
        return trouble.at, f"a space is missing after the dash: write - {trouble.text.lstrip(' -')}"
    if (begun := _text_that_goes_on(trouble)) is not None:
        return begun, (
            f"this text goes on in line {trouble.at + 1}, where a colon is: a text with a colon in it must be in "
            "quotes: put all of it in quotes"
        )
    spaces = _indent(trouble.text)
    if trouble.text.lstrip().startswith("-"):
        return trouble.at, (
            f"this dash stands in column {spaces + 1}, and those of its list do not: "
            "put all dashes of a list in the same column"
        )
    above = re.match(r"[ -]*", trouble.line(trouble.above))
    wanted = len(above[0]) if above else 0
    if not _ENTRY.match(trouble.text):
        return trouble.at, (
            f"{shown_value(trouble.text.strip())} is no key with its value: write it as key: value, or, "
            f"if it belongs to the text above, indent it by {wanted + 2} spaces"
        )
    return trouble.at, (
        f"this line begins in column {spaces + 1}, and the keys of its attribute in column {wanted + 1}: "
        f"indent it by {wanted} spaces"
    )


def _text_that_goes_on(trouble: _Trouble) -> int | None:
    """Returns the line of a text without quotes that goes on where reading stopped; None, where that is no text."""
    entry = _ENTRY.match(trouble.text)
    if "mapping values" not in trouble.problem or entry is None or entry["key"].strip(" -") in KEYS:
        return None
    for number in range(trouble.above, max(trouble.above - 50, -1), -1):
        line = trouble.line(number)
        if found := _ENTRY.match(line):
            is_text = found["key"] in _TEXTS and not found["value"].startswith(tuple("\"'[{|>&*!"))
            return number if is_text and _indent(trouble.text) > len(found["before"]) else None
        if line.lstrip().startswith("- ") and _indent(trouble.text) > _indent(line):
            return number
    return None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _documents(trouble: _Trouble) -> _Found:
    if "single document" in trouble.context:
        number = next((i for i in range(trouble.at, -1, -1) if trouble.line(i).startswith("---")), trouble.at)
        return number, "here a second document begins, and a sheet is one: leave the line --- out"
    if "<document start>" in trouble.problem:
        return trouble.at, "this line begins left of the first one: put all dashes of the list in the same column"
    return None


def _in_quotes(text: str) -> str:
    """Returns a text as YAML takes it in any case."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return _short(f'"{escaped}"')


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else f"{line[:117]}..."
