"""A checkpoint's weights as its files hold them: mapped into memory, not read, and looked at before they are used.

Pickles are read as plain tensors only. Needs torch, of the `convert` extra.
"""

from __future__ import annotations

import json
import pickle
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from askpix.producer.errors import ModelError

_KINDS = ("safetensors", "bin")
"""Endings of files with weights, the better one first: what one holds is not read where there is the other."""

_STEMS = {"safetensors": "model", "bin": "pytorch_model"}
_FLOATS = (torch.float16, torch.bfloat16, torch.float32)
_INDEX_BYTES = 64 << 20


class StoredWeights:
    """The weights in a checkpoint's folder, by name.

    Args:
        folder: with `model.safetensors` or `pytorch_model.bin`, or several of either and their index.

    Raises:
        ModelError: it has none, or one that cannot be read as weights and nothing else.
    """

    def __init__(self, folder: Path) -> None:
        self._tensors: dict[str, torch.Tensor] = {}
        for path in _files(folder):
            found = _pickled(path) if path.suffix == ".bin" else _safe(path)
            for name, tensor in found.items():
                if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
                    raise ModelError(f"{path.name} holds {str(name)[:80]!r}, which is not a weight")
                if name in self._tensors:
                    raise ModelError(f"several of the checkpoint's files hold the weight {name[:80]}")
                self._tensors[name] = tensor

    @property
    def names(self) -> frozenset[str]:
        """Of the weights that were not taken yet."""
        return frozenset(self._tensors)

    def take(self, name: str, shape: Sequence[int]) -> torch.Tensor:
        """Returns a weight, as it is stored, and forgets it here.

        Raises:
            ModelError: there is none, or one of another shape, or one that is not all there.
        """
        tensor = self._tensors.pop(name, None)
        if tensor is None:
            raise ModelError(f"the checkpoint lacks the weight {name}")
        # Such a one has no shape, or no numbers, whatever it says.
        if tensor.is_nested or tensor.device.type != "cpu" or tensor.layout is not torch.strided:
            raise ModelError(f"the checkpoint's weight {name} is not stored as plain numbers")
        if tuple(tensor.shape) != tuple(shape):
            raise ModelError(
                f"the checkpoint's weight {name} has the shape {_shown(tensor.shape)}; "
                f"its config.json asks for {_shown(shape)}"
            )
        if tensor.dtype not in _FLOATS:
            raise ModelError(f"the checkpoint's weight {name} is of type {tensor.dtype}: askpix takes floating point")
        # A few stored numbers can claim to be any number of them.
        if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.itemsize:
            raise ModelError(f"the checkpoint's weight {name} is not stored whole")
        return tensor.detach()

    def drop(self, names: Iterable[str]) -> None:
        """Forgets weights that the model has no use for."""
        for name in names:
            self._tensors.pop(name, None)


def _shown(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def _files(folder: Path) -> list[Path]:
    for kind in _KINDS:
        index = folder / f"{_STEMS[kind]}.{kind}.index.json"
        if index.is_file():
            return _shards(folder, index, kind)
        whole = folder / f"{_STEMS[kind]}.{kind}"
        if whole.is_file():
            return [whole]
    raise ModelError(f"{folder} holds no weights: neither model.safetensors nor pytorch_model.bin, nor an index of any")


def _shards(folder: Path, index: Path, kind: str) -> list[Path]:
    """Returns the files that an index names: all of the checkpoint's own folder, and no other."""
    try:
        if index.stat().st_size > _INDEX_BYTES:
            raise ValueError("it is too large")
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{index.name} cannot be read: {str(error)[:200] or type(error).__name__}") from None
    paths = []
    for name in sorted(map(str, names)):
        if Path(name).name != name or "\\" in name or not name.endswith(f".{kind}"):
            raise ModelError(f"{index.name} names {name[:80]!r}, which is no file of weights beside it")
        if not (folder / name).is_file():
            raise ModelError(f"the checkpoint lacks {name}, which {index.name} names")
        paths.append(folder / name)
    if not paths:
        raise ModelError(f"{index.name} names no files")
    return paths


def _pickled(path: Path) -> Mapping[Any, Any]:
    try:
        mapped = zipfile.is_zipfile(path)
        if mapped:
            with zipfile.ZipFile(path) as archive:
                if any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist()):
                    raise ModelError(f"{path.name} is compressed, which files of weights are not")
        with warnings.catch_warnings():
            # Of the way that old files have, and of nothing that is wrong with them.
            warnings.simplefilter("ignore")
            # Files of before 2020 cannot be mapped; these are read.
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{path.name} holds more than weights, and is not loaded: a pickle can run any code ({reason[:160]})"
        ) from None
    except ModelError:
        raise
    except Exception as error:  # a damaged file makes its reader raise whatever it leads it to
        raise ModelError(f"{path.name} cannot be read: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(found, Mapping):
        raise ModelError(f"{path.name} holds no weights by name")
    return found


def _safe(path: Path) -> Mapping[str, torch.Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path.name} cannot be read: {' '.join(str(error).split())[:200]}") from None
