"""Converts a BLIP checkpoint of transformers to a model folder: PyTorch to OpenVINO directly.

Needs the `convert` extra; running the folder does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import openvino as ov
import torch
import transformers

from askpix.producer.errors import ModelError
from askpix.worker.engine.base import Ability, Resample
from askpix.worker.models.manifest import ImageInput, Manifest, Sizes, SpecialTokens
from askpix.worker.models.staging import check_output, sealed, staged
from askpix.worker.models.text_graphs import TextDecoder, TextEncoder
from askpix.worker.models.vision_graph import VisionEncoder

WeightFormat = Literal["f32", "f16"]

# In the order of Pillow's numbers, which checkpoints use.
_RESAMPLE: tuple[Resample, ...] = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
_LEAST_VOCABULARY = 16
_CLASSES = {
    "BlipForQuestionAnswering": (Ability.CAPTION, Ability.ANSWER, Ability.CHOICES),
    "BlipForConditionalGeneration": (Ability.CAPTION,),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Checkpoint:
    model: Any
    tokenizer: Any
    processor: dict[str, Any]
    abilities: tuple[Ability, ...]


def convert(source: str, output: Path, *, name: str | None = None, weights: WeightFormat = "f32") -> Manifest:
    """Writes the model folder of a checkpoint and returns its manifest.

    Args:
        source: a local checkpoint folder or a hub id, of `BlipForQuestionAnswering` or
            `BlipForConditionalGeneration`, of any size.
        output: a folder that is not there yet, or empty.
        name: what the model is called; by default the last part of the source.
        weights: how weights are stored. "f32" keeps them as they are, "f16" halves the folder.

    Raises:
        ModelError: the source cannot be loaded, is of another kind, or the output is taken.
    """
    name = name or _name(source)
    check_output(output, name)
    checkpoint = _load(source)
    model, text = checkpoint.model, checkpoint.model.config.text_config
    image = _image_input(checkpoint)
    vision = VisionEncoder(model.vision_model, image.mean, image.std)
    tokens = int(model.vision_model.embeddings.position_embedding.shape[1])
    width = int(model.vision_model.config.hidden_size)
    with torch.inference_mode(), staged(output) as folder:
        _save(
            vision,
            {"image": ("u8", ["B", image.height, image.width, 3])},
            ["states"],
            folder / "vision_encoder",
            weights,
        )
        if Ability.ANSWER in checkpoint.abilities:
            _save(
                TextEncoder(model.text_encoder),
                {
                    **dict.fromkeys(("ids", "positions", "questions"), ("i64", ["B", "N"])),
                    "states": ("f32", ["B", "S", width]),
                },
                ["understood"],
                folder / "text_encoder",
                weights,
            )
        layers, heads = text.num_hidden_layers, text.num_attention_heads
        _save(
            TextDecoder(model.text_decoder),
            {
                "ids": ("i64", ["B", "N"]),
                "positions": ("i64", ["B", "N"]),
                "seen": ("f32", ["B", "N", "N"]),
                "targets": ("i64", ["B", "N", "K"]),
                "states": ("f32", ["B", "S", width]),
                "mask": ("f32", ["B", "S"]),
                **{
                    f"cache.{index}": ("f32", ["B", heads, "P", text.hidden_size // heads])
                    for index in range(2 * layers)
                },
            },
            ["token", "log_probability", "scores", "entry"],
            folder / "text_decoder",
            weights,
        )
        checkpoint.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
        manifest = Manifest(
            kind="blip",
            name=name,
            abilities=frozenset(checkpoint.abilities),
            source=Path(source).name if Path(source).exists() else source,
            precision=weights,
            image=image,
            tokens=SpecialTokens(start=text.bos_token_id, end=text.sep_token_id, pad=text.pad_token_id),
            sizes=Sizes(
                hidden=text.hidden_size,
                image_hidden=width,
                image_tokens=tokens,
                layers=layers,
                heads=heads,
                vocabulary=text.vocab_size,
                max_positions=text.max_position_embeddings,
            ),
            versions={package: version(package) for package in ("openvino", "torch", "transformers")},
            files={},
            fingerprint="",
        )
        return sealed(folder, manifest)


def _load(source: str) -> _Checkpoint:
    local = Path(source).exists()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    # No code of a checkpoint is ever run; a pickle is read as plain tensors only.
    safe = {"trust_remote_code": False, "local_files_only": local}
    try:
        config = transformers.AutoConfig.from_pretrained(source, **safe)
        named = (config.architectures or ["none"])[0]
        if config.model_type != "blip" or named not in _CLASSES:
            raise ModelError(f"{source} is a model of class {named}; askpix converts {' and '.join(_CLASSES)}")
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
    return _Checkpoint(model=model.eval(), tokenizer=tokenizer, processor=processor, abilities=_CLASSES[named])


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


def _image_input(checkpoint: _Checkpoint) -> ImageInput:
    """The size is the model's own: its position embeddings fit no other."""
    try:
        return _read_image_input(checkpoint)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"the checkpoint's preprocessor_config.json cannot be used: {reason}") from None


def _read_image_input(checkpoint: _Checkpoint) -> ImageInput:
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
        resample=_RESAMPLE[processor.get("resample", 3)],
    )


_FREE = {"B": 2, "N": 3, "K": 5, "S": 7, "P": 4}
"""Dimensions that are free, by the letters of the graphs' docstrings. Tracing sees these sizes: all differ, and none
is 1, so that it takes none of them for another, nor for one to broadcast."""

_Inputs = Mapping[str, tuple[str, Sequence[int | str]]]
"""Kind and shape of each input, by name."""


def _save(module: torch.nn.Module, inputs: _Inputs, outputs: list[str], target: Path, weights: WeightFormat) -> None:
    model = ov.convert_model(
        module.eval(),
        example_input=tuple(_example(kind, shape) for kind, shape in inputs.values()),
        input=[
            ([-1 if isinstance(size, str) else size for size in shape], getattr(ov.Type, kind))
            for kind, shape in inputs.values()
        ],
    )
    for port, name in zip((*model.inputs, *model.outputs), (*inputs, *outputs), strict=True):
        port.get_tensor().set_names({name})
    ov.save_model(model, target.with_suffix(".xml"), compress_to_fp16=weights == "f16")


def _example(kind: str, shape: Sequence[int | str]) -> torch.Tensor:
    sizes = [_FREE[size] if isinstance(size, str) else size for size in shape]
    dtype = {"u8": torch.uint8, "i64": torch.int64, "f32": torch.float32}[kind]
    return torch.ones(sizes, dtype=dtype)


def _name(source: str) -> str:
    base = Path(source).resolve().name if Path(source).exists() else source.rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", base).strip("-._")[:100] or "blip"
