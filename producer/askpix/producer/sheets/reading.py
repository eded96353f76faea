"""Reads the sheet that a file holds, and tells all of its mistakes at once."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml.error import YAMLError

from askpix.producer.errors import InputError
from askpix.producer.questions import Question
from askpix.producer.sheets.attributes import attribute_of
from askpix.producer.sheets.between import check_between
from askpix.producer.sheets.keys import KEYS
from askpix.producer.sheets.mistakes import Mistakes
from askpix.producer.sheets.nodes import Listed, Mapped, Node, Scalar, UnreadableNodeError, composed, lines_of
from askpix.producer.sheets.syntax import explained
from askpix.producer.tabs import without_tabs

MAX_BYTES = 1_000_000
"""That a sheet may have."""

MAX_ATTRIBUTES = 1_000
"""That a sheet may have: each is a column of its own, and asked of each image."""


def read_questions(path: str | Path) -> list[Question]:
    """Returns the questions of a sheet: a YAML (or JSON) list of texts, or of attributes with text, name and so on.

    Raises:
        SheetError: it has mistakes; each has its line, and what to write instead.
        InputError: the file cannot be read.
    """
    path = Path(path)
    told = Mistakes(path)
    root = _root(_text(path, told), told)
    told.end()
    attributes = [found for item in _items(root, told) if (found := attribute_of(item, told)) is not None]
    check_between(attributes, told)
    told.end()
    return [attribute.question for attribute in attributes if attribute.question is not None]


def _text(path: Path, told: Mistakes) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(data) > MAX_BYTES:
        raise InputError(
            f"{path} has more than {MAX_BYTES // 1_000_000} MB; no sheet is that long: is it the right file?"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        written = "UTF-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "another encoding"
        told.tell(data[: error.start].count(b"\n") + 1, f"this is {written}, not UTF-8: save the file as UTF-8")
        told.end()
        raise


def _root(text: str, told: Mistakes) -> Node | None:
    """Returns what the document holds; None, where it is nothing, or not to be read."""
    try:
        return composed(without_tabs(text))
    except YAMLError as error:
        told.tell(*explained(error, lines_of(text)))
    except UnreadableNodeError as error:
        told.tell(error.line, error.problem)
    except RecursionError:
        told.tell(1, "this is nested too deeply: a sheet is a list of questions")
    return None


def _items(root: Node | None, told: Mistakes) -> tuple[Node, ...]:
    if isinstance(root, Listed):
        if not root.items:
            told.tell(root, 'the sheet is empty: write a list of questions, such as - "what is it?"')
        if len(root.items) > MAX_ATTRIBUTES:
            told.tell(
                root.items[MAX_ATTRIBUTES],
                f"there are {len(root.items):,} attributes; at most {MAX_ATTRIBUTES:,} are taken: split the sheet",
            )
        return root.items[:MAX_ATTRIBUTES]
    if root is None or (isinstance(root, Scalar) and not root.text.strip()):
        told.tell(1, 'the sheet is empty: write a list of questions, such as - "what is it?"')
    elif isinstance(root, Scalar):
        text = root.text.split("\n")[0]
        dash = text.startswith("-") and root.plain
        told.tell(
            root, f"{'a space is missing after the dash' if dash else 'a sheet is a list'}: write - {text.lstrip('-')}"
        )
    else:
        _tell_no_list(root, told)
    return ()


def _tell_no_list(root: Mapped, told: Mistakes) -> None:
    if not root.entries:
        told.tell(root, 'the sheet is empty: write a list of questions, such as - "what is it?"')
        return
    name, value = root.entries[0]
    if name.text.startswith("-") and name.plain:
        told.tell(name, f"a space is missing after the dash: write - {name.text.lstrip('-')}: …")
    elif name.text in KEYS:
        told.tell(
            name, f"a sheet is a list: put a dash before its first key, - {name.text}: …, and two spaces before others"
        )
    elif isinstance(value, Listed):
        told.tell(name, f"a sheet is the list alone: leave the line {name.text}: out")
    else:
        told.tell(name, f"a sheet is a list of attributes: write - name: {name.text}, and below it text: …")
