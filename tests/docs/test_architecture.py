"""The page for who changes the code names files, and what is in them, that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
FOLDERS = {
    "cli": ROOT / "producer/askpix/cli",
    "producer": ROOT / "producer/askpix/producer",
    "worker": ROOT / "worker/askpix/worker",
}

_PLACE = re.compile(r"\b(cli|producer|worker)/([\w/]+\.py)(?::([A-Za-z_][\w.]*))?")


def places() -> list[tuple[str, str, str]]:
    """Returns what the page names: package, file in it, and what is defined there, which may be nothing."""
    # Where files are named in full, the package's own folder comes again.
    page = re.sub(r"(producer|worker)/askpix/", "", PAGE)
    return sorted({(package, path, name.rstrip(".")) for package, path, name in _PLACE.findall(page)})


def defined(tree: ast.Module | ast.ClassDef) -> dict[str, ast.AST]:
    """Returns what a module or a class defines, by name."""
    found: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def test_the_page_names_the_way_of_an_item() -> None:
    files = {f"{package}/{path}" for package, path, _ in places()}
    assert len(files) > 60
    assert {"producer/submission.py", "worker/part_items.py", "worker/converting/staging.py"} <= files


@pytest.mark.parametrize(("package", "path", "name"), [pytest.param(*one, id=":".join(one)) for one in places()])
def test_what_it_names_is_there(package: str, path: str, name: str) -> None:
    file = FOLDERS[package] / path
    assert file.is_file()
    found: ast.AST = ast.parse(file.read_text(encoding="utf-8"))
    for part in filter(None, name.split(".")):
        assert isinstance(found, ast.Module | ast.ClassDef)
        assert part in defined(found)
        found = defined(found)[part]
