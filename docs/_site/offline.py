"""Ends a build whose pages would have a reader's browser ask another host for anything."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

# What a browser loads by itself; a link that a reader follows may lead anywhere.
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|audio|video|embed|object|link)\b[^>]*?\s(?:src|srcset|href|data)\s*=\s*["']?"""
    r"""((?:https?:)?//[^"'\s>]+)"""
    r"""|url\(\s*["']?((?:https?:)?//[^"')\s]+)"""
    r"""|@import\s+["']((?:https?:)?//[^"']+)""",
    re.IGNORECASE,
)


def loaded_from_elsewhere(text: str) -> list[str]:
    """Returns the addresses of other hosts that a page or style sheet loads something from."""
    return [next(filter(None, found.groups())) for found in _LOADED.finditer(text)]


def _check(app: Sphinx, error: Exception | None) -> None:
    if error is not None:
        return
    for path in sorted(Path(app.outdir).rglob("*")):
        if path.suffix in (".html", ".css") and (found := loaded_from_elsewhere(path.read_text(encoding="utf-8"))):
            raise ExtensionError(f"{path.relative_to(app.outdir)} loads from other hosts: {', '.join(found)}")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True}
