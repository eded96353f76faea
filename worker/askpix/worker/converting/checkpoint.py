"""BLIP checkpoints of transformers, loaded safely and checked. Needs the `convert` extra."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from askpix.producer.errors import ModelError
from askpix.worker.engine.base import Ability
from askpix.worker.image_form import Resample
from askpix.worker.models.blip_manifest import ImageInput

# In the order of Pillow's numbers, which checkpoints use.
_RESAMPLE: tuple[Resample, ...] = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
_LEAST_VOCABULARY = 16
_CLASSES = {
    "BlipForQuestionAnswering": (Ability.CAPTION, Ability.ANSWER, Ability.CHOICES),
    "BlipForConditionalGeneration": (Ability.CAPTION,),
    "BlipForImageTextRetrieval": (Ability.MATCH,),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A model in float32, and what goes with it."""

    model: Any
    tokenizer: Any
    processor: dict[str, Any]
    """Configuration of its image processor."""

    abilities: tuple[Ability, ...]


def load_checkpoint(source: str) -> Checkpoint:
    """Returns the checkpoint of a local folder or a hub id.

    Raises:
        ModelError: it cannot be loaded, lacks weights, or is of a class that askpix does not convert.
    """
    local = Path(source).exists()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    # No code of a checkpoint is ever run; a pickle is read as plain tensors only.
    safe = {"trust_remote_code": False, "local_files_only": local}
    try:
        config = transformers.AutoConfig.from_pretrained(source, **safe)
        named = (config.architectures or ["none"])[0]
        if config.model_type != "blip" or named not in _CLASSES:
            raise ModelError(f"{source} is a model of class {named}; askpix converts {', '.join(_CLASSES)}")
        model, loading = getattr(transformers, named).from_pretrained(
            source, dtype=torch.float32, weights_only=True, output_loading_info=True, **safe
        )
        _check_complete(source, loading)
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, use_fast=True, **safe)
        processor = _processor_config(source, safe)
        # Without its files, transformers makes a tokenizer of special tokens alone.
        if tokenizer.sep_token_id != model.config.text_config.sep_token_id or len(tokenizer) < _LEAST_VOCABULARY:
            raise ModelError(f"{source} has no tokenizer of its own model: tokenizer.json or vocab.txt is missing")
    except ModelError:
        raise
    except Exception as error:  # a damaged checkpoint makes its readers raise whatever it leads them to
        reason = " ".join(str(error).split())[:300]
        kind = "checkpoint folder" if local else "checkpoint folder, nor a model that can be had from the hub"
        raise ModelError(f"{source} is no {kind} that transformers can load: {reason}") from error
    return Checkpoint(model=model.eval(), tokenizer=tokenizer, processor=processor, abilities=_CLASSES[named])


def _check_complete(source: str, loading: dict[str, Any]) -> None:
    """transformers fills weights that a checkpoint lacks with random numbers, and only warns."""
    lacking = [str(key) for key in (*loading["missing_keys"], *loading["mismatched_keys"])]
    lacking = [key for key in lacking if not key.endswith("position_ids")]
    if lacking:
        raise ModelError(f"{source} lacks {len(lacking)} weights of its model or has them in other sizes: {lacking[0]}")


def _processor_config(source: str, safe: dict[str, Any]) -> dict[str, Any]:
    values, _ = transformers.image_processing_utils.BaseImageProcessor.get_image_processor_dict(
        source, local_files_only=safe["local_files_only"]
    )
    return dict(values)


def image_input(checkpoint: Checkpoint) -> ImageInput:
    """Returns the images that a model takes, in the model's own size: its position embeddings fit no other.

    Raises:
        ModelError: its image processor's configuration cannot be used.
    """
    try:
        return _read_image_input(checkpoint)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"the checkpoint's preprocessor_config.json cannot be used: {reason}") from None


def _read_image_input(checkpoint: Checkpoint) -> ImageInput:
    processor, size = checkpoint.processor, checkpoint.model.config.vision_config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    given = processor.get("size")
    if isinstance(given, dict) and (given.get("height", height), given.get("width", width)) != (height, width):
        raise ModelError(
            f"the checkpoint's image processor makes {given} of an image, its model takes {height}x{width}"
        )
    return ImageInput(
        width=width,
        height=height,
        mean=tuple(processor["image_mean"]),
        std=tuple(processor["image_std"]),
        resample=_RESAMPLE[_natural(processor.get("resample", 3))],
    )


def _natural(number: Any) -> int:
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"resample {number!r} is no way of resizing")
    return number
