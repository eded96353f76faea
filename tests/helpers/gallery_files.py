"""What a gallery holds, as a browser finds it: read from its files without one."""

from __future__ import annotations

import ast
import base64
import json
from array import array
from html.parser import HTMLParser
from pathlib import Path
from typing import Any


class _Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._within: dict[str, str | None] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = dict(attrs) if tag == "script" else None
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._within = None

    def handle_data(self, data: str) -> None:
        if self._within is not None:
            attributes, text = self.scripts[-1]
            self.scripts[-1] = attributes, text + data


class GalleryFiles:
    """A gallery's blocks, pictures and tags.

    Args:
        path: of the page, or of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.blocks: dict[str, Any] = {}
        self.pictures: dict[str, bytes] = {}
        index = path / "index.html" if path.is_dir() else path
        self.text = index.read_text(encoding="utf-8")
        parser = _Scripts()
        parser.feed(self.text)
        self.tags = parser.tags
        self.scripts = [text for attributes, text in parser.scripts if not attributes]
        for attributes, text in parser.scripts:
            identity = attributes.get("id") or ""
            if identity.startswith("data-"):
                self.blocks[identity.removeprefix("data-")] = strict(text)
            elif identity.startswith("picture-"):
                head, _, body = text.partition(",")
                assert head == "data:image/webp;base64"
                self.pictures[identity.removeprefix("picture-")] = base64.b64decode(body)
        if path.is_dir():
            self._read_folder(path)

    def _read_folder(self, path: Path) -> None:
        for file in (path / "data").iterdir():
            text = file.read_text(encoding="utf-8").strip()
            # One call with two texts, as JavaScript and Python write them alike.
            name, value = ast.literal_eval(text.removeprefix("askpixData"))
            assert file.name == f"{name}.js"
            self.blocks[name] = strict(value)
        for file in path.glob("thumbs/*/*.webp"):
            assert file.parent.name == file.name[:2]
            self.pictures[file.stem] = file.read_bytes()

    @property
    def index(self) -> Any:
        return self.blocks["index"]

    @property
    def details(self) -> list[Any]:
        return [item for block in self._of("details") for item in block["items"]]

    def cards(self, column: str) -> list[Any]:
        return [value for block in self._of("cards") for value in block[column]]

    def attribute(self, name: str) -> Any:
        (found,) = [one for one in self.index["attributes"] if one["name"] == name]
        return found

    def values(self, name: str) -> list[str]:
        """Returns what the filter of an attribute takes each item for."""
        attribute = self.attribute(name)
        labels = ["(none)", "(other)", *attribute["values"]]
        return [labels[value] for value in column(attribute["value"], "B")]

    def policy(self) -> dict[str, str]:
        (content,) = [
            attributes["content"]
            for tag, attributes in self.tags
            if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        return {rule.partition(" ")[0]: rule.partition(" ")[2] for rule in (content or "").split("; ")}

    def _of(self, kind: str) -> list[Any]:
        return [
            self.blocks[f"{kind}-{number}"] for number in range(len(self.blocks)) if f"{kind}-{number}" in self.blocks
        ]


def column(text: str, kind: str) -> list[int]:
    return list(array(kind, base64.b64decode(text)))


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)
