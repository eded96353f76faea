"""What the file of an image is called: as the image is, whoever wrote the list."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote, urlsplit

from askpix.producer.locations import is_s3
from askpix.producer.storage import is_uri, local_path

SUFFIX = ".txt"

_NAME_BYTES = 255
"""As long as file systems let a name be."""

_FOLDERS = 32
_PATH_BYTES = 1_000
"""A deeper or longer path is not kept: the file goes by its name alone."""

_REPEAT = re.compile(r"#[0-9]+\Z")
_IMAGE_SUFFIX = re.compile(r"(?<=.)\.[A-Za-z][A-Za-z0-9]{0,4}\Z", re.DOTALL)
"""Of `photo.jpeg`, not of `model-1.5`."""

_UNSPEAKABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))
_TURNS_TEXT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3])(?=\.|\Z)", re.IGNORECASE)
"""Devices of Windows, where training sets are taken too."""


def sidecar_path(identity: str, image: str, suffix: str = SUFFIX) -> tuple[str, ...]:
    """Returns the folders in which an item's file belongs, and last its name without its suffix.

    The name is that of the image without its suffix. Where the id is the image's relative path, its folders are
    kept. An image that has no name (a data URI), or one that says little beside an id of the caller's own (a URL
    with a query), goes by the id. Nothing of it leads out of a folder.
    """
    name = _image_name(image)
    asked = _of_same_form(identity, image)
    if not _is_absolute(identity) and name and (asked[-1:] == [name]):
        segments = asked
    elif name and not _says_little(identity, image):
        segments = [name]
    else:
        segments = _split(identity.replace("data:", "data-", 1) if identity.startswith("data:") else identity)
        segments = segments[-1:] if _is_absolute(identity) else segments
    *folders, last = segments or ["image"]
    stem = _IMAGE_SUFFIX.sub("", last)
    path = (*(_folder(folder, suffix) for folder in folders), file_name(_clean(stem), "", suffix))
    if len(path) > _FOLDERS + 1 or len("/".join(path).encode()) > _PATH_BYTES:
        return path[-1:]
    return path


def file_name(stem: str, ending: str, suffix: str = SUFFIX) -> str:
    """Returns a name with that ending, cut so that with its suffix a file system takes it."""
    room = _NAME_BYTES - len(ending) - len(suffix)
    return stem.encode()[:room].decode(errors="ignore") + ending


def _image_name(image: str) -> str:
    """Returns the last segment of an image's path, without what a URL has beside it; empty where there is none."""
    segments = _split(_path(image))
    return segments[-1] if segments else ""


def _path(image: str) -> str:
    if is_s3(image):
        # A key is taken literally: neither `?` nor `%20` means anything.
        return image[len("s3://") :].partition("/")[2]
    if not is_uri(image):
        return image
    local = local_path(image)
    if local is not None:
        return str(local)
    try:
        parts = urlsplit(image)
    except ValueError:
        return ""
    return unquote(parts.path) if parts.netloc else ""


def _of_same_form(identity: str, image: str) -> list[str]:
    """Returns the segments of an id, read as the reference of that image: `a%20b.jpg?width=3` of a URL is `a b.jpg`."""
    name = _image_name(image)
    for text in (identity, _REPEAT.sub("", identity)):
        segments = _split(unquote(text.partition("?")[0]) if _is_web(image) else text)
        if segments[-1:] == [name]:
            return segments
    return []


def _says_little(identity: str, image: str) -> bool:
    return _is_web(image) and "?" in image and not _is_absolute(identity)


def _is_web(image: str) -> bool:
    return image[:8].lower().startswith(("http://", "https://"))


def _is_absolute(identity: str) -> bool:
    return identity.startswith("/") or (is_uri(identity) and not identity.startswith("data:"))


def _split(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment not in ("", ".", "..")]


def _folder(segment: str, suffix: str) -> str:
    cleaned = _clean(segment)
    # No folder is called as such a file could be: both can stand side by side then.
    cleaned += "_" if cleaned.lower().endswith(suffix) else ""
    return cleaned.encode()[:_NAME_BYTES].decode(errors="ignore")


def _clean(segment: str) -> str:
    """Returns a segment without what a terminal acts on and without separators; the rest names the image as it is."""
    text = "".join(
        "_" if c == "\\" or c in _TURNS_TEXT or unicodedata.category(c) in _UNSPEAKABLE else c for c in segment
    )
    return _RESERVED.sub(lambda found: f"{found[0]}_", text, count=1) if _RESERVED.match(text) else text
