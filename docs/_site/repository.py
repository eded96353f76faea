"""Pages that stand elsewhere in the repository, and links to what is outside of docs/.

All pages are read in the repository too, where links go from file to file. On the site, a page that only says "On the
site, this page is [CHANGELOG.md](../../CHANGELOG.md)." has that file's text, and links to these files lead there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

_FILE = re.compile(r"\AOn the site, this page is \[[^]]*\]\((\S+)\)\.\n\Z")
_LINK = re.compile(r"(?P<image>!?)(?P<text>\[[^\]]*\]\()(?P<target>(?![a-z]+:)[^)#\s]+)(?P<anchor>#[^)]+)?\)")

PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "reference/changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reference/security-policy.md",
    "deploy": "reference/deployment-files.md",
    "bench/README.md": "reference/benchmarks.md",
    "bench/results": "reference/benchmarks.md",
    "examples": "reference/examples.md",
}
"""Where on the site that stands which is not in docs/: files, or all files of a folder."""


def relinked(text: str, *, written_in: PurePosixPath, shown_in: PurePosixPath) -> str:
    """Returns Markdown whose links and images work on the page that shows it.

    Args:
        text: the Markdown.
        written_in: the file that it is from, counted from the repository's root.
        shown_in: the page, from docs/.

    Raises:
        ExtensionError: a link leads to what is on no page.
    """

    def relink(link: re.Match[str]) -> str:
        target = PurePosixPath(os.path.normpath(written_in.parent / link["target"]))
        if link["image"]:
            place: PurePosixPath = ".." / target
        elif target.is_relative_to("docs"):
            place = target.relative_to("docs")
        else:
            place = _page(target, written_in)
        return f"{link['image']}{link['text']}{os.path.relpath(place, shown_in.parent)}{link['anchor'] or ''})"

    return _LINK.sub(relink, text)


def _page(target: PurePosixPath, written_in: PurePosixPath) -> PurePosixPath:
    for path in (target, *target.parents):
        if str(path) in PAGES:
            return PurePosixPath(PAGES[str(path)])
    raise ExtensionError(f"{written_in} links to {target}, which is on no page of the site: see docs/_site")


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    page = PurePosixPath(f"{docname}.md")
    written_in = "docs" / page
    if found := _FILE.search(source[0]):
        written_in = PurePosixPath(os.path.normpath(written_in.parent / found[1]))
        file = Path(app.srcdir).parent / written_in
        app.env.note_dependency(str(file))
        source[0] = file.read_text(encoding="utf-8")
    source[0] = relinked(source[0], written_in=written_in, shown_in=page)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
