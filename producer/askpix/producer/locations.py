"""Addresses in S3: `s3://bucket/key`, taken literally. Needs no S3 client."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from askpix.producer.errors import StorageError
from askpix.producer.storage import shortened

MAX_KEY_BYTES = 1024
"""As long as S3 lets a key be."""

_SCHEME = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", re.ASCII)
"""Names that S3 gives out today, and the capitals and underscores of older buckets and other servers."""

_IPV4 = re.compile(r"[0-9]+(\.[0-9]+){3}", re.ASCII)
_UNSPEAKABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Control characters, halves of characters, and separators of lines."""


@dataclass(frozen=True, slots=True)
class S3Location:
    """An object, a folder of objects or, with an empty key, a whole bucket."""

    bucket: str
    key: str = ""

    @classmethod
    def parse(cls, uri: str) -> S3Location:
        """Returns the place that a URI names.

        A key is what stands after the bucket, character by character: `%20`, `?` and `#` are part of it. One
        slash at its end says that a folder is meant, and changes nothing.

        Raises:
            StorageError: it is no `s3://bucket/key`, or names a key that another program could take for another.
        """
        if not is_s3(uri):
            raise _refused(uri, "write it as s3://bucket/key")
        bucket, _, key = uri[len(_SCHEME) :].partition("/")
        if not _BUCKET.fullmatch(bucket) or ".." in bucket or _IPV4.fullmatch(bucket):
            raise _refused(uri, f"{shortened(bucket)!r} cannot be the name of a bucket")
        if any(unicodedata.category(character) in _UNSPEAKABLE for character in key):
            raise _refused(uri, "its key holds control characters")
        if len(key.encode()) > MAX_KEY_BYTES:
            raise _refused(uri, f"its key is longer than {MAX_KEY_BYTES} bytes")
        segments = key.split("/")
        if segments[-1] == "":
            segments.pop()
        if not {"", ".", ".."}.isdisjoint(segments):
            raise _refused(uri, "its key holds an empty segment, '.' or '..'")
        return cls(bucket, "/".join(segments))

    @property
    def uri(self) -> str:
        return f"{_SCHEME}{self.bucket}/{self.key}" if self.key else f"{_SCHEME}{self.bucket}"

    @property
    def shown(self) -> str:
        """The URI as an error quotes it: not long, and nothing that a terminal acts on."""
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shortened(self.uri))

    def is_under(self, other: S3Location) -> bool:
        """Returns whether this is the other place or inside it, by whole segments: `jobs2/x` is not under `jobs`."""
        if self.bucket != other.bucket:
            return False
        return not other.key or self.key == other.key or self.key.startswith(f"{other.key}/")

    def joined(self, name: str) -> S3Location:
        """Returns the place of that relative name inside this one."""
        return S3Location(self.bucket, f"{self.key}/{name}" if self.key else name)


def is_s3(uri: str) -> bool:
    """Returns whether a URI says that it is one of S3, well formed or not."""
    return uri[: len(_SCHEME)].lower() == _SCHEME


def _refused(uri: str, why: str) -> StorageError:
    return StorageError(f"{shortened(uri)!r} is no place in S3: {why}")
