"""A tiny LLaVA-MPT with random weights, in the layout of the published one, and what plain PyTorch says of it.

The reference knows nothing of askpix's conversion: it reads the checkpoint's files, and attends in lines of its own.
Nothing that such a model says makes sense: it shows whether numbers are right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModel, PreTrainedTokenizerFast

SIDE, PATCH, TRAINED = 56, 14, 96
"""Of images; and the length that the model was trained with, which is less than a question and its image take here."""

_Pixels = np.ndarray[Any, Any]

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
    **changed: Any,
) -> None:
    """Writes a checkpoint whose weights follow from its sizes alone.

    Args:
        tower: the folder of the image encoder, which the checkpoint names.
        marked: whether tokens go before an image and behind it.
        shards: how many files the weights are in; one has no index.
        files: bin or safetensors.
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
    weights = make_weights(config)
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


def make_weights(config: dict[str, Any]) -> dict[str, torch.Tensor]:
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
        name: torch.rand(shape) + 0.5 if len(shape) == 1 else torch.randn(shape) * (_scale(name) / shape[-1] ** 0.5)
        for name, shape in shapes.items()
    }


_SCALES = {"wte": 0.05, "out_proj": 6, "Wqkv": 3}
"""Of these weights; that of others is 2. The head is the embedding: with larger ones, or if less of what a token sees
went into its state, a text would say one token again and again."""


def _scale(name: str) -> float:
    return next((scale for part, scale in _SCALES.items() if part in name), 2)


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


