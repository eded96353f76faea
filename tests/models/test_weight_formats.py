"""How weights are stored: in model folders, and in the checkpoints that these are made from."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from catalogue import picture
from helpers.engine_calls import ask, handle, opened, request
from helpers.random_blip import DEMO_CHECKPOINT, ODD, random_model, save_checkpoint

from askpix.producer.errors import ModelError
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.converting.convert import convert
from askpix.worker.local import demo_model
from askpix.worker.models.blip_manifest import BlipManifest
from askpix.worker.models.folder import load_manifest

# OpenVINO's converter traces with what torch wants to replace.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


def _weight_bytes(manifest: BlipManifest) -> int:
    return sum(entry.bytes for name, entry in manifest.files.items() if name.endswith(".bin"))


def _weights(manifest: BlipManifest) -> dict[str, str]:
    """Returns the digests of the weights. (OpenVINO numbers the nodes of all graphs of a process on and on.)"""
    return {name: entry.sha256 for name, entry in manifest.files.items() if not name.endswith(".xml")}


def _texts(engine: BlipEngine, pictures: int) -> list[str]:
    """Returns the caption and two answers of each picture."""
    requests = []
    for number in range(pictures):
        image, _, asked = picture(7171, number)
        opened_image = handle(engine, image)
        requests += [request(opened_image, text) for text in (None, asked[0][0], asked[number % 7 + 1][0])]
    return [answer.text for answer in ask(engine, requests)]


def test_f16_weights_take_half_the_bytes_and_say_the_same(tmp_path: Path, demo_engine: BlipEngine) -> None:
    # When
    manifest = convert(str(DEMO_CHECKPOINT), tmp_path / "half", name="half", weights="f16")

    # Then
    whole = load_manifest(demo_model())
    assert (whole.precision, manifest.precision) == ("f32", "f16")
    assert _weight_bytes(manifest) / _weight_bytes(whole) == pytest.approx(0.5, abs=0.02)
    assert load_manifest(tmp_path / "half") == manifest
    with opened(tmp_path / "half") as engine:
        pairs = list(zip(_texts(demo_engine, 50), _texts(engine, 50), strict=True))
    other = [pair for pair in pairs if pair[0] != pair[1]]
    assert len(other) <= 0.05 * len(pairs), other


def test_the_shipped_model_folder_holds_the_weights_of_its_checkpoint(tmp_path: Path) -> None:
    assert _weights(convert(str(DEMO_CHECKPOINT), tmp_path / "again")) == _weights(load_manifest(demo_model()))


def test_a_checkpoint_of_pickled_tensors_converts_to_the_same_weights(tmp_path: Path) -> None:
    # Given: the same weights as safetensors and as a pickle
    model = random_model(ODD)
    for name in ("safe", "pickled"):
        save_checkpoint(ODD, tmp_path / name, model=model)
    torch.save(model.state_dict(), tmp_path / "pickled" / "pytorch_model.bin")
    (tmp_path / "pickled" / "model.safetensors").unlink()

    # When
    safe, pickled = (convert(str(tmp_path / name), tmp_path / f"{name}-folder") for name in ("safe", "pickled"))

    # Then
    assert _weights(pickled) == _weights(safe)
    assert (pickled.sizes, pickled.abilities, pickled.tokens) == (safe.sizes, safe.abilities, safe.tokens)


class _Code:
    """Unpickled, it makes a folder: the least harmful thing that shows that code was run."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._trace),)


@pytest.mark.parametrize("layout", ["torch", "plain"])
def test_a_pickle_that_would_run_code_is_refused_without_running_it(tmp_path: Path, layout: str) -> None:
    # Given
    source, trace = tmp_path / "hostile", tmp_path / "code-was-run"
    save_checkpoint(ODD, source)
    (source / "model.safetensors").unlink()
    hostile = {"text_decoder.cls.predictions.bias": _Code(trace)}
    if layout == "torch":
        torch.save(hostile, source / "pytorch_model.bin")
    else:
        (source / "pytorch_model.bin").write_bytes(pickle.dumps(hostile, protocol=2))

    # When
    with pytest.raises(ModelError) as raised:
        convert(str(source), tmp_path / "folder")

    # Then
    assert not trace.exists()
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "folder").exists()


def test_code_that_a_checkpoint_brings_is_not_run(tmp_path: Path) -> None:
    # Given: a checkpoint whose config names classes of its own
    source, trace = tmp_path / "checkpoint", tmp_path / "code-was-run"
    save_checkpoint(ODD, source)
    config = (source / "config.json").read_text()
    own = '"auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}, "model_type": "own"'
    (source / "config.json").write_text(config.replace('"model_type": "blip"', own))
    (source / "own.py").write_text(f"import os\nos.mkdir({str(trace)!r})\nclass Config: pass\nclass Model: pass\n")

    # Then
    with pytest.raises(ModelError, match=r"custom code|trust_remote_code"):
        convert(str(source), tmp_path / "folder")
    assert not trace.exists()
