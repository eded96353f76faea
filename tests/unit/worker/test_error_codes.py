"""The sets of what may be a label are complete: no code of ours is told as another."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from askpix.worker.error_codes import ITEM_CODES, OTHER, REASONS, USUAL_CODES, Code, item_code, refusal
from askpix.worker.intake import RefusedError
from askpix.worker.item_errors import ItemError

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "job-folder.md"
ERRORS = {"ItemError", "ImageError", "RequestError"}
REFUSALS = {"MessageError", "RefusedError"}


def first_words() -> dict[str, set[str]]:
    """Returns the codes that the sources name outside of their list, and the reasons that they refuse messages with."""
    found: dict[str, set[str]] = {"codes": set(), "reasons": set()}
    for path in sorted((ROOT / "worker").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Code":
                found["codes"].add(Code[node.attr])
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            named = [keyword.value for keyword in node.keywords if keyword.arg in ("code", "reason")]
            if name in ERRORS:
                found["codes"] |= literals([*node.args[:1], *named])
            elif name in REFUSALS:
                found["reasons"] |= literals([*node.args[1:2], *named])
    return found


def codes_of_the_sources() -> set[str]:
    """Returns the codes that errors of items are raised with."""
    return first_words()["codes"]


def reasons_of_the_sources() -> set[str]:
    default = inspect.signature(RefusedError).parameters["reason"].default
    return first_words()["reasons"] | {str(default)}


def named(codes: Iterable[str]) -> set[str]:
    """Returns codes that askpix itself names; the statuses of servers have no names here."""
    return {code for code in codes if not code.startswith("http_")}


def documented() -> set[str]:
    """Returns the codes of the page's table of error codes."""
    section = PAGE.read_text().partition("\n## Error codes\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {code for row in rows for code in re.findall(r"`([a-z0-9_]+)`", row)}


def literals(nodes: list[ast.expr]) -> set[str]:
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_each_code_of_the_sources_is_known() -> None:
    assert len(first_words()["codes"]) > 30
    assert codes_of_the_sources() <= ITEM_CODES


def test_each_reason_of_the_sources_is_known() -> None:
    assert len(first_words()["reasons"]) > 4
    assert reasons_of_the_sources() <= REASONS


def test_each_code_that_is_known_is_one_of_the_sources() -> None:
    assert named(ITEM_CODES) == codes_of_the_sources()
    assert reasons_of_the_sources() == REASONS


def test_each_code_that_is_known_is_documented_and_no_other() -> None:
    assert named(documented()) == named(ITEM_CODES)
    assert {"http_404"} <= documented() <= ITEM_CODES


def test_an_error_has_its_code_as_rows_and_labels_have_it() -> None:
    assert type(ItemError(Code.TIMEOUT, "").code) is str
    assert ItemError(Code.TIMEOUT, "").code == "timeout"
    assert {type(known) for known in (*ITEM_CODES, *USUAL_CODES, *REASONS)} == {str}


def test_those_that_are_told_from_the_start_are_known() -> None:
    assert {*ITEM_CODES, OTHER} >= USUAL_CODES
    assert named(USUAL_CODES) == {*named(ITEM_CODES), OTHER}
    assert {"http_403", "http_404", "http_429", "http_503"} <= USUAL_CODES


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("http_404", "http_404"),
        ("http_999", OTHER),
        ("http_", OTHER),
        ("", OTHER),
        ('x"} 1\nevil', OTHER),
        ("Timeout", OTHER),
        ("timeout", "timeout"),
    ],
)
def test_all_else_is_other(code: str, told: str) -> None:
    assert item_code(code) == told


@pytest.mark.parametrize(
    ("reason", "told"), [("malformed", "malformed"), ("outside", "outside"), ("timeout", OTHER), ("", OTHER)]
)
def test_reasons_that_are_not_known_are_other(reason: str, told: str) -> None:
    assert refusal(reason) == told
