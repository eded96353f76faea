"""What every manifest.json says: of which kind a model folder is, what it holds, and what answers depend on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from askpix.producer.generation import Generation
from askpix.producer.queues import ModelName
from askpix.worker.digests import Digests
from askpix.worker.engine.base import Ability

MANIFEST = "manifest.json"

Size = Annotated[int, Field(ge=1, le=65_536)]


class ManifestPart(BaseModel):
    """A part of a manifest: nothing that this version does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(ManifestPart):
    bytes: int
    sha256: str


class ModelManifest(ManifestPart):
    """What the manifests of all kinds have."""

    depends: ClassVar[frozenset[str]] = frozenset({"generation"})
    """The fields, beside the files, that answers depend on."""

    format: Literal[3] = 3
    name: ModelName
    abilities: frozenset[Ability]
    source: str
    """What the folder was converted from: a hub id, or the name of a checkpoint's folder."""

    generation: Generation = Generation()
    """Defaults for generating text."""

    versions: dict[str, str]
    """Of the packages that made the folder."""

    files: dict[str, FileEntry]
    fingerprint: str
    """SHA-256 over the digests of the files, and over what is said of the graphs and of generating texts."""

    @property
    def offered(self) -> frozenset[Ability]:
        """What its engine can do: more than the folder says, where an engine has learnt it since."""
        return self.abilities

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(entry.bytes for entry in self.files.values())


def file_entries(folder: Path, names: list[str]) -> dict[str, FileEntry]:
    """Returns the entries of a folder's files."""
    return {name: file_entry(folder / name) for name in sorted(names)}


def file_entry(path: Path, digests: Digests | None = None) -> FileEntry:
    """Returns the entry of a file.

    Args:
        digests: knows files that were hashed before.
    """
    return FileEntry(bytes=path.stat().st_size, sha256=(digests or Digests()).of(path))


def fingerprint_of(manifest: ModelManifest) -> str:
    """Returns the SHA-256 over the digests of the files and over all in the manifest that answers depend on."""
    files = {name: entry.sha256 for name, entry in manifest.files.items()}
    said = manifest.model_dump(mode="json", include=set(manifest.depends), exclude_none=True)
    said["abilities"] = sorted(manifest.abilities)
    return hashlib.sha256(json.dumps({"files": files, **said}, sort_keys=True).encode()).hexdigest()
