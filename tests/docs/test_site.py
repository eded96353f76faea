"""What the documentation's site is made of. That it builds without a warning is what `make docs` shows, in CI too."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import click
import pytest
from docs._site.commands import MARK, helps
from docs._site.offline import loaded_from_elsewhere
from docs._site.repository import PAGES, relinked
from sphinx.errors import ExtensionError

import askpix.producer
from askpix.cli.main import command
from askpix.producer.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        # A page beside it, and a heading of one.
        ("[a](models.md)", "[a](../models.md)"),
        ("[a](queue.md#asks-one-image-now)", "[a](../queue.md#asks-one-image-now)"),
        # What is on a page of the site.
        ("[a](../CHANGELOG.md)", "[a](../reference/changelog.md)"),
        ("[a](../examples/ask_with_celery.py)", "[a](../reference/examples.md)"),
        ("[a](../bench/results/soak.json)", "[a](../reference/benchmarks.md)"),
        # A picture, wherever it lies.
        ("![a](../bench/results/blip.svg)", "![a](../../bench/results/blip.svg)"),
        # No file of the repository.
        (
            "[a](#here), [b](https://example.com/b.md), a[0](1 + 2)",
            "[a](#here), [b](https://example.com/b.md), a[0](1 + 2)",
        ),
    ],
)
def test_links_of_a_page_lead_to_the_same_things_on_the_site(written: str, shown: str) -> None:
    # Given: a page of docs/ that the site shows in a folder
    place = relinked(written, written_in=PurePosixPath("docs/page.md"), shown_in=PurePosixPath("howto/page.md"))
    assert place == shown


def test_links_to_what_the_site_does_not_have_are_refused() -> None:
    with pytest.raises(
        ExtensionError, match=r"docs/page\.md links to pyproject\.toml, which is on no page of the site"
    ):
        relinked("[a](../pyproject.toml)", written_in=PurePosixPath("docs/page.md"), shown_in=PurePosixPath("page.md"))


def test_every_place_that_links_lead_to_is_a_page() -> None:
    assert all((ROOT / file).exists() and (DOCS / page).exists() for file, page in PAGES.items())


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<script src="https://cdn.example.com/a.js"></script>', ["https://cdn.example.com/a.js"]),
        ('<link rel="stylesheet" type="text/css" href="//fonts.example.com/b.css">', ["//fonts.example.com/b.css"]),
        ("<img alt='' src='http://example.com/c.png'>", ["http://example.com/c.png"]),
        ("a { background: url(https://example.com/d.png) }", ["https://example.com/d.png"]),
        ('@import "https://example.com/e.css";', ["https://example.com/e.css"]),
        # What a reader follows, and what comes with the site.
        ('<a href="https://example.com/">there</a> <script src="_static/f.js"></script> url("../g.woff2")', []),
    ],
)
def test_what_a_browser_would_load_from_elsewhere_is_found(page: str, found: list[str]) -> None:
    assert loaded_from_elsewhere(page) == found


def test_the_reference_has_the_help_of_every_command() -> None:
    # When
    page = "\n".join(helps())

    # Then
    names = set(_names(command, "askpix"))
    assert len(names) > 20
    assert {line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")} == names
    assert all(f"Usage: {name} " in page for name in names)
    assert MARK in (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")


def _names(group: click.Command, name: str) -> list[str]:
    below = group.list_commands(click.Context(group)) if isinstance(group, click.Group) else []
    found = [(each, group.get_command(click.Context(group), each)) for each in below]  # type: ignore[attr-defined]
    return [name, *(deep for each, one in found for deep in _names(one, f"{name} {each}"))]


def test_the_reference_has_every_public_name_of_python() -> None:
    page = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    missing = [name for name in askpix.producer.__all__ if f":: askpix.producer.{name}\n" not in page]
    # These are told of with all other errors.
    assert missing == ["AskpixError", "MessageError", "SheetError"]
    assert ".. automodule:: askpix.producer.errors\n" in page


def test_every_setting_stands_on_its_page() -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    of_others = {field.validation_alias for field in Settings.model_fields.values() if field.validation_alias}
    own = {f"ASKPIX_{name.upper()}" for name, field in Settings.model_fields.items() if not field.validation_alias}
    assert [name for name in own if f"| `{name}` |" not in page] == []
    assert all(f"`{name}`" in page for name in of_others)
