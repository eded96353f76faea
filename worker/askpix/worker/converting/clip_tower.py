"""The image encoder of a LLaVA: transformers' CLIP, as far as it is used, and the projector behind it.

Shapes: B images, S pixels a side, P patches, W the encoder's width, D the language model's. Needs transformers, of the
`convert` extra.
"""

# mypy: disable-error-code="no-any-return, misc"
from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional

from askpix.producer.errors import ModelError
from askpix.worker.converting.stored_weights import StoredWeights

_TYPES = ("clip", "clip_vision_model")
_MOST = {"hidden_size": 16_384, "intermediate_size": 65_536, "num_hidden_layers": 256, "image_size": 4_096}
"""What no CLIP comes near: a configuration that asks for more would only take the machine's memory."""

_BICUBIC = 3
"""As Pillow numbers it."""

_RESCALED = 1 / 255
_LARGEST = 1e6
"""Number that normalises: NaN is not below it, either."""


class ImageEncoder(nn.Module):
    """Pixels [B, 3, S, S], normalised, to what stands for the image among embedded tokens [B, P, D].

    Args:
        vision: a `CLIPVisionModel` that ends with the layer whose states are taken.
        whole: take the state of the whole image too, which is before those of the patches.
        weight, bias: of the projector, [D, W] and [D].
        around: embeddings [D] of the tokens that go before the image and behind it; None where none do.
    """

    def __init__(
        self, vision: nn.Module, *, whole: bool, weight: Tensor, bias: Tensor, around: tuple[Tensor, Tensor] | None
    ) -> None:
        super().__init__()
        self.vision = vision
        self.first = 0 if whole else 1
        self.weight, self.bias = (nn.Parameter(one.float(), requires_grad=False) for one in (weight, bias))
        self.around = None
        if around is not None:
            self.around = nn.Parameter(torch.stack(around).float()[:, None, None], requires_grad=False)

    def forward(self, pixels: Tensor) -> Tensor:
        states = self.vision(pixel_values=pixels).last_hidden_state[:, self.first :]
        seen = functional.linear(states, self.weight, self.bias)
        if self.around is None:
            return seen
        before, behind = self.around[0], self.around[1]
        return torch.cat([before.expand(seen.shape[0], 1, -1), seen, behind.expand(seen.shape[0], 1, -1)], dim=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipTower:
    """A CLIP's image encoder, and what it takes."""

    vision: nn.Module
    width: int
    edge: int
    """Of its images, in pixels."""

    patch: int
    images: dict[str, Any]
    """How images are brought to it: a preprocessor_config.json that says all that there is to say."""

    @property
    def patches(self) -> int:
        return (self.edge // self.patch) ** 2


def load_tower(source: str, layer: int, own: StoredWeights | None, prefix: str) -> ClipTower:
    """Returns the image encoder of a CLIP, up to the layer whose states are taken.

    Args:
        source: a local folder or a hub id: of its weights, of its configuration alone where `own` has these.
        layer: which hidden states: -2 are those before the last layer; 0 would be the embeddings.
        own: a checkpoint's weights, if it brings the encoder's; those are taken.
        prefix: what their names begin with.

    Raises:
        ModelError: it cannot be loaded, or is none.
    """
    local = Path(source).exists()
    safe = {"trust_remote_code": False, "local_files_only": local}
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        config = _config(source, safe)
        config.num_hidden_layers = _used(layer, config.num_hidden_layers)
        images = _images(source, config.image_size, local)
        vision = _stored(own, prefix, config) if own is not None else _loaded(source, config, safe)
    except ModelError:
        raise
    except Exception as error:  # a damaged checkpoint makes its readers raise whatever it leads them to
        raise ModelError(
            f"the image encoder {source} cannot be loaded: {' '.join(str(error).split())[:300]}; --vision-tower can "
            "name a folder that has it"
        ) from error
    return ClipTower(
        vision=vision.eval().float(),
        width=config.hidden_size,
        edge=config.image_size,
        patch=config.patch_size,
        images=images,
    )


def _config(source: str, safe: dict[str, Any]) -> Any:
    said, _ = transformers.PretrainedConfig.get_config_dict(source, local_files_only=safe["local_files_only"])
    if said.get("model_type") not in _TYPES:
        raise ModelError(f"the image encoder {source} is of type {said.get('model_type')}; askpix takes CLIP")
    config = transformers.CLIPVisionConfig.from_pretrained(source, **safe)
    for name, most in _MOST.items():
        value = getattr(config, name)
        if not isinstance(value, int) or not 0 < value <= most:
            raise ModelError(f"the image encoder {source} has {name} {str(value)[:40]}: up to {most:,} can be")
    if not isinstance(config.patch_size, int) or not 0 < config.patch_size <= config.image_size:
        raise ModelError(f"the image encoder {source} has patches of {str(config.patch_size)[:40]} pixels")
    return config


def _used(layer: int, layers: int) -> int:
    """Returns how many layers are before the hidden states that are taken."""
    used = layers + 1 + layer if layer < 0 else layer
    if not 1 <= used <= layers:
        raise ModelError(f"mm_vision_select_layer {layer} is no layer of an image encoder that has {layers}")
    return used


def _loaded(source: str, config: Any, safe: dict[str, Any]) -> nn.Module:
    vision, loading = transformers.CLIPVisionModel.from_pretrained(
        source, config=config, dtype=torch.float32, weights_only=True, output_loading_info=True, **safe
    )
    lacking = [str(key) for key in (*loading["missing_keys"], *loading["mismatched_keys"])]
    lacking = [key for key in lacking if not key.endswith("position_ids")]
    if lacking:
        raise ModelError(f"the image encoder {source} lacks weights, or has them in other sizes: {lacking[0][:120]}")
    return vision


def _stored(own: StoredWeights, prefix: str, config: Any) -> nn.Module:
    vision = transformers.CLIPVisionModel(config)
    # Versions of transformers differ in whether that part of the name is there.
    taken = {
        name: own.take(prefix + name.removeprefix("vision_model."), value.shape).float()
        for name, value in vision.state_dict().items()
        if not name.endswith("position_ids")
    }
    vision.load_state_dict(taken, strict=False)
    return vision


def _images(source: str, edge: int, local: bool) -> dict[str, Any]:
    """Returns an image processor's settings, all spelt out; raises ModelError where it does not cut out a square."""
    given, _ = transformers.image_processing_utils.BaseImageProcessor.get_image_processor_dict(
        source, local_files_only=local
    )
    size, crop = given.get("size", {}), given.get("crop_size", {})
    # Old ones say a number where new ones name it.
    shortest = size if isinstance(size, int) else size.get("shortest_edge")
    square = {"height": crop, "width": crop} if isinstance(crop, int) else crop
    for name in ("do_resize", "do_center_crop", "do_rescale", "do_normalize"):
        if given.get(name, True) is not True:
            raise ModelError(
                f"the image encoder {source} has {name} {str(given[name])[:40]}; askpix resizes, cuts and normalises"
            )
    if not (shortest == edge and square == {"height": edge, "width": edge}):
        raise ModelError(
            f"the image encoder {source} takes squares of {edge} pixels; its preprocessor_config.json makes others: "
            f"size {size}, crop_size {crop}"
        )
    if given.get("resample", _BICUBIC) != _BICUBIC:
        raise ModelError(f"the image encoder {source} resizes images by {given['resample']}; askpix does as bicubic")
    factor = given.get("rescale_factor", _RESCALED)
    if not _is_number(factor) or not math.isclose(factor, _RESCALED, rel_tol=1e-4):
        raise ModelError(f"the image encoder {source} has rescale_factor {str(factor)[:40]}; askpix does as 1/255")
    mean, std = given.get("image_mean"), given.get("image_std")
    if not all(isinstance(one, list) and len(one) == 3 and all(map(_is_number, one)) for one in (mean, std)):
        raise ModelError(f"the image encoder {source} does not say how images are normalised")
    if min(std) <= 0:
        raise ModelError(f"the image encoder {source} divides by image_std {std}: numbers above 0 can be")
    return {
        "image_processor_type": "CLIPImageProcessor",
        **dict.fromkeys(("do_convert_rgb", "do_resize", "do_center_crop", "do_rescale", "do_normalize"), True),
        "size": {"shortest_edge": edge},
        "crop_size": {"height": edge, "width": edge},
        "resample": _BICUBIC,
        "rescale_factor": _RESCALED,
        "image_mean": [float(value) for value in mean],
        "image_std": [float(value) for value in std],
    }


def _is_number(value: object) -> TypeGuard[float]:
    """Returns whether a value of a JSON file is a number, and no word for one that is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
