"""Which module may import which: the arrows of docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Arrows = Mapping[str, frozenset[str]]
"""By the name of a module, those that it imports."""


@cache
def _sources() -> Mapping[str, ast.Module]:
    """Returns the modules of the package by their names, parsed."""
    return {
        ".".join(path.relative_to(side).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_text())
        for side in (ROOT / "producer", ROOT / "worker")
        for path in sorted(side.rglob("*.py"))
    }


def _statements(node: ast.AST, *, later: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yields the imports of a module; those for type checkers alone are none.

    Args:
        later: whether those count that are made when a function is called.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not later:
            continue
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        yield from _statements(child, later=later)


def _named(statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Yields the modules of the package that a statement imports."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names if alias.name in _sources())
        return
    assert not statement.level, "imports name the whole package"
    for alias in statement.names:
        whole = f"{statement.module}.{alias.name}"
        name = whole if whole in _sources() else str(statement.module)
        if name in _sources():
            yield name


@cache
def arrows(*, later: bool) -> Arrows:
    """Returns who imports whom when it is imported itself; with `later`, also what functions import."""
    return {
        module: frozenset(name for one in _statements(tree, later=later) for name in _named(one) if name != module)
        for module, tree in _sources().items()
    }


def within(package: str) -> Callable[[str], bool]:
    return lambda module: module == package or module.startswith(f"{package}.")


def breaches(origins: Callable[[str], bool], targets: Iterable[str]) -> list[str]:
    """Returns the arrows from some modules into packages that they may not know."""
    barred = [within(target) for target in targets]
    return [
        f"{module} imports {name}"
        for module, names in arrows(later=True).items()
        if origins(module)
        for name in sorted(names)
        if any(bar(name) for bar in barred)
    ]


def packages_in(package: str) -> list[str]:
    """Returns the packages right inside another."""
    inside = (name.removeprefix(f"{package}.") for name in _sources() if name.startswith(f"{package}."))
    return sorted({f"{package}.{name.partition('.')[0]}" for name in inside if "." in name})


def test_all_modules_are_looked_at() -> None:
    assert {"askpix.cli.main", "askpix.producer.job_folder", "askpix.worker.part"} <= _sources().keys()
    assert "askpix.producer.job_folder" in arrows(later=False)["askpix.worker.part"]
    assert "askpix.producer.s3" in arrows(later=True)["askpix.producer.storage_opening"]
    assert "askpix.producer.s3" not in arrows(later=False)["askpix.producer.storage_opening"]


def test_no_modules_import_each_other() -> None:
    try:
        TopologicalSorter(arrows(later=True)).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize(
    ("package", "barred"),
    [
        ("askpix.producer", ("askpix.worker", "askpix.cli")),
        ("askpix.worker", ("askpix.cli",)),
        ("askpix.worker.blip", ("askpix.worker.vlm",)),
        ("askpix.worker.vlm", ("askpix.worker.blip",)),
        ("askpix.worker.images", ("askpix.worker.engine", "askpix.worker.blip", "askpix.worker.vlm")),
        ("askpix.worker.models", ("askpix.worker.converting",)),
        ("askpix.worker.logs", ("askpix.worker.engine", "askpix.worker.images", "askpix.worker.models")),
    ],
)
def test_arrows_point_one_way(package: str, barred: tuple[str, ...]) -> None:
    assert breaches(within(package), barred) == []


def test_a_running_worker_knows_nothing_of_converting() -> None:
    worker, converting = within("askpix.worker"), "askpix.worker.converting"
    assert breaches(lambda module: worker(module) and not within(converting)(module), [converting]) == []


LISTS = "askpix.producer.lists"
"""Is read by what is built on the producer, and by the producer itself."""


@pytest.mark.parametrize("package", packages_in("askpix.producer"))
def test_what_is_built_on_the_producer_is_not_known_to_it(package: str) -> None:
    # Each is on its own: neither the modules beside it nor another such package needs it.
    others = [other for other in packages_in("askpix.producer") if other not in (package, LISTS)]
    if package != LISTS:
        around = within("askpix.producer")
        assert breaches(lambda module: around(module) and not within(package)(module), [package]) == []
    assert breaches(within(package), others) == []
