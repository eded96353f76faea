"""Vision-language models whose checkpoints askpix reads by itself: what a family gives, and what files become of it.

The folder is of the form that the pipeline's LLaVA takes. Needs torch, nncf and openvino-tokenizers, of the extras
`convert` and `vlm`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openvino as ov
import torch
from openvino_tokenizers import convert_tokenizer

from askpix.worker.converting.alibi_decoder import TokenEmbedding
from askpix.worker.converting.lowering import compressed, compressed_language
from askpix.worker.converting.stateful import stateful_decoder
from askpix.worker.converting.tracing import traced
from askpix.worker.converting.vlm_checks import LANGUAGE_MODEL
from askpix.worker.converting.vlm_samples import IMAGE, IMAGE_ENCODER, TOKEN_EMBEDDING, Samples
from askpix.worker.converting.weights import Weights
from askpix.worker.models.vlm_manifest import Language


@dataclass(frozen=True, kw_only=True, slots=True)
class VlmParts:
    """A model in parts, as a family's file reads it from a checkpoint."""

    encoder: torch.nn.Module
    """Pixels [B, 3, S, S] to what stands for an image [B, P, D]."""

    edge: int
    """S: the side of the square that is cut out of an image."""

    patch: int
    image_tokens: int
    """P."""

    images: dict[str, Any]
    """preprocessor_config.json."""

    embedding: torch.Tensor
    """Of tokens [V, D]."""

    decoder: torch.nn.Module
    """See `stateful_decoder`."""

    language: Language
    tokenizer: Any
    """transformers' own fast one."""

    ends: tuple[int, ...]
    """Tokens that a text ends with; the first is the model's own."""

    template: str
    """How conversations are written."""

    slopes: tuple[float, ...]
    """ALiBi's, of each head."""


def write_parts(parts: VlmParts, folder: Path, weights: Weights, told: Callable[[str], None]) -> None:
    """Writes all of a model folder but its manifest.

    Raises:
        ModelError: the weights cannot be stored as was asked.
    """
    language = parts.language
    image = _with_image(parts)
    told("converting the image encoder")
    with torch.inference_mode():
        encoder = compressed(_encoder(parts), weights)
        # What else there is has come in the numbers that it is to be kept in; slopes and norms stay whole.
        ov.save_model(encoder, folder / IMAGE_ENCODER, compress_to_fp16=weights.precision == "f16")
        told("converting the token embedding")
        rows = TokenEmbedding(parts.embedding, more=max(image + 1 - len(parts.embedding), 0))
        ov.save_model(compressed(_embedding(rows), weights), folder / TOKEN_EMBEDDING, compress_to_fp16=False)
        told("converting the language model")
        decoder = stateful_decoder(
            parts.decoder, layers=language.layers, heads=language.kv_heads, head_size=language.head_size
        )
        samples = Samples(parts.tokenizer, parts.template, parts.edge, parts.images, folder, weights, told)
        told("storing the language model's weights")
        decoder = compressed_language(decoder, weights, samples)
        ov.save_model(decoder, folder / LANGUAGE_MODEL, compress_to_fp16=False)
    told("converting the tokenizer")
    reader, writer = convert_tokenizer(parts.tokenizer, with_detokenizer=True)
    ov.save_model(reader, folder / "openvino_tokenizer.xml")
    ov.save_model(writer, folder / "openvino_detokenizer.xml")
    parts.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    _write(folder / "preprocessor_config.json", parts.images)
    _write(folder / "generation_config.json", {"eos_token_id": list(parts.ends)})
    _write(folder / "config.json", _config(parts, image))


def kept_in(weights: Weights) -> torch.dtype:
    """Returns the numbers that weights are kept in until they are compressed."""
    return torch.float32 if weights.precision == "f32" else torch.float16


def tokenized(parts: VlmParts, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the tokens that a checkpoint's tokenizer makes of texts."""
    return [{"text": text, "ids": parts.tokenizer(text)["input_ids"]} for text in texts]


def reserved(parts: VlmParts) -> list[str]:
    """Returns the texts that are tokens with a meaning of their own: all that were added, but for runs of spaces.

    Checkpoints do not always say which of them are special.
    """
    added = {str(token) for token in parts.tokenizer.added_tokens_decoder.values()}
    return sorted(text for text in added if text.strip())


def versions() -> dict[str, str]:
    """Returns those of the packages that make a folder."""
    names = ("transformers", "torch", "nncf", "openvino", "openvino-tokenizers")
    return {name: version(name) for name in names}


def _with_image(parts: VlmParts) -> int:
    """Gives the tokenizer a token for images; returns its number."""
    parts.tokenizer.add_tokens([IMAGE], special_tokens=True)
    return int(parts.tokenizer.convert_tokens_to_ids(IMAGE))


def _encoder(parts: VlmParts) -> ov.Model:
    shape = [3, parts.edge, parts.edge]
    names = ("pixel_values", "last_hidden_state")
    return traced(parts.encoder, torch.zeros(2, *shape), [([-1, *shape], ov.Type.f32)], names=names)


def _embedding(module: TokenEmbedding) -> ov.Model:
    example = torch.zeros(2, 3, dtype=torch.int64)
    return traced(module, example, [([-1, -1], ov.Type.i64)], names=("input", "inputs_embeds"))


def _config(parts: VlmParts, image: int) -> dict[str, Any]:
    """Returns config.json: what the pipeline reads of a LLaVA, and what `language_of` does."""
    language = parts.language
    return {
        "model_type": "llava",
        "image_token_index": image,
        "vision_config": {"image_size": parts.edge, "patch_size": parts.patch},
        "text_config": {
            "hidden_size": language.kv_heads * language.head_size,
            "num_hidden_layers": language.layers,
            "num_attention_heads": language.kv_heads,
            "max_position_embeddings": language.context,
        },
    }


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
