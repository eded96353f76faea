"""Checkpoints of a LLaVA on MPT: the layouts that are read, and what is not computed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.conversions import converted
from helpers.mpt import WHOLE, TinyMpt, loaded, stored
from helpers.processes import askpix
from helpers.tiny_mpt import make_checkpoint, make_weights
from transformers import CLIPVisionModel

from askpix.producer.errors import ModelError
from askpix.worker.converting.vlm_checks import check_weights
from askpix.worker.converting.vlm_parts import VlmParts
from askpix.worker.converting.weights import Weights
from askpix.worker.models.vlm_manifest import Compression, FixedTokens

PUBLISHED, TOWER = "liuhaotian/LLaVA-Lightning-MPT-7B-preview", "openai/clip-vit-large-patch14"


def _numbers(parts: VlmParts) -> dict[str, torch.Tensor]:
    return {
        **{f"encoder.{name}": one for name, one in parts.encoder.state_dict().items()},
        **{f"decoder.{name}": one for name, one in parts.decoder.state_dict().items()},
        "embedding": parts.embedding,
    }


def _same(one: VlmParts, other: VlmParts) -> bool:
    ours, theirs = _numbers(one), _numbers(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    "how", [{"files": "bin", "shards": 3}, {"files": "safetensors"}, {"files": "safetensors", "shards": 1}]
)
def test_weights_are_read_from_files_of_any_kind(
    how: dict[str, Any], source: Path, tiny_mpt: TinyMpt, tmp_path: Path
) -> None:
    make_checkpoint(tmp_path / "other", tiny_mpt.tower, **how)
    assert _same(loaded(source), loaded(tmp_path / "other"))


def test_files_of_before_2020_are_read(source: Path, tmp_path: Path) -> None:
    old = shutil.copytree(source, tmp_path / "old")
    torch.save(stored(source), old / WHOLE, _use_new_zipfile_serialization=False)
    assert _same(loaded(source), loaded(old))


def test_weights_stay_in_their_files_until_they_are_needed(tiny_mpt: TinyMpt, tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "source", tiny_mpt.tower, dtype=torch.float16)
    parts = loaded(tmp_path / "source", torch.float16)
    mapped = Path("/proc/self/maps").read_text()
    for number in (1, 2):
        assert str(tmp_path / "source" / f"pytorch_model-0000{number}-of-00002.bin") in mapped
    assert parts.embedding.dtype is torch.float16


def test_an_image_encoder_that_the_checkpoint_brings_is_taken(source: Path, tiny_mpt: TinyMpt) -> None:
    # Given: one that was trained on, and so is not the one that config.json names.
    own = CLIPVisionModel.from_pretrained(tiny_mpt.tower).state_dict()
    trained = {name: tensor + 1 for name, tensor in own.items()}
    prefix = "transformer.vision_tower.vision_tower.vision_model."
    named = {prefix + name.removeprefix("vision_model."): tensor for name, tensor in trained.items()}
    torch.save({**stored(source), **named}, source / WHOLE)

    # When
    taken = loaded(source).encoder.vision.state_dict()  # type: ignore[union-attr, operator]

    # Then: as far as it is used.
    assert len(taken) == len(own) - 16
    assert all(torch.equal(tensor, trained[name]) for name, tensor in taken.items() if "position_ids" not in name)


def test_the_image_encoder_can_be_named(source: Path, tiny_mpt: TinyMpt) -> None:
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "mm_vision_tower": str(source / "nowhere")}))
    with pytest.raises(ModelError, match="--vision-tower can name a folder"):
        loaded(source)
    assert loaded(source, tower=str(tiny_mpt.tower)).edge == 56


@pytest.mark.parametrize(("name", "why"), [("clip", "there is a folder of that name here"), ("", "mm_vision_tower")])
def test_no_folder_that_happens_to_be_here_stands_in_for_the_image_encoder(
    name: str, why: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip").mkdir()
    monkeypatch.chdir(tmp_path)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "mm_vision_tower": name}))
    with pytest.raises(ModelError, match=why):
        loaded(source)


def test_what_a_model_is_follows_from_its_config(tiny_mpt: TinyMpt) -> None:
    parts = loaded(tiny_mpt.checkpoint())
    language = parts.language
    assert (language.layers, language.kv_heads, language.head_size, language.context) == (2, 6, 8, 96)
    # Of six heads: every other slope of eight, the second first.
    assert parts.slopes == (2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3)
    # 4 x 4 patches, and the tokens before and behind them.
    assert (parts.edge, parts.patch, parts.image_tokens) == (56, 14, 18)
    assert parts.tokenizer.convert_ids_to_tokens(list(parts.ends)) == ["<|endoftext|>", "<|im_end|>"]
    assert loaded(tiny_mpt.checkpoint(), context=4_096).language.context == 4_096


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"alibi": False}, "attn_config.alibi"),
        ({"prefix_lm": True}, "attn_config.prefix_lm"),
        ({"qk_ln": True}, "attn_config.qk_ln"),
        ({"attn_uses_sequence_id": True}, "attn_uses_sequence_id"),
        ({"attn_type": "multiquery_attention"}, "attn_config.attn_type"),
        ({"clip_qkv": -1}, "attn_config.clip_qkv"),
        ({"norm_type": "rmsnorm"}, "norm_type"),
        ({"no_bias": False}, "no_bias"),
        ({"mm_projector_type": "mlp2x_gelu"}, "mm_projector_type"),
        ({"image_aspect_ratio": "pad"}, "image_aspect_ratio"),
        ({"d_model": 10**12}, "d_model"),
        ({"n_layers": 10**9}, "n_layers"),
        ({"vocab_size": 10**12}, "vocab_size"),
        ({"d_model": 50}, "does not divide by its n_heads 6"),
        ({"d_model": 96}, r"has the shape 4\d\d x 48; its config.json asks for 4\d\d x 96"),
        ({"n_layers": 3}, r"lacks the weight transformer.blocks.2.norm_1.weight"),
        ({"n_layers": 1}, r"holds 6 weights that askpix knows no place for, such as transformer.blocks.1"),
        ({"mm_hidden_size": 64}, "the image encoder gives 32 numbers a patch; the projector takes 64"),
        ({"mm_vision_select_layer": -9}, "is no layer of an image encoder that has 3"),
        ({"tie_word_embeddings": False}, "has no lm_head.weight"),
        ({"tie_word_embeddings": None}, "tie_word_embeddings"),
        ({"no_bias": None}, "no_bias"),
        ({"norm_eps": 1e-6}, "norm_eps"),
        ({"ffn_config": {"ffn_act_fn": {"name": "silu"}}}, "ffn_config.ffn_act_fn.name"),
        ({"ffn_config": {"ffn_act_fn": {"name": "gelu", "approximate": "tanh"}}}, "ffn_config.ffn_act_fn.approximate"),
        ({"ffn_config": {"ffn_type": "mptglu"}}, "ffn_config.ffn_type"),
        ({"attn_config": {"alibi": True, "rope": True}}, "attn_config.rope"),
        ({"attn_config": {"alibi": True, "sliding_window_size": 512}}, "attn_config.sliding_window_size"),
    ],
)
def test_what_is_not_computed_is_refused(changed: dict[str, Any], words: str, source: Path) -> None:
    config = json.loads((source / "config.json").read_text())
    for key, value in changed.items():
        (config["attn_config"] if key in config["attn_config"] else config)[key] = value
    (source / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=words):
        loaded(source)


def test_settings_that_are_null_are_left_to_their_defaults(source: Path) -> None:
    config = json.loads((source / "config.json").read_text())
    nothing = dict.fromkeys(("mm_projector_type", "norm_type", "max_seq_len", "ffn_config", "image_aspect_ratio"))
    attention = {**config["attn_config"], "alibi_bias_max": None, "attn_type": None}
    before = loaded(source)
    (source / "config.json").write_text(json.dumps({**config, **nothing, "attn_config": attention}))
    after = loaded(source)
    assert (after.slopes, after.language.context) == (before.slopes, 2_048)
    assert _same(before, after)


def test_the_reference_and_the_reader_agree_on_what_a_config_asks_for(source: Path) -> None:
    config = json.loads((source / "config.json").read_text())
    assert stored(source).keys() == make_weights(config).keys()


def _fetched(cache: Path, hub_id: str, folder: Path) -> None:
    """Puts a folder where the hub's client keeps what it has fetched."""
    place = cache / "hub" / f"models--{hub_id.replace('/', '--')}"
    shutil.copytree(folder, place / "snapshots" / "1234")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("1234")


