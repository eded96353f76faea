"""LLaVA on MPT, as `liuhaotian/LLaVA-Lightning-MPT-7B-preview` is: which weights go where, and what is refused.

A CLIP sees the image, one linear layer projects what it sees to embeddings, and an MPT with ALiBi reads these among
those of the text. The checkpoint has the weights of projector and MPT; those of the CLIP mostly elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer

from askpix.producer.errors import ModelError
from askpix.worker.converting.alibi_decoder import AlibiBlock, AlibiDecoder, slopes
from askpix.worker.converting.checkpoint_folder import checkpoint_folder
from askpix.worker.converting.clip_tower import ClipTower, ImageEncoder, load_tower
from askpix.worker.converting.llava_mpt_config import MptConfig, read_config
from askpix.worker.converting.stored_weights import StoredWeights
from askpix.worker.converting.vlm_parts import VlmParts
from askpix.worker.models.vlm_manifest import Language

_BLOCK = {
    "norm_1": "norm_1.weight",
    "qkv": "attn.Wqkv.weight",
    "out": "attn.out_proj.weight",
    "norm_2": "norm_2.weight",
    "up": "ffn.up_proj.weight",
    "down": "ffn.down_proj.weight",
}
"""What a layer is made of, and its names in a checkpoint."""

_TOWER = "transformer.vision_tower.vision_tower.vision_model."
_PATCH, _AROUND = "<im_patch>", ("<im_start>", "<im_end>")
_TURN_ENDS = "<|im_end|>"
_EOS = "<|endoftext|>"


def load(
    source: str, *, tower: str | None, context: int | None, kept: torch.dtype, told: Callable[[str], None]
) -> VlmParts:
    """Returns the parts of a checkpoint.

    Args:
        source: a local folder or a hub id.
        tower: a local folder or a hub id of the image encoder; by default the one that the checkpoint names.
        context: the longest sequence in tokens; by default that of the training. ALiBi knows no longest one.
        kept: in which numbers weights are kept; those that are so already stay in their files until they are needed.

    Raises:
        ModelError: it cannot be read, or is of another make.
    """
    told("looking at the checkpoint")
    folder = checkpoint_folder(source)
    config = read_config(folder)
    tokenizer = _tokenizer(folder, config)
    weights = StoredWeights(folder)
    own = weights if any(name.startswith(_TOWER) for name in weights.names) else None
    told("loading the image encoder")
    clip = load_tower(tower or _named_tower(config), config.mm_vision_select_layer, own, _TOWER)
    weights.drop([name for name in weights.names if name.startswith(_TOWER)])
    tokens, longest = _image_tokens(config, clip), context or config.max_seq_len
    _check_fit(config, clip, tokens, longest)
    width = config.d_model
    embedding = _taken(weights, "transformer.wte.weight", (config.vocab_size, width), kept)
    decoder = _decoder(config, weights, embedding, kept)
    marks = [_row(tokenizer, embedding, token) for token in _AROUND] if config.mm_use_im_start_end else None
    encoder = _image_encoder(config, weights, clip, marks)
    if weights.names:
        raise ModelError(
            f"the checkpoint holds {len(weights.names)} weights that askpix knows no place for, such as "
            f"{min(weights.names)[:120]}"
        )
    return VlmParts(
        encoder=encoder,
        edge=clip.edge,
        patch=clip.patch,
        image_tokens=tokens,
        images=clip.images,
        embedding=embedding,
        decoder=decoder,
        language=Language(
            layers=config.n_layers,
            kv_heads=config.n_heads,
            head_size=width // config.n_heads,
            context=longest,
        ),
        tokenizer=tokenizer,
        ends=_ends(tokenizer),
        template="mpt",
        slopes=tuple(decoder.slopes.flatten().tolist()),
    )


def _check_fit(config: MptConfig, clip: ClipTower, tokens: int, longest: int) -> None:
    """Raises ModelError where the image encoder is not one for this checkpoint, or leaves its texts no room."""
    if tokens >= longest:
        raise ModelError(f"an image takes {tokens:,} tokens; a context of {longest:,} has room for nothing else")
    if clip.width != config.mm_hidden_size:
        raise ModelError(
            f"the image encoder gives {clip.width} numbers a patch; the projector takes {config.mm_hidden_size}"
        )


def _image_encoder(
    config: MptConfig, weights: StoredWeights, clip: ClipTower, marks: list[torch.Tensor] | None
) -> ImageEncoder:
    """Returns the image encoder with its projector.

    Args:
        marks: the states that stand before an image and behind it, if any.
    """
    return ImageEncoder(
        clip.vision,
        whole=config.mm_vision_select_feature == "cls_patch",
        weight=_taken(weights, "transformer.mm_projector.weight", (config.d_model, config.mm_hidden_size)),
        bias=_taken(weights, "transformer.mm_projector.bias", (config.d_model,)),
        around=None if marks is None else (marks[0], marks[1]),
    )


def _decoder(config: MptConfig, weights: StoredWeights, embedding: torch.Tensor, kept: torch.dtype) -> AlibiDecoder:
    width, inner, attention = config.d_model, config.d_model * config.expansion_ratio, config.attn_config
    shapes = {
        "norm_1": (width,),
        "qkv": (3 * width, width),
        "out": (width, width),
        "norm_2": (width,),
        "up": (inner, width),
        "down": (width, inner),
    }
    scale = attention.softmax_scale or 1 / math.sqrt(width / config.n_heads)
    blocks = []
    for number in range(config.n_layers):
        taken = {
            part: _taken(weights, f"transformer.blocks.{number}.{name}", shapes[part], kept)
            for part, name in _BLOCK.items()
        }
        blocks.append(
            AlibiBlock(
                heads=config.n_heads, scale=scale, clip=attention.clip_qkv, epsilon=config.layer_norm_epsilon, **taken
            )
        )
    vocabulary = embedding
    if "lm_head.weight" in weights.names:
        vocabulary = _taken(weights, "lm_head.weight", (config.vocab_size, width), kept)
    elif not config.tie_word_embeddings:
        raise ModelError("the checkpoint has no lm_head.weight, and its config.json says that it is not the embedding")
    logit_scale = config.logit_scale
    return AlibiDecoder(
        blocks,
        norm=_taken(weights, "transformer.norm_f.weight", (width,)),
        epsilon=config.layer_norm_epsilon,
        vocabulary=vocabulary,
        slopes=slopes(config.n_heads, attention.alibi_bias_max),
        logit_scale=1 / math.sqrt(width) if logit_scale == "inv_sqrt_d_model" else float(logit_scale or 1),
    )


def _taken(weights: StoredWeights, name: str, shape: Sequence[int], kept: torch.dtype | None = None) -> torch.Tensor:
    """Returns a weight in the numbers that it is to be kept in, or those of the checkpoint.

    Raises:
        ModelError: there is none of that shape, or it holds what is no number, or what those numbers do not reach.
    """
    weight = weights.take(name, shape)
    changed = weight.contiguous() if kept is None else weight.to(kept).contiguous()
    if not _finite(changed):
        if not _finite(weight):
            raise ModelError(f"the checkpoint's weight {name} holds what is no number: the file is damaged")
        raise ModelError(f"the checkpoint's weight {name} is too large for 16 bits: give --precision f32")
    return changed


def _finite(weight: torch.Tensor) -> bool:
    # Both are such a number where any is, and need no memory beside the weight.
    return all(math.isfinite(one) for one in weight.aminmax())


def _tokenizer(folder: Path, config: MptConfig) -> Any:
    """Returns the checkpoint's tokenizer, with the tokens that LLaVA adds where it finds them missing."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelError("the checkpoint has no tokenizer.json: save its tokenizer with transformers' fast one")
    try:
        own = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - what it raises has no class of its own
        raise ModelError(f"the checkpoint's tokenizer.json cannot be read: {str(error)[:200]}") from None
    # Their numbers may leave some out: a count says nothing of them.
    if (last := max(own.get_vocab().values(), default=0)) >= config.vocab_size:
        raise ModelError(
            f"the checkpoint's tokenizer has tokens up to number {last:,}; its model knows {config.vocab_size:,} tokens"
        )
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=own, eos_token=_EOS)
    if own.token_to_id(_EOS) is None:
        raise ModelError(f"the checkpoint's tokenizer does not know {_EOS}, with which a text ends")
    if config.mm_use_im_patch_token:
        tokenizer.add_tokens([_PATCH], special_tokens=True)
    if config.mm_use_im_start_end:
        tokenizer.add_tokens(list(_AROUND), special_tokens=True)
    return tokenizer


def _row(tokenizer: Any, embedding: torch.Tensor, token: str) -> torch.Tensor:
    """Returns the embedding of a token."""
    number = int(tokenizer.convert_tokens_to_ids(token))
    if number >= len(embedding):
        raise ModelError(f"the checkpoint puts {token} beside images, and has no embedding for it")
    return embedding[number]


def _ends(tokenizer: Any) -> tuple[int, ...]:
    """Returns what a text ends with: the model's own token, and the one that ends a turn."""
    known = tokenizer.get_vocab()
    return tuple(known[token] for token in (_EOS, _TURN_ENDS) if token in known)


def _named_tower(config: MptConfig) -> str:
    """Returns the image encoder that a configuration names; raises ModelError where that could be another one."""
    name = config.mm_vision_tower
    if not Path(name).is_absolute() and Path(name).exists():
        raise ModelError(
            f"config.json names the image encoder {name}, and there is a folder of that name here, which may be "
            "another: say with --vision-tower which one is meant"
        )
    return name


def _image_tokens(config: MptConfig, clip: ClipTower) -> int:
    whole = config.mm_vision_select_feature == "cls_patch"
    return clip.patches + whole + (len(_AROUND) if config.mm_use_im_start_end else 0)
