"""The sets of what may be a label are complete: no code of ours is told as another."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from askpix.worker.careful import WORKER_DIED
from askpix.worker.codes import ITEM_CODES, OTHER, REASONS, item_code, refusal
from askpix.worker.errors import NOT_ALLOWED
from askpix.worker.images.objects import _CODES

ROOT = Path(__file__).parents[2]
ERRORS = {"ItemError", "ImageError", "RequestError"}
REFUSALS = {"MessageError", "RefusedError"}


def first_words() -> dict[str, set[str]]:
    """Returns the literal codes that errors are raised with in the sources, and the reasons of refusals."""
    found: dict[str, set[str]] = {"codes": set(), "reasons": set()}
    for path in sorted((ROOT / "worker").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            named = [keyword.value for keyword in node.keywords if keyword.arg in ("code", "reason")]
            if name in ERRORS:
                found["codes"] |= literals([*node.args[:1], *named])
            elif name in REFUSALS:
                found["reasons"] |= literals([*node.args[1:2], *named])
    return found


def literals(nodes: list[ast.expr]) -> set[str]:
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_each_code_of_the_sources_is_known() -> None:
    written = first_words()["codes"]
    assert len(written) > 30
    assert written | {WORKER_DIED, NOT_ALLOWED, *(code for code, _ in _CODES.values())} <= ITEM_CODES


def test_each_reason_of_the_sources_is_known() -> None:
    written = first_words()["reasons"]
    assert len(written) > 4
    assert written | {"malformed"} <= REASONS


def test_each_code_that_is_known_is_one_of_the_sources() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "worker").rglob("*.py") if path.name != "codes.py")
    assert {
        code for code in ITEM_CODES | REASONS if not code.startswith("http_") and f'"{code}"' not in sources
    } == set()


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
    assert refusal(code) in (OTHER, code)
    assert refusal(code) == OTHER
