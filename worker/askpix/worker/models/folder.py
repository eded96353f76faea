"""Model folders as they are read: of which kind, and whether they are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from askpix.producer.errors import ModelError
from askpix.producer.shown import first_problem
from askpix.worker.digests import Digests
from askpix.worker.models.blip_manifest import BlipManifest
from askpix.worker.models.manifest import MANIFEST, file_entry, fingerprint_of
from askpix.worker.models.vlm_manifest import VlmManifest

AnyManifest = BlipManifest | VlmManifest

_ADAPTER: TypeAdapter[AnyManifest] = TypeAdapter(Annotated[AnyManifest, Field(discriminator="kind")])

_AGAIN = "convert the model again with `askpix model convert`"


def read_manifest(folder: Path) -> AnyManifest:
    """Returns what the manifest of a model folder says; whether its files are whole is not looked at.

    Raises:
        ModelError: it is no model folder, or one of another version.
    """
    if not folder.is_dir():
        raise ModelError(f"there is no model folder {folder}: make one with `askpix model convert`")
    try:
        return _ADAPTER.validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise ModelError(
            f"{folder} is no model folder (it has no {MANIFEST}): make one with `askpix model convert`"
        ) from None
    except ValidationError as error:
        raise ModelError(
            f"{folder / MANIFEST} is not of this askpix version ({first_problem(error)}): {_AGAIN}"
        ) from None
    except OSError as error:
        raise ModelError(f"{folder / MANIFEST} cannot be read: {error.strerror}") from None


def load_manifest(folder: Path, digests: Digests | None = None) -> AnyManifest:
    """Returns the manifest of a model folder whose files are all there and whole.

    Args:
        digests: knows files that were hashed before.

    Raises:
        ModelError: it is no model folder, one of another version, or damaged.
    """
    manifest = read_manifest(folder)
    for name, entry in manifest.files.items():
        path = folder / name
        if path.parent != folder or not path.is_file():
            raise ModelError(f"{folder} is damaged, {name} is missing: {_AGAIN}")
        if file_entry(path, digests) != entry:
            raise ModelError(f"{folder} is damaged, {name} is not what was converted: {_AGAIN}")
    if fingerprint_of(manifest) != manifest.fingerprint:
        raise ModelError(f"{folder} is damaged, its manifest was changed: {_AGAIN}")
    return manifest


def load_blip(folder: Path, digests: Digests | None = None) -> BlipManifest:
    """Returns the manifest of a whole model folder that holds a BLIP.

    Raises:
        ModelError: it holds none; see `load_manifest` for more.
    """
    return _blip(folder, load_manifest(folder, digests))


def read_blip(folder: Path) -> BlipManifest:
    """Returns what the manifest of a model folder says that holds a BLIP; see `read_manifest`.

    Raises:
        ModelError: it holds none.
    """
    return _blip(folder, read_manifest(folder))


def load_vlm(folder: Path, digests: Digests | None = None) -> VlmManifest:
    """Returns the manifest of a whole model folder that holds a vision-language model.

    Raises:
        ModelError: it holds none; see `load_manifest` for more.
    """
    manifest = load_manifest(folder, digests)
    if not isinstance(manifest, VlmManifest):
        raise ModelError(f"{folder} holds a model of kind {manifest.kind}; this is for vision-language models")
    return manifest


def _blip(folder: Path, manifest: AnyManifest) -> BlipManifest:
    if not isinstance(manifest, BlipManifest):
        raise ModelError(f"{folder} holds a model of kind {manifest.kind}; this is for BLIP models")
    return manifest