class Reference:
    """A checkpoint, run by plain PyTorch in float32, one text at a time, without a cache."""

    def __init__(self, folder: Path, tower: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.weights: dict[str, torch.Tensor] = {}
        for path in sorted(folder.glob("pytorch_model*.bin")):
            self.weights |= torch.load(path, weights_only=True)
        self.weights = {name.removeprefix("transformer."): one.float() for name, one in self.weights.items()}
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
        self.tower = CLIPVisionModel.from_pretrained(tower).eval()
        self.settings = json.loads((tower / "preprocessor_config.json").read_text())
        self.marked = bool(self.config["mm_use_im_start_end"])
        self.ends = [self.tokenizer.convert_tokens_to_ids(token) for token in ("<|endoftext|>", "<|im_end|>")]

    def prompt_ids(self, prompt: str) -> list[list[int]]:
        """Returns the tokens before and behind each image: they are made apart, as LLaVA does."""
        written = prompt.replace("<image>", "<im_start><image><im_end>") if self.marked else prompt
        return [self.tokenizer(text)["input_ids"] for text in written.split("<image>")]

    @torch.inference_mode()
    def generate(self, pixels: Sequence[_Pixels], prompt: str, length: int) -> list[int]:
        """Returns the likeliest tokens, one by one, up to one that ends the text."""
        states = self._states(pixels, prompt)
        ids: list[int] = []
        while len(ids) < length and not (ids and ids[-1] in self.ends):
            ids.append(int(self._logits(states)[-1].argmax()))
            states = torch.cat([states, self.weights["wte.weight"][ids[-1]][None]])
        return ids

    @torch.inference_mode()
    def written(self, pixels: Sequence[_Pixels], prompt: str, text: str) -> float:
        """Returns the log-probability of writing a text, with a space before it or without, where nothing else may be.

        Of the tokens that go on with it the likeliest is taken each time.
        """
        letters = {number: self.tokenizer.decode([number]) for number in range(len(self.tokenizer))}
        states, done, total = self._states(pixels, prompt), "", 0.0
        while True:
            if done.strip() == text:
                allowed = list(self.ends)
            else:
                left = [whole[len(done) :] for whole in (text, " " + text) if whole.startswith(done)]
                allowed = [number for number, part in letters.items() if part and any(map(_begins(part), left))]
            scores = self._logits(states)[-1].log_softmax(-1)[torch.tensor(allowed)]
            best = int(scores.argmax())
            total += float(scores[best])
            if allowed[best] in self.ends:
                return total
            done += letters[allowed[best]]
            states = torch.cat([states, self.weights["wte.weight"][allowed[best]][None]])

    def _states(self, pixels: Sequence[_Pixels], prompt: str) -> torch.Tensor:
        """Returns a prompt and its images as embeddings [N, D]."""
        first, *texts = (self.weights["wte.weight"][torch.tensor(ids)] for ids in self.prompt_ids(prompt))
        shown = [part for one, text in zip(pixels, texts, strict=True) for part in (self._image(one), text)]
        return torch.cat([first, *shown])

    def _image(self, pixels: _Pixels) -> torch.Tensor:
        """Returns an image as embeddings [P, D]: the shorter side is resized, the middle cut out."""
        image = Image.fromarray(pixels)
        scale = SIDE / min(image.size)
        wide, high = (max(int(size * scale), SIDE) for size in image.size)
        left, top = (wide - SIDE) // 2, (high - SIDE) // 2
        cut = image.resize((wide, high), Image.Resampling.BICUBIC).crop((left, top, left + SIDE, top + SIDE))
        values = (np.asarray(cut, np.float32) / 255 - self.settings["image_mean"]) / self.settings["image_std"]
        seen = self.tower(torch.tensor(values, dtype=torch.float32).permute(2, 0, 1)[None], output_hidden_states=True)
        first = 0 if self.config.get("mm_vision_select_feature") == "cls_patch" else 1
        states = seen.hidden_states[self.config["mm_vision_select_layer"]][0, first:]
        return states @ self.weights["mm_projector.weight"].T + self.weights["mm_projector.bias"]

    def _logits(self, states: torch.Tensor) -> torch.Tensor:
        """Returns logits [N, V] of embedded tokens [N, D]."""
        for number in range(self.config["n_layers"]):
            states = self._block(states, {
                name.removeprefix(f"blocks.{number}."): one
                for name, one in self.weights.items() if name.startswith(f"blocks.{number}.")
            })  # fmt: skip
        normed = functional.layer_norm(states, states.shape[1:], self.weights["norm_f.weight"])
        head = self.weights.get("lm_head.weight", self.weights["wte.weight"])
        scale = self.config["logit_scale"] or 1
        return normed @ head.T * (self.config["d_model"] ** -0.5 if scale == "inv_sqrt_d_model" else scale)

    def _block(self, states: torch.Tensor, own: dict[str, torch.Tensor]) -> torch.Tensor:
        attention, heads = self.config["attn_config"], self.config["n_heads"]
        length, width = states.shape
        made = functional.layer_norm(states, (width,), own["norm_1.weight"]) @ own["attn.Wqkv.weight"].T
        if attention["clip_qkv"]:
            made = made.clamp(-attention["clip_qkv"], attention["clip_qkv"])
        query, key, value = (part.view(length, heads, -1).transpose(0, 1) for part in made.split(width, dim=1))
        scores = query @ key.transpose(1, 2) * (attention["softmax_scale"] or (width / heads) ** -0.5)
        distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        slope = torch.tensor(_slopes(heads, attention["alibi_bias_max"]))[:, None, None]
        scores = (scores - slope * distance).masked_fill(distance < 0, -math.inf)
        attended = (scores.softmax(-1) @ value).transpose(0, 1).reshape(length, width)
        states = states + attended @ own["attn.out_proj.weight"].T
        inner = functional.layer_norm(states, (width,), own["norm_2.weight"]) @ own["ffn.up_proj.weight"].T
        return states + functional.gelu(inner) @ own["ffn.down_proj.weight"].T


def _begins(part: str) -> Callable[[str], bool]:
    return lambda whole: whole.startswith(part)


def _slopes(heads: int, most: float) -> list[float]:
    """Returns a slope for each head; of 6 those of 8 heads, every other one, the second first."""
    power = 1
    while power < heads:
        power *= 2
    every = [2 ** (-most * number / power) for number in range(1, power + 1)]
    return every if power == heads else (every[1::2] + every[0::2])[:heads]
