"""What the config.json of a LLaVA on MPT may say: nothing is taken that the graph does not compute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askpix.producer.errors import ModelError
from askpix.producer.shown import first_problem
from askpix.worker.converting.checkpoint_folder import read_json
from askpix.worker.models.manifest import Size

_Off = Literal[False]
_Number = Annotated[float, Field(gt=0, le=1e6)]


_ON = ("no_bias", "tie_word_embeddings", "mm_use_im_patch_token")
"""Keys of config.json that are true where it does not have them."""


class _Attention(BaseModel):
    """attn_config: only what the graph does is taken."""

    model_config = ConfigDict(extra="ignore")

    attn_type: Literal["multihead_attention"] = "multihead_attention"
    alibi: Literal[True]
    alibi_bias_max: _Number = 8
    clip_qkv: _Number | None = None
    softmax_scale: _Number | None = None
    qk_ln: _Off = False
    prefix_lm: _Off = False
    attn_uses_sequence_id: _Off = False
    rope: _Off = False
    sliding_window_size: Literal[-1] = -1


class _Activation(BaseModel):
    """What newer ones say of it."""

    model_config = ConfigDict(extra="ignore")

    name: Literal["gelu"] = "gelu"
    approximate: Literal["none"] = "none"


class _Inner(BaseModel):
    """ffn_config."""

    model_config = ConfigDict(extra="ignore")

    ffn_type: Literal["mptmlp"] = "mptmlp"
    ffn_act_fn: _Activation = _Activation()


class MptConfig(BaseModel):
    """config.json, as far as it is read."""

    model_config = ConfigDict(extra="ignore")

    d_model: Size
    n_heads: Annotated[int, Field(ge=1, le=1_024)]
    n_layers: Annotated[int, Field(ge=1, le=1_024)]
    expansion_ratio: Annotated[int, Field(ge=1, le=64)] = 4
    max_seq_len: Annotated[int, Field(ge=1, le=1_000_000)] = 2_048
    vocab_size: Annotated[int, Field(ge=1, le=10_000_000)]
    attn_config: _Attention
    ffn_config: _Inner = _Inner()
    norm_type: Literal["layernorm", "low_precision_layernorm"] = "low_precision_layernorm"
    norm_eps: Annotated[float, Field(ge=1e-5, le=1e-5)] = 1e-5
    layer_norm_epsilon: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    no_bias: Literal[True] = True
    logit_scale: _Number | Literal["inv_sqrt_d_model"] | None = None
    tie_word_embeddings: bool = True
    mm_vision_tower: Annotated[str, Field(min_length=1)]
    mm_hidden_size: Size
    mm_vision_select_layer: Annotated[int, Field(ge=-256, le=256)] = -1
    mm_vision_select_feature: Literal["patch", "cls_patch"] = "patch"
    mm_projector_type: Literal["linear"] = "linear"
    mm_use_im_start_end: bool = False
    mm_use_im_patch_token: bool = True
    image_aspect_ratio: Literal["square"] | None = None


def read_config(folder: Path) -> MptConfig:
    """Returns what a checkpoint's config.json says; raises ModelError where it asks for what is not computed."""
    said = read_json(folder / "config.json")
    try:
        config = MptConfig(**_without_nulls(said))
    except ValidationError as error:
        raise ModelError(
            f"the checkpoint's config.json asks for what askpix does not do: {first_problem(error)}"
        ) from None
    if config.d_model % config.n_heads:
        raise ModelError(f"the checkpoint's d_model {config.d_model} does not divide by its n_heads {config.n_heads}")
    return config


def _without_nulls(said: dict[str, Any]) -> dict[str, Any]:
    """Returns settings without those that are null, which are left to their defaults, at both depths.

    A null that would turn off what is on by default stays, and is refused.
    """
    return {
        key: {name: one for name, one in value.items() if one is not None} if isinstance(value, dict) else value
        for key, value in said.items()
        if value is not None or key in _ON
    }