def test_the_command_converts_what_the_hub_has_by_its_type(
    source: Path, tiny_mpt: TinyMpt, images: Path, tmp_path: Path
) -> None:
    # Given: what came from the hub, and no export environment, which it does without.
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "mm_vision_tower": TOWER}))
    _fetched(tmp_path / "cache", PUBLISHED, source)
    _fetched(tmp_path / "cache", TOWER, tiny_mpt.tower)
    env = {
        "ASKPIX_EXPORT_ENV": str(tmp_path / "none"), "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1",
    }  # fmt: skip

    # When
    manifest = converted(PUBLISHED, "--context", "320", images=images, group_size=16, cwd=tmp_path, env=env)

    # Then
    assert (manifest.name, manifest.family, manifest.template) == ("mine", "llava_mpt", "mpt")
    assert (manifest.precision, manifest.language.context) == ("int4", 320)
    assert manifest.compression == Compression(group_size=16, ratio=1, images=2)
    assert manifest.image_tokens == FixedTokens(tokens=18, edge=56)
    assert {"<|im_start|>", "<|im_end|>", "<im_start>", "<im_end>", "<image>", "<|endoftext|>"} <= {*manifest.reserved}
    assert manifest.source == PUBLISHED
    check_weights(tmp_path / "model", Weights(precision="int4"))
    info = askpix("model", "info", "model", cwd=tmp_path)
    assert "100% in groups of 16, scales estimated on 2 images" in info.out
    assert "as mpt writes them" in info.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--precision", "int4", "--group-size", "20"], "the weights cannot be compressed: InvalidGroupSizeError"),
        (["--vision-tower", "nowhere"], "the image encoder nowhere cannot be loaded"),
        (["--max-new-tokens", "300"], "max_new_tokens 300 is more than the model's 96 tokens"),
        (["--context", "18"], "an image takes 18 tokens; a context of 18 has room for nothing else"),
        (["--template", "qwen"], "the template qwen writes an image as <|vision_start|>"),
        (["--decoder", "int4"], "--decoder is for BLIP models"),
    ],
)
def test_wrong_usage_is_told_in_a_line(options: list[str], words: str, source: Path, tmp_path: Path) -> None:
    env = {"HF_HUB_OFFLINE": "1"}
    told = askpix("model", "convert", str(source), "--output", "model", *options, cwd=tmp_path, env=env)
    assert (told.code, words in told.err) == (2, True), told.err
    assert "Traceback" not in told.err
    assert not (tmp_path / "model").exists()


def test_a_package_that_is_missing_is_told_with_how_to_install_it(source: Path, tmp_path: Path) -> None:
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking" / "sitecustomize.py").write_text(
        "import sys\nsys.modules['openvino_tokenizers'] = None\n", encoding="utf-8"
    )
    env = {"PYTHONPATH": str(tmp_path / "lacking")}
    told = askpix("model", "convert", str(source), "--output", "model", cwd=tmp_path, env=env)
    assert told.code == 2
    assert "converting needs the package openvino_tokenizers: run `pip install 'askpix[convert,vlm]'`" in told.err
