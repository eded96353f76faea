"""Where a job keeps its own files, among which nothing else is put."""

from __future__ import annotations

from pathlib import Path

from askpix.producer.errors import InputError
from askpix.producer.job_folder import JobFolder
from askpix.producer.storage import local_path, shortened

FOLDERS = frozenset(("control", "corrections", "input", "partial", "results", "rounds"))
"""In which a job keeps its files."""

_FILES = frozenset(("job.json", "model.json"))

_OWN = frozenset(((), *((name,) for name in FOLDERS | _FILES)))
"""What a way into the job folder leads to first; nothing, where it is the folder itself."""


def check_outside(path: Path, folder: JobFolder) -> None:
    """Raises InputError where what is written to a path of this machine would lie among a job's own files."""
    root = local_path(folder.uri)
    if root is None:
        return
    there, root = path.resolve(), root.resolve()
    if there.is_relative_to(root) and there.relative_to(root).parts[:1] in _OWN:
        raise InputError(f"{shortened(str(path))!r} is among the job's own files: choose another place")
