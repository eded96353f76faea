"""Completes image references: what a relative one counts from."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote, urlsplit

from askpix.producer.errors import InputError, StorageError
from askpix.producer.locations import S3Location, is_s3
from askpix.producer.storage import is_uri, local_path, shortened

_MAY_BE_RELATIVE = re.compile(r"\A[/.]|/\.").search
"""Whether a reference may begin with a slash or hold `.` or `..`: few do, and those take longer."""

_URL_CHARACTERS = "/?:@!$&'()*+,;=~%"
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def is_data(reference: str) -> bool:
    """Returns whether a reference holds the image itself."""
    return reference[:5].lower() == "data:"


def reference_id(reference: str) -> str:
    """Returns what an image without an id of its own is known by: its reference, or of a data URI a digest."""
    return f"data:{hashlib.sha256(reference.encode()).hexdigest()[:16]}" if is_data(reference) else reference


def complete(reference: str, base: str) -> str:
    """Returns an image reference with a relative one completed.

    URIs stay as they are. From a local folder, a relative path is joined to it and an absolute one stays.
    From `s3://` or `http(s)://`, a reference always counts from the base, with or without a slash before it.

    Raises:
        InputError: the base is of no such kind, or the reference leaves its bucket or site.
    """
    return completer(base)(reference)


@lru_cache(maxsize=8)
def completer(base: str) -> Callable[[str], str]:
    """Returns `complete` for one base, for long lists.

    Raises:
        InputError: as `complete`.
    """
    base = checked_base(base)
    if is_s3(base):
        return _in_bucket(base)
    if base.startswith(("http://", "https://")):
        return _on_site(base)
    folder = os.path.join(base, "")  # noqa: PTH118 - six times as fast as Path, for each item

    def in_folder(reference: str) -> str:
        return reference if reference.startswith("/") or is_uri(reference) else folder + reference

    return in_folder


def checked_base(base: str) -> str:
    """Returns one spelling of a base: an absolute local folder, `s3://bucket/prefix` or `http(s)://host/path`.

    Raises:
        InputError: it is none of them.
    """
    if base[:8].lower().startswith(("http://", "https://")):
        return _checked_site(base)
    if is_s3(base):
        try:
            return S3Location.parse(base).uri
        except StorageError as error:
            raise InputError(str(error)) from None
    path = local_path(base) if base else None
    if path is None or "\0" in base:
        raise InputError(
            f"{shortened(base)!r} is nothing that references can count from: give a local folder, "
            "s3://bucket/prefix or https://host/path"
        )
    return os.path.normpath(path.absolute())


def _checked_site(base: str) -> str:
    try:
        parts = urlsplit(base)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.query or parts.fragment or "?" in base:
        raise InputError(
            f"{shortened(base)!r} is no site that references can count from: give https://host/path, "
            "without '?' and '#'"
        )
    return f"{parts.scheme.lower()}://{parts.netloc}{_quoted(parts.path)}".rstrip("/")


def _in_bucket(base: str) -> Callable[[str], str]:
    location = S3Location.parse(base)
    inside = location.key.split("/") if location.key else []

    def joined(reference: str) -> str:
        if is_uri(reference):
            return reference
        if not _MAY_BE_RELATIVE(reference):
            return f"{base}/{reference}"
        return f"s3://{location.bucket}/{_walked(reference, inside, f'the bucket {location.bucket}')}"

    return joined


def _on_site(base: str) -> Callable[[str], str]:
    parts = urlsplit(base)
    inside = parts.path.strip("/").split("/") if parts.path.strip("/") else []

    def joined(reference: str) -> str:
        if is_uri(reference):
            return reference
        path, mark, query = reference.partition("?")
        if _MAY_BE_RELATIVE(path):
            path = _walked(path, inside, parts.netloc)
            return f"{parts.scheme}://{parts.netloc}/{_quoted(path + mark + query)}"
        return f"{base}/{_quoted(reference)}"

    return joined


def _walked(reference: str, inside: list[str], where: str) -> str:
    """Returns the path at which a reference ends that starts in a folder, which is given by its segments."""
    segments = list(inside)
    for segment in reference.lstrip("/").split("/"):
        if segment == "..":
            if not segments:
                raise InputError(f"the image {shortened(reference)!r} leaves {where}")
            segments.pop()
        elif segment != ".":
            segments.append(segment)
    return "/".join(segments)


def _quoted(reference: str) -> str:
    """Returns a path, with its query, in the characters that a URL may have; `%XX` stays."""
    try:
        return _STRAY_PERCENT.sub("%25", quote(reference, safe=_URL_CHARACTERS))
    except UnicodeEncodeError:
        raise InputError(f"the image {shortened(reference)!r} is no text") from None
