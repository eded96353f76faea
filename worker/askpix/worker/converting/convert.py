"""Converts a BLIP checkpoint of transformers to a model folder: PyTorch to OpenVINO directly.

Needs the `convert` extra; running the folder does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import openvino as ov
import torch
from pydantic import ValidationError

from askpix.producer.errors import ModelError
from askpix.producer.generation import Generation
from askpix.producer.shown import first_problem
from askpix.worker.converting.checkpoint import Checkpoint, image_input, load_checkpoint
from askpix.worker.converting.naming import name_for
from askpix.worker.converting.staging import check_output, sealed, staged
from askpix.worker.converting.text_graphs import TextDecoder, TextEncoder
from askpix.worker.converting.tracing import traced
from askpix.worker.converting.vision_graph import VisionEncoder
from askpix.worker.engine.base import READING, Ability
from askpix.worker.models.blip_manifest import MAX_NEW_TOKENS, BlipManifest, ImageInput, Sizes, SpecialTokens

WeightFormat = Literal["f32", "f16"]


def convert(
    source: str,
    output: Path,
    *,
    name: str | None = None,
    weights: WeightFormat = "f32",
    generation: Generation | None = None,
) -> BlipManifest:
    """Writes the model folder of a checkpoint and returns its manifest.

    Args:
        source: a local checkpoint folder or a hub id, of `BlipForQuestionAnswering`, `BlipForConditionalGeneration`
            or `BlipForImageTextRetrieval`, of any size.
        output: a folder that is not there yet, or empty.
        name: what the model is called; by default the last part of the source.
        weights: how weights are stored. "f32" keeps them as they are, "f16" halves the folder.
        generation: how the model generates texts where a request does not say.

    Raises:
        ModelError: the source cannot be loaded, is of another kind, or the output is taken.
    """
    name = name or name_for(source)
    defaults = _defaults(generation)
    check_output(output, name)
    checkpoint = load_checkpoint(source)
    image, tokens, sizes = image_input(checkpoint), _tokens(checkpoint), _sizes(checkpoint)
    _check_generation(source, checkpoint, generation, defaults, sizes)
    with torch.inference_mode(), staged(output) as folder:
        _write_graphs(checkpoint, image, sizes.image_hidden, folder, weights)
        checkpoint.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
        manifest = BlipManifest(
            kind="blip",
            name=name,
            abilities=frozenset(checkpoint.abilities),
            source=Path(source).name if Path(source).exists() else source,
            precision=weights,
            image=image,
            tokens=tokens,
            sizes=sizes,
            generation=defaults,
            versions={package: version(package) for package in ("openvino", "torch", "transformers")},
            files={},
            fingerprint="",
        )
        return sealed(folder, manifest)


def _defaults(generation: Generation | None) -> Generation:
    try:
        defaults = (generation or Generation()).with_defaults(Generation(max_new_tokens=MAX_NEW_TOKENS))
    except ValidationError as error:
        raise ModelError(first_problem(error)) from None
    if defaults.stop:
        raise ModelError("a BLIP takes no texts to stop at: leave out stop")
    return defaults


def _check_generation(
    source: str, checkpoint: Checkpoint, generation: Generation | None, defaults: Generation, sizes: Sizes
) -> None:
    """Raises ModelError where a checkpoint cannot generate texts as is asked for."""
    if Ability.CAPTION not in checkpoint.abilities:
        if generation is not None and generation.model_dump(exclude_none=True):
            raise ModelError(f"{source} generates no texts: leave out how it is to do so")
    elif (defaults.max_new_tokens or 0) > sizes.max_positions:
        raise ModelError(f"{source} takes texts of up to {sizes.max_positions} tokens: give a lower max_new_tokens")


def _write_graphs(checkpoint: Checkpoint, image: ImageInput, width: int, folder: Path, weights: WeightFormat) -> None:
    """Writes the graphs that a checkpoint's abilities need.

    Args:
        width: of the image's hidden states.
    """
    model = checkpoint.model
    _save(
        VisionEncoder(model.vision_model, image.mean, image.std),
        {"image": ("u8", ["B", image.height, image.width, 3])},
        ["states"],
        folder / "vision_encoder",
        weights,
    )
    if READING.intersection(checkpoint.abilities):
        head = model.itm_head if Ability.MATCH in checkpoint.abilities else None
        _save(
            TextEncoder(model.text_encoder, head),
            {
                **dict.fromkeys(("ids", "positions", "questions"), ("i64", ["B", "N"])),
                "states": ("f32", ["B", "S", width]),
            },
            ["understood"] if head is None else ["understood", "match"],
            folder / "text_encoder",
            weights,
        )
    if Ability.CAPTION in checkpoint.abilities:
        _save(
            TextDecoder(model.text_decoder),
            _decoder_inputs(model.config.text_config, width),
            ["token", "log_probability", "scores", "entry", "normaliser"],
            folder / "text_decoder",
            weights,
        )


def _tokens(checkpoint: Checkpoint) -> SpecialTokens:
    text = checkpoint.model.config.text_config
    with _explained():
        return SpecialTokens(start=text.bos_token_id, end=text.sep_token_id, pad=text.pad_token_id)


def _sizes(checkpoint: Checkpoint) -> Sizes:
    model, text = checkpoint.model, checkpoint.model.config.text_config
    with _explained():
        return Sizes(
            hidden=text.hidden_size,
            image_hidden=model.vision_model.config.hidden_size,
            image_tokens=model.vision_model.embeddings.position_embedding.shape[1],
            layers=text.num_hidden_layers,
            heads=text.num_attention_heads,
            vocabulary=text.vocab_size,
            max_positions=text.max_position_embeddings,
        )


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise ModelError(f"the checkpoint's config.json cannot be used: {first_problem(error)}") from None


_FREE = {"B": 2, "N": 3, "K": 5, "S": 7, "P": 4}
"""Dimensions that are free, by the letters of the graphs' docstrings. Tracing sees these sizes: all differ, and none
is 1, so that it takes none of them for another, nor for one to broadcast."""


def _decoder_inputs(text: Any, width: int) -> _Inputs:
    layers, heads = text.num_hidden_layers, text.num_attention_heads
    return {
        "ids": ("i64", ["B", "N"]),
        "positions": ("i64", ["B", "N"]),
        "seen": ("f32", ["B", "N", "N"]),
        "targets": ("i64", ["B", "N", "K"]),
        "states": ("f32", ["B", "S", width]),
        "mask": ("f32", ["B", "S"]),
        **{f"cache.{index}": ("f32", ["B", heads, "P", text.hidden_size // heads]) for index in range(2 * layers)},
    }


_Inputs = Mapping[str, tuple[str, Sequence[int | str]]]
"""Kind and shape of each input, by name."""


def _save(module: torch.nn.Module, inputs: _Inputs, outputs: list[str], target: Path, weights: WeightFormat) -> None:
    model = traced(
        module,
        tuple(_example(kind, shape) for kind, shape in inputs.values()),
        [
            ([-1 if isinstance(size, str) else size for size in shape], getattr(ov.Type, kind))
            for kind, shape in inputs.values()
        ],
        names=(*inputs, *outputs),
    )
    ov.save_model(model, target.with_suffix(".xml"), compress_to_fp16=weights == "f16")


def _example(kind: str, shape: Sequence[int | str]) -> torch.Tensor:
    sizes = [_FREE[size] if isinstance(size, str) else size for size in shape]
    dtype = {"u8": torch.uint8, "i64": torch.int64, "f32": torch.float32}[kind]
    return torch.ones(sizes, dtype=dtype)
