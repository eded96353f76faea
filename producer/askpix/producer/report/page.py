"""The page itself: what it looks like and what it does, with a policy by which nothing else in it runs."""

from __future__ import annotations

import base64
import hashlib
import html
from dataclasses import dataclass
from importlib.resources import files

_SCRIPTS = ("text", "data", "selection", "filters", "grid", "detail", "charts", "main")
"""In the order in which they build upon each other; together they are one script."""

GENERATOR = "askpix report"
"""What a gallery says that it was made by."""

_MARK = f'<meta name="generator" content="{GENERATOR}">'

_CUT = "<!-- data -->"
"""Where the page's template takes what it shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page in two halves, between which goes what it shows."""

    head: str
    tail: str


def page(title: str, *, in_folder: bool, build: str = "") -> Page:
    """Returns the page of a gallery.

    Args:
        title: a text of anybody's.
        in_folder: whether what it shows lies in files beside it, or else in itself.
        build: what tells this gallery's files from those that were there before it, in a browser's cache.
    """
    style, script = _asset("gallery.css"), _script()
    whole = (
        _asset("gallery.html")
        .replace("{policy}", html.escape(_policy(style, script, in_folder=in_folder)))
        .replace("{generator}", _MARK)
        .replace("{form}", "folder" if in_folder else "file")
        .replace("{build}", html.escape(build))
        .replace("{style}", style)
        .replace("{script}", script)
        # Last, so that nothing in it is replaced.
        .replace("{title}", html.escape(title.encode("utf-8", "replace").decode()))
    )
    head, _, tail = whole.partition(_CUT)
    return Page(head=head, tail=tail)


def is_page(head: str) -> bool:
    """Returns whether a file that begins so is a gallery."""
    return _MARK in head


def _policy(style: str, script: str, *, in_folder: bool) -> str:
    """Returns the Content-Security-Policy: nothing runs but our script, and what that loads; nothing is sent."""
    # What it loads are files of names that it makes itself, which Trusted Types see to.
    loaded, beside, types = (" 'strict-dynamic'", " 'self'", "askpix") if in_folder else ("", "", "'none'")
    rules = (
        "default-src 'none'",
        f"script-src {_hash(script)}{loaded}",
        f"style-src {_hash(style)}",
        f"img-src data:{beside}",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        f"trusted-types {types}",
    )
    return "; ".join(rules)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _script() -> str:
    parts = "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    return f'\n"use strict";\n(() => {{\n{parts}\n}})();\n'


def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")
