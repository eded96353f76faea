"""A tiny LLaVA-MPT with random weights, in the layout of the published one.

Nothing that such a model says makes sense: it shows whether numbers are right.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CLIPVisionConfig, CLIPVisionModel

SIDE, PATCH, TRAINED = 56, 14, 96
"""Of images; and the length that the model was trained with, which is less than a question and its image take here."""

_TEXTS = (
    "USER: what is it? ASSISTANT: a red mug on a table",
    "describe the picture in one sentence, please.",
    "yes no red blue green yellow black white mug plate shirt bottle",
    "system user assistant\n A conversation between a user and an LLM-based AI assistant. The assistant gives helpful",
)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of the language model."""

    width: int = 48
    heads: int = 6
    layers: int = 2


def make_tower(folder: Path) -> None:
    """Writes the image encoder as a folder of its own."""
    torch.manual_seed(5)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, image_size=SIDE,
        patch_size=PATCH,
    )  # fmt: skip
    tower = CLIPVisionModel(config)
    _enlarge(tower.parameters())
    tower.save_pretrained(folder)
    # As OpenAI's has it: numbers where newer ones name what they are.
    settings = {
        "crop_size": SIDE,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3,
        "size": SIDE,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def make_checkpoint(
    folder: Path,
    tower: Path,
    *,
    sizes: Sizes | None = None,
    marked: bool = True,
    dtype: torch.dtype = torch.float32,
    shards: int = 2,
    files: str = "bin",
    scales: Mapping[str, float] | None = None,
    **changed: Any,
) -> None:
    """Writes a checkpoint whose weights follow from its sizes alone.

    Args:
        tower: the folder of the image encoder, which the checkpoint names.
        marked: whether tokens go before an image and behind it.
        shards: how many files the weights are in; one has no index.
        files: bin or safetensors.
        scales: of the weights whose names have a part; that of others is 2.
        changed: keys of config.json, or of its attn_config.
    """
    sizes = sizes or Sizes()
    folder.mkdir(parents=True)
    tokenizer = _tokenizer(marked)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = _config(sizes, tokenizer.get_vocab_size(), tower, marked)
    for key, value in changed.items():
        (config["attn_config"] if key in config["attn_config"] else config)[key] = value
    (folder / "config.json").write_text(json.dumps(config))
    weights = make_weights(config, LOUD if scales is None else scales)
    _write(folder, {name: tensor.to(dtype) for name, tensor in weights.items()}, shards, files)


def _config(sizes: Sizes, vocabulary: int, tower: Path, marked: bool) -> dict[str, Any]:
    return {
        "architectures": ["LlavaMPTForCausalLM"],
        "attn_config": {
            "alibi": True, "alibi_bias_max": 8, "attn_impl": "torch", "attn_pdrop": 0,
            "attn_type": "multihead_attention", "attn_uses_sequence_id": False, "clip_qkv": None, "prefix_lm": False,
            "qk_ln": False, "softmax_scale": None,
        },
        "d_model": sizes.width, "emb_pdrop": 0, "embedding_fraction": 1.0, "expansion_ratio": 4,
        "hidden_size": sizes.width, "init_device": "cpu", "learned_pos_emb": True, "logit_scale": None,
        "max_seq_len": TRAINED, "mm_hidden_size": 32, "mm_use_im_start_end": marked, "mm_vision_select_layer": -2,
        "mm_vision_tower": str(tower), "model_type": "llava_mpt", "n_heads": sizes.heads, "n_layers": sizes.layers,
        "no_bias": True, "norm_type": "low_precision_layernorm", "resid_pdrop": 0, "torch_dtype": "float16",
        "tokenizer_name": "EleutherAI/gpt-neox-20b", "use_cache": True, "use_mm_proj": True, "verbose": 0,
        "vocab_size": vocabulary,
    }  # fmt: skip


LOUD = {"wte": 0.05, "out_proj": 6, "Wqkv": 3}
"""The head is the embedding: with larger ones, or if less of what a token sees went into its state, a text would say
one token again and again."""

CALM = {"wte": 0.5, "out_proj": 3, "": 1}
"""So, a small difference stays a small one from layer to layer."""


def make_weights(config: dict[str, Any], scales: Mapping[str, float] = LOUD) -> dict[str, torch.Tensor]:
    """Returns the weights that a config.json asks for."""
    torch.manual_seed(11)
    width, inner = config["d_model"], config["d_model"] * config["expansion_ratio"]
    shapes = {"transformer.wte.weight": (config["vocab_size"], width)}
    for number in range(config["n_layers"]):
        block = f"transformer.blocks.{number}."
        shapes |= {
            f"{block}norm_1.weight": (width,),
            f"{block}attn.Wqkv.weight": (3 * width, width),
            f"{block}attn.out_proj.weight": (width, width),
            f"{block}norm_2.weight": (width,),
            f"{block}ffn.up_proj.weight": (inner, width),
            f"{block}ffn.down_proj.weight": (width, inner),
        }
    shapes |= {
        "transformer.norm_f.weight": (width,),
        "transformer.mm_projector.weight": (width, config["mm_hidden_size"]),
        "transformer.mm_projector.bias": (width,),
    }
    if not config.get("tie_word_embeddings", True):
        shapes["lm_head.weight"] = (config["vocab_size"], width)
    # Large enough for texts to depend on images, questions and distances.
    return {
        name: torch.rand(shape) + 0.5
        if len(shape) == 1
        else torch.randn(shape) * (_scale(name, scales) / shape[-1] ** 0.5)
        for name, shape in shapes.items()
    }


def _scale(name: str, scales: Mapping[str, float]) -> float:
    return next((scale for part, scale in scales.items() if part in name), 2)


def _write(folder: Path, weights: dict[str, torch.Tensor], shards: int, files: str) -> None:
    stem = "pytorch_model" if files == "bin" else "model"
    names = list(weights)
    per = -(-len(names) // shards)
    places = {}
    for number in range(shards):
        part = {name: weights[name] for name in names[number * per : (number + 1) * per]}
        path = folder / (f"{stem}.{files}" if shards == 1 else f"{stem}-{number + 1:05}-of-{shards:05}.{files}")
        torch.save(part, path) if files == "bin" else save_file(part, path)
        places |= dict.fromkeys(part, path.name)
    if shards > 1:
        (folder / f"{stem}.{files}.index.json").write_text(json.dumps({"weight_map": places}))


def _tokenizer(marked: bool) -> Tokenizer:
    """GPT-NeoX's kind: byte-level, without a first token; LLaVA's own tokens behind."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<|endoftext|>", "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(_TEXTS, trainer)
    # Runs of spaces are tokens of their own there.
    tokenizer.add_tokens([AddedToken("   ", normalized=True, special=False)])
    tokenizer.add_tokens([AddedToken(text, special=True) for text in ("<|im_start|>", "<|im_end|>")])
    added = ["<im_patch>", "<im_start>", "<im_end>"] if marked else ["<im_patch>"]
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in added])
    return tokenizer


def _enlarge(parameters: Any) -> None:
    with torch.no_grad():
        for parameter in parameters:
            if parameter.dim() > 1:
                parameter.normal_(0, 0.25)
