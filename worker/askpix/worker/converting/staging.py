"""Model folders as they are written: whole, or not at all."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from askpix.producer.errors import InputError, ModelError
from askpix.producer.queues import check_model_name
from askpix.worker.models.manifest import MANIFEST, ModelManifest, file_entries, fingerprint_of

_READING = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR)
"""Of what is done in a folder, errors that are not about writing it."""

M = TypeVar("M", bound=ModelManifest)


def check_output(output: Path, name: str) -> None:
    """Raises ModelError where a folder is taken, or a name is none that a model can have."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ModelError(f"{output} is not empty: choose another folder for the new model")
    try:
        check_model_name(name)
    except InputError as error:
        raise ModelError(f"{error}; choose one with --name") from None


@contextmanager
def staged(output: Path) -> Iterator[Path]:
    """Yields a folder beside `output` that becomes it at the end, or is removed when something fails.

    Raises:
        ModelError: it cannot be written.
    """
    with _writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}-"))
    try:
        yield folder
        with _writing(output):
            folder.chmod(0o755)
            if output.exists():
                output.rmdir()
            folder.rename(output)
    except OSError as error:
        if error.errno in _READING:
            raise
        with _writing(output):
            raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(f"{output} cannot be written: {(error.strerror or str(error)).lower()}") from error


def sealed(folder: Path, manifest: M) -> M:
    """Writes the manifest of a folder whose other files are there, with their digests; returns it."""
    files = file_entries(folder, [path.name for path in folder.iterdir() if path.name != MANIFEST])
    manifest = manifest.model_copy(update={"files": files})
    manifest = manifest.model_copy(update={"fingerprint": fingerprint_of(manifest)})
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest
