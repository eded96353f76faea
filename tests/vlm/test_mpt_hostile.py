"""Checkpoints of a LLaVA on MPT that are damaged, or made to do harm: what is told, and that nothing else happens."""

from __future__ import annotations

import json
import math
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.mpt import WHOLE, TinyMpt, loaded, stored

from askpix.producer.errors import ModelError


class _Evil:
    """What runs code when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("old", [False, True])
def test_a_pickle_that_would_run_code_runs_none(old: bool, source: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    torch.save(
        {**stored(source), "transformer.evil": _Evil(mark)}, source / WHOLE, _use_new_zipfile_serialization=not old
    )
    with pytest.raises(ModelError, match="holds more than weights, and is not loaded: a pickle can run any code"):
        loaded(source)
    assert not mark.exists()
    # As it would have.
    pickle.loads(pickle.dumps(_Evil(mark)))
    assert mark.exists()


def _no_weights(source: Path) -> None:
    (source / WHOLE).unlink()


def _nonsense(source: Path) -> None:
    (source / WHOLE).write_bytes(b"nonsense" * 1_000)


def _a_list(source: Path) -> None:
    torch.save([torch.zeros(3)], source / WHOLE)


def _a_text(source: Path) -> None:
    torch.save({**stored(source), "transformer.note": "text"}, source / WHOLE)


def _whole_numbers(source: Path) -> None:
    weights = stored(source)
    weights["transformer.norm_f.weight"] = weights["transformer.norm_f.weight"].to(torch.int64)
    torch.save(weights, source / WHOLE)


def _one_number_for_all(source: Path) -> None:
    weights = stored(source)
    weights["transformer.wte.weight"] = torch.zeros(1).expand(weights["transformer.wte.weight"].shape)
    torch.save(weights, source / WHOLE)


def _replaced(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], None]:
    def write(source: Path) -> None:
        weights = stored(source)
        weights["transformer.wte.weight"] = change(weights["transformer.wte.weight"])
        torch.save(weights, source / WHOLE)

    return write


def _nested(weight: torch.Tensor) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([weight, weight[1:]])


def _compressed(source: Path) -> None:
    with zipfile.ZipFile(source / WHOLE) as archive:
        parts = {one.filename: archive.read(one) for one in archive.infolist()}
    with zipfile.ZipFile(source / WHOLE, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def _names(name: str) -> Callable[[Path], None]:
    def write(source: Path) -> None:
        (source / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {"a": name}}))

    return write


def _no_index(source: Path) -> None:
    (source / "pytorch_model.bin.index.json").write_text("[" * 100_000)


def _no_tokenizer(source: Path) -> None:
    (source / "tokenizer.json").unlink()


def _more_tokens(source: Path) -> None:
    path = source / "tokenizer.json"
    written = json.loads(path.read_text())
    written["added_tokens"].append({**written["added_tokens"][-1], "content": "<more>", "id": 10_000})
    path.write_text(json.dumps(written))


def _number_left_out(source: Path) -> None:
    path = source / "tokenizer.json"
    written = json.loads(path.read_text())
    vocabulary = written["model"]["vocab"]
    vocabulary[max(vocabulary, key=vocabulary.get)] = 10_000
    path.write_text(json.dumps(written))


def _no_number(name: str) -> Callable[[Path], None]:
    def write(source: Path) -> None:
        weights = stored(source)
        weights[name].view(-1)[3] = math.nan
        torch.save(weights, source / WHOLE)

    return write


def _no_safetensors(source: Path) -> None:
    (source / "model.safetensors").write_bytes(b"\xff" * 100)


def _deep_config(source: Path) -> None:
    (source / "config.json").write_text('{"attn_config":' * 100_000)


def _too_large(source: Path) -> None:
    weights = stored(source)
    weights["transformer.wte.weight"][3, 3] = 1e6
    torch.save(weights, source / WHOLE)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_no_weights, "holds no weights: neither model.safetensors nor pytorch_model.bin"),
        (_nonsense, "pytorch_model.bin"),
        (_a_list, "holds no weights by name"),
        (_a_text, "'transformer.note', which is not a weight"),
        (_whole_numbers, "is of type torch.int64: askpix takes floating point"),
        (_one_number_for_all, "transformer.wte.weight is not stored whole"),
        (_replaced(lambda weight: weight.to("meta")), "transformer.wte.weight is not stored as plain numbers"),
        (_replaced(_nested), "transformer.wte.weight is not stored as plain numbers"),
        (_replaced(lambda weight: weight.to_sparse()), "transformer.wte.weight is not stored as plain numbers"),
        (_compressed, "is compressed, which files of weights are not"),
        (_names("../../secret.bin"), "names '../../secret.bin', which is no file of weights beside it"),
        (_names("/etc/passwd"), "names '/etc/passwd', which is no file of weights beside it"),
        (_names("pytorch_model-00001-of-00002.bin"), "lacks pytorch_model-00001-of-00002.bin, which"),
        (_no_index, "pytorch_model.bin.index.json cannot be read"),
        (_no_tokenizer, "has no tokenizer.json"),
        (_more_tokens, r"tokenizer has tokens up to number 4\d\d; its model knows 4\d\d tokens"),
        (_number_left_out, r"tokenizer has tokens up to number 10,000; its model knows 4\d\d tokens"),
        (_no_number("transformer.wte.weight"), "wte.weight holds what is no number: the file is damaged"),
        (_no_number("transformer.blocks.1.ffn.down_proj.weight"), "down_proj.weight holds what is no number"),
        (_no_number("transformer.norm_f.weight"), "norm_f.weight holds what is no number"),
        (_no_number("transformer.mm_projector.weight"), "mm_projector.weight holds what is no number"),
        (_no_safetensors, "model.safetensors cannot be read"),
        (_deep_config, "config.json cannot be read"),
        (_too_large, "too large for 16 bits: give --precision f32"),
    ],
)
def test_a_damaged_or_hostile_checkpoint_is_told_in_words(
    damage: Callable[[Path], None], words: str, source: Path
) -> None:
    damage(source)
    with pytest.raises(ModelError, match=words):
        loaded(source, torch.float16)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_no_number_is_told_whatever_it_is_kept_in(dtype: torch.dtype, wrong: float, source: Path) -> None:
    weights = {name: weight.to(dtype) for name, weight in stored(source).items()}
    weights["transformer.blocks.0.attn.Wqkv.weight"][2, 2] = wrong
    torch.save(weights, source / WHOLE)
    for kept in (torch.float16, torch.float32):
        with pytest.raises(ModelError, match=r"Wqkv.weight holds what is no number: the file is damaged"):
            loaded(source, kept)


def test_a_hostile_image_encoder_is_refused(source: Path, tiny_mpt: TinyMpt, tmp_path: Path) -> None:
    settings = json.loads((tiny_mpt.tower / "preprocessor_config.json").read_text())
    config = json.loads((tiny_mpt.tower / "config.json").read_text())
    tower = tmp_path / "tower"
    tower.mkdir()

    def told(changed_config: dict[str, Any], changed_settings: dict[str, Any]) -> str:
        (tower / "config.json").write_text(json.dumps({**config, **changed_config}))
        (tower / "preprocessor_config.json").write_text(json.dumps({**settings, **changed_settings}))
        with pytest.raises(ModelError) as raised:
            loaded(source, tower=str(tower))
        return str(raised.value)

    assert "has hidden_size 1000000000: up to 16,384 can be" in told({"hidden_size": 10**9}, {})
    assert "is of type siglip; askpix takes CLIP" in told({"model_type": "siglip"}, {})
    assert "makes others: size 224" in told({}, {"size": 224})
    assert "resizes images by 2; askpix does as bicubic" in told({}, {"resample": 2})
    for key in ("image_mean", "image_std"):
        for last in (math.nan, math.inf, "a", True, 10**400):
            assert "does not say how images are normalised" in told({}, {key: [0.5, 0.5, last]})
        for wrong in (None, [0.5, 0.5]):
            assert "does not say how images are normalised" in told({}, {key: wrong})
    for wrong in (0, -0.5):
        assert "divides by image_std [0.5, 0.5, " in told({}, {"image_std": [0.5, 0.5, wrong]})
    assert "has do_normalize None; askpix resizes, cuts and normalises" in told({}, {"do_normalize": None})
    assert "has do_center_crop False; askpix" in told({}, {"do_center_crop": False})
    for factor in (1 / 127.5, None, math.nan):
        assert "has rescale_factor" in told({}, {"rescale_factor": factor})
