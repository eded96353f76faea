"""What has changed since an earlier job: digests of its answers, in a temporary file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from askpix.producer.export.kept import Kept, digest, key_of
from askpix.producer.results import Line


@dataclass(kw_only=True, slots=True)
class Changes:
    """How a job's lines compare to an earlier job's."""

    left_out: bytes = b""
    """1 for each line that says the same as before, 0 for each other, in their order."""

    new: int = 0
    changed: int = 0
    gone: int = 0
    """Of the earlier job, those that are not in the later."""

    @property
    def same(self) -> int:
        return self.left_out.count(1)


def changes(earlier: Iterable[Line], later: Iterable[Line]) -> Changes:
    """Returns how lines compare to earlier ones of the same id, or of the same group.

    What counts is whether there was an error, and the text of each answer by its question's name: neither how sure
    answers are, nor the image's reference, nor the caller's own columns. Memory does not depend on their number, but
    for a byte a line.

    Raises:
        JobError: a result file is missing or damaged.
        StorageError: there is no room for temporary files.
    """
    found = Changes()
    left_out = bytearray()
    matched = 0
    with Kept() as kept:
        count = kept.put((key_of(line), _content(line)) for line in earlier)
        for line in later:
            before = kept.find(key_of(line))
            left_out.append(before is not None and before == _content(line))
            matched += before is not None
            found.new += before is None
    found.left_out = bytes(left_out)
    found.changed = matched - found.same
    found.gone = count - matched
    return found


def _content(line: Line) -> bytes:
    return digest(json.dumps([line.status, [(answer.name, answer.text) for answer in line.answers]]))
