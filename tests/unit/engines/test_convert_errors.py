"""Sources that cannot be converted and model folders that cannot be used: one clear line each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from helpers.random_blip import DEMO_CHECKPOINT
from safetensors.torch import load_file, save_file

from askpix.producer.errors import ModelError
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.converting.convert import convert
from askpix.worker.local import demo_model
from askpix.worker.models.blip_manifest import BlipManifest
from askpix.worker.models.folder import load_manifest
from askpix.worker.models.manifest import MANIFEST, file_entries, fingerprint_of

# OpenVINO's converter traces with what torch wants to replace.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

Damage = Callable[[Path], object]
"""Changes a folder so that it is not what it should be."""


def _one_line(error: BaseException, *words: str) -> None:
    text = str(error)
    assert text.isprintable(), text
    assert len(text) < 700
    assert all(word in text for word in words), text


def _edit_json(name: str, /, **values: Any) -> Damage:
    """Changes entries of a JSON file; None takes one out."""

    def edit(folder: Path) -> None:
        content = {**json.loads((folder / name).read_text()), **values}
        (folder / name).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))

    return edit


def _write(name: str, data: bytes) -> Damage:
    return lambda folder: (folder / name).write_bytes(data)


def _cut(name: str, size: int = 1000) -> Damage:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


def _remove(*names: str) -> Damage:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return remove


def _edit_weights(edit: Callable[[dict[str, Any]], Any]) -> Damage:
    def damage(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        edit(weights)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    return damage


# Converting. ----------------------------------------------------------------------------------------

POSITIONS = "text_decoder.bert.embeddings.position_embeddings.weight"
BAD_CHECKPOINTS = {
    "no config": _remove("config.json"),
    "a config that is not JSON": _write("config.json", b"{ not json"),
    "a config of no model": _write("config.json", b"{}"),
    "a config that names no class": _edit_json("config.json", architectures=None),
    "another class of BLIP": _edit_json("config.json", architectures=["BlipForImageTextRetrieval"]),
    "another kind of model": _edit_json("config.json", architectures=["BertModel"], model_type="bert"),
    "a kind that transformers does not know": _edit_json("config.json", model_type="unheard-of"),
    "no weights": _remove("model.safetensors"),
    "weights that are cut short": _cut("model.safetensors"),
    "weights that are something else": _write("model.safetensors", b"<!doctype html>" * 99),
    "a pickle that is something else": lambda folder: (
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin").write_bytes(b"<!doctype html>" * 99)
    ),
    "weights of another size": _edit_weights(lambda weights: weights.update({POSITIONS: torch.zeros(9, 128)})),
    "a weight that is missing": _edit_weights(lambda weights: weights.pop(POSITIONS)),
    "no tokenizer": _remove("tokenizer.json", "tokenizer_config.json", "vocab.txt"),
    "a tokenizer that is not JSON": _write("tokenizer.json", b"{ not json"),
    "no image processor": _remove("preprocessor_config.json"),
    "an image processor that is not JSON": _write("preprocessor_config.json", b"{ not json"),
    "an image processor without a mean": _edit_json("preprocessor_config.json", image_mean=None),
    "an image processor with a mean of gray": _edit_json("preprocessor_config.json", image_mean=[0.5]),
    "an image processor with an unknown filter": _edit_json("preprocessor_config.json", resample=17),
    "an image processor of another size": _edit_json("preprocessor_config.json", size={"height": 96, "width": 96}),
}


@pytest.mark.parametrize("name", BAD_CHECKPOINTS)
def test_a_checkpoint_that_cannot_be_converted_is_one_line_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    # Given
    source = tmp_path / "checkpoint"
    shutil.copytree(DEMO_CHECKPOINT, source)
    BAD_CHECKPOINTS[name](source)

    # When
    with pytest.raises(ModelError) as raised:
        convert(str(source), tmp_path / "folder")

    # Then
    _one_line(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_a_model_of_another_class_is_named(tmp_path: Path) -> None:
    # Given
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")

    # Then
    with pytest.raises(ModelError) as raised:
        convert(str(tmp_path / "bert"), tmp_path / "folder")
    _one_line(raised.value, "BertModel", "BlipForQuestionAnswering", "BlipForConditionalGeneration")


@pytest.mark.parametrize("source", ["", "/no/such/folder", "./no-such-folder", "a b", "../x", "no-such/model/at-all"])
def test_a_source_that_is_not_there_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    # Given: a machine that cannot reach the hub
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    # Then
    with pytest.raises(ModelError) as raised:
        convert(source, tmp_path / "folder")
    _one_line(raised.value, source)


def test_a_file_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as raised:
        convert(str(DEMO_CHECKPOINT / "model.safetensors"), tmp_path / "folder")
    _one_line(raised.value, "model.safetensors")


@pytest.mark.parametrize("taken", ["a folder with a file", "a file", "a folder that would be in a file"])
def test_an_output_that_is_taken_is_left_as_it_is(tmp_path: Path, taken: str) -> None:
    # Given
    output = tmp_path / "folder"
    kept = output / "mine.txt" if taken == "a folder with a file" else output
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")

    # When
    with pytest.raises(ModelError) as raised:
        convert(str(DEMO_CHECKPOINT), output / "inner" if "would be" in taken else output)

    # Then
    _one_line(raised.value, str(output))
    assert kept.read_text() == "mine"


def test_a_name_that_no_queue_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as raised:
        convert(str(DEMO_CHECKPOINT), tmp_path / "folder", name="two words")
    _one_line(raised.value, "two words")
    assert list(tmp_path.iterdir()) == []


# Using. ---------------------------------------------------------------------------------------------


def _resealed(damage: Damage) -> Damage:
    """Damages a folder and makes its digests right again, as one who builds a folder by hand might."""

    def damaged(folder: Path) -> None:
        damage(folder)
        names = [path.name for path in folder.iterdir() if path.name != MANIFEST]
        files = {name: entry.model_dump() for name, entry in file_entries(folder, names).items()}
        _edit_json(MANIFEST, files=files)(folder)
        manifest = BlipManifest.model_validate_json((folder / MANIFEST).read_bytes())
        _edit_json(MANIFEST, fingerprint=fingerprint_of(manifest))(folder)

    return damaged


def _flip(name: str) -> Damage:
    def damage(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)

    return damage


BAD_FOLDERS: dict[str, tuple[Damage, str]] = {
    "no manifest": (_remove(MANIFEST), "manifest.json"),
    "a manifest that is not JSON": (_write(MANIFEST, b"{ not json"), "manifest.json"),
    "a manifest that is not UTF-8": (_write(MANIFEST, b"\xff\xfe{}"), "manifest.json"),
    "a manifest that is empty": (_write(MANIFEST, b""), "manifest.json"),
    "a manifest that is a list": (_write(MANIFEST, b"[]"), "manifest.json"),
    "another format": (_edit_json(MANIFEST, format=1), "format"),
    "another kind": (_edit_json(MANIFEST, kind="vlx"), "kind"),
    "a field too many": (_edit_json(MANIFEST, surprise=1), "surprise"),
    "a name that no queue takes": (_edit_json(MANIFEST, name="two words"), "name"),
    "a weight file that is missing": (_remove("text_decoder.bin"), "text_decoder.bin"),
    "a tokenizer that is missing": (_remove("tokenizer.json"), "tokenizer.json"),
    "one bit of the weights": (_flip("vision_encoder.bin"), "vision_encoder.bin"),
    "one bit of a graph": (_flip("text_encoder.xml"), "text_encoder.xml"),
    "weights that are cut short": (_cut("text_decoder.bin"), "text_decoder.bin"),
    "another fingerprint": (_edit_json(MANIFEST, fingerprint="0" * 64), "manifest"),
    "a file elsewhere": (
        _edit_json(MANIFEST, files={"../../etc/passwd": {"bytes": 1, "sha256": "0" * 64}}),
        "../../etc/passwd",
    ),
    "a graph that is none": (_resealed(_write("vision_encoder.xml", b"<net/>")), "vision_encoder.xml"),
    "a graph that is not listed": (_resealed(_remove("text_encoder.xml", "text_encoder.bin")), "text_encoder.xml"),
    "a graph in the place of another": (
        _resealed(lambda folder: shutil.copy(folder / "text_encoder.xml", folder / "text_decoder.xml")),
        "text_decoder",
    ),
    "a tokenizer that is none": (_resealed(_write("tokenizer.json", b"{}")), "tokenizer.json"),
    "sizes of another model": (
        lambda folder: _edit_json(MANIFEST, sizes={**json.loads((folder / MANIFEST).read_text())["sizes"], "heads": 2})(
            folder
        ),
        "manifest",
    ),
    "tokens of another model": (_edit_json(MANIFEST, tokens={"start": 6, "end": 9, "pad": 0}), "manifest"),
}


@pytest.mark.parametrize("name", BAD_FOLDERS)
def test_a_damaged_or_foreign_model_folder_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    # Given
    damage, word = BAD_FOLDERS[name]
    folder = tmp_path / "model"
    shutil.copytree(demo_model(), folder)
    damage(folder)

    # Then
    with pytest.raises(ModelError) as raised:
        BlipEngine(folder)
    _one_line(raised.value, str(folder), word)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    # Given
    (tmp_path / "file").write_text("a file")
    (tmp_path / "empty").mkdir()

    # Then
    for name in ("file", "empty", "not-there"):
        with pytest.raises(ModelError) as raised:
            load_manifest(tmp_path / name)
        _one_line(raised.value, name, "askpix model convert")
