"""manifest.json: what a model folder holds, and how it is checked before use."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askpix.producer.errors import ModelError
from askpix.producer.generation import Generation
from askpix.producer.items import MODEL_NAME, first_problem
from askpix.worker.digests import Digests
from askpix.worker.engine.base import Ability
from askpix.worker.image_form import Resample

MANIFEST = "manifest.json"
COMPONENTS = ("vision_encoder", "text_encoder", "text_decoder")
"""The graphs of a folder; one that only captions has no text encoder, one that only matches no text decoder."""

MAX_NEW_TOKENS = 20
"""Of a text, where neither the model folder nor the request says."""

_Size = Annotated[int, Field(ge=1, le=65_536)]
_Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageInput(_Part):
    """The image that the vision encoder takes: RGB, 8 bits. The graph itself normalises it."""

    width: _Size
    height: _Size
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resample: Resample


class SpecialTokens(_Part):
    """Ids of the tokens with a meaning of their own."""

    start: int
    """What a decoded text begins with."""

    end: int
    """What a decoded text ends with."""

    pad: int


class Sizes(_Part):
    """Dimensions of the graphs' tensors."""

    hidden: _Size
    """Of text states, and of the question states that answers attend to."""

    image_hidden: _Size
    image_tokens: _Size
    layers: _Size
    """Of the text decoder."""

    heads: _Size
    vocabulary: Annotated[int, Field(ge=1)]
    max_positions: _Size
    """The longest text in tokens, prompt and answer together."""


class Agreement(_Part):
    """How often a quantized model says of held-out images what the model says that it was made from."""

    images: Annotated[int, Field(ge=1)]
    captions: _Share | None
    """Share of captions that are the same, word for word; None for a model that only matches."""

    answers: _Share | None
    """Share of answers that are; None for a model that gives none."""

    matches: _Share | None = None
    """Share of match scores that differ by no more than 0.05; None for a model that gives none."""

    precision: str
    """In which numbers the quantized model computed; the other one did so in f32."""

    @property
    def shares(self) -> dict[str, float]:
        """What was compared, by its name, and the share of it that agrees."""
        shares = {"captions": self.captions, "answers": self.answers, "match scores": self.matches}
        return {name: share for name, share in shares.items() if share is not None}

    @property
    def least(self) -> float:
        return min(self.shares.values())


class Quantization(_Part):
    """How a folder came to be quantized."""

    source: str
    """Fingerprint of the folder that was quantized."""

    images: Annotated[int, Field(ge=1)]
    """How many images it was calibrated on."""

    questions: tuple[str, ...]
    """What was asked of them; nothing, for a model that only captions."""

    components: dict[str, Literal["f32", "f16", "int8", "int4"]]
    """In what each graph's weights are stored, by its name. Where it is not INT8 or INT4, it was left as it was."""

    agreement: Agreement | None = None
    """None where it was not looked at."""


class FileEntry(_Part):
    bytes: int
    sha256: str


class Manifest(_Part):
    """manifest.json of a BLIP model folder."""

    format: Literal[3] = 3
    kind: Literal["blip"]
    name: Annotated[str, Field(pattern=f"^{MODEL_NAME.pattern}$")]
    abilities: frozenset[Ability]
    source: str
    """What the folder was converted from: a hub id, or the name of a checkpoint's folder."""

    precision: Literal["f32", "f16", "int8"]
    """Of the stored weights; a quantized folder is "int8", and its `quantization` says more."""

    image: ImageInput
    tokens: SpecialTokens
    sizes: Sizes
    generation: Generation = Generation(max_new_tokens=MAX_NEW_TOKENS)
    """Defaults for generating text."""

    quantization: Quantization | None = None
    """None for a folder whose weights are as they were converted."""

    versions: dict[str, str]
    """Of the packages that made the folder."""

    files: dict[str, FileEntry]
    fingerprint: str
    """SHA-256 over the digests of the files, and over what is said of the graphs and of generating texts."""


def file_entries(folder: Path, names: list[str]) -> dict[str, FileEntry]:
    """Returns the entries of a folder's files."""
    return {name: _entry(folder / name) for name in sorted(names)}


def fingerprint_of(manifest: Manifest) -> str:
    """Returns the SHA-256 over the digests of the files and over all in the manifest that answers depend on."""
    files = {name: entry.sha256 for name, entry in manifest.files.items()}
    said = manifest.model_dump(mode="json", include={"image", "tokens", "sizes", "generation"}, exclude_none=True)
    said["abilities"] = sorted(manifest.abilities)
    return hashlib.sha256(json.dumps({"files": files, **said}, sort_keys=True).encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """Returns what the manifest of a model folder says; whether its files are whole is not looked at.

    Raises:
        ModelError: it is no model folder, or one of another version.
    """
    if not folder.is_dir():
        raise ModelError(f"there is no model folder {folder}: make one with `askpix model convert`")
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
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


def load_manifest(folder: Path, digests: Digests | None = None) -> Manifest:
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
        if _entry(path, digests) != entry:
            raise ModelError(f"{folder} is damaged, {name} is not what was converted: {_AGAIN}")
    if fingerprint_of(manifest) != manifest.fingerprint:
        raise ModelError(f"{folder} is damaged, its manifest was changed: {_AGAIN}")
    return manifest


def components_of(manifest: Manifest) -> dict[str, str]:
    """Returns in what the weights of a folder's graphs are stored, by their names, in the order of a request."""
    if manifest.quantization is not None:
        return dict(manifest.quantization.components)
    there = {name.removesuffix(".bin") for name in manifest.files}
    return {name: manifest.precision for name in COMPONENTS if name in there}


def component_bytes(manifest: Manifest, component: str) -> int:
    """Returns what the files of a graph take."""
    return sum(entry.bytes for name, entry in manifest.files.items() if name.partition(".")[0] == component)


_AGAIN = "convert the model again with `askpix model convert`"


def _entry(path: Path, digests: Digests | None = None) -> FileEntry:
    return FileEntry(bytes=path.stat().st_size, sha256=(digests or Digests()).of(path))
