"""What the configuration of a vision-language checkpoint says of the model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from askpix.producer.errors import ModelError
from askpix.producer.generation import Generation
from askpix.producer.shown import first_problem
from askpix.worker.converting.checkpoint_folder import read_json
from askpix.worker.models.vlm_manifest import FixedTokens, Language, ScaledTokens, TiledTokens
from askpix.worker.vlm.image_tokens import image_tokens
from askpix.worker.vlm.request_reader import MAX_NEW_TOKENS, contradiction

_PREPROCESSOR = "preprocessor_config.json"

_BICUBIC = 3
"""As Pillow numbers it."""

_Tokens = FixedTokens | TiledTokens | ScaledTokens


def facts_of(folder: Path, counts: Sequence[Mapping[str, Any]]) -> tuple[_Tokens, Language]:
    """Returns how an exported model's images are counted in tokens, and the dimensions of its language model.

    Grids of tiles become what the pipeline reads.

    Args:
        counts: what the checkpoint's processor makes of some sizes.

    Raises:
        ModelError: its configuration does not say, or says what no model can have.
    """
    config, settings = (read_json(folder / name) for name in ("config.json", _PREPROCESSOR))
    try:
        turn_grids(folder)
        return image_tokens_of(config, settings, counts), language_of(config)
    except ValidationError as error:
        problem = first_problem(error)
    except KeyError as error:
        problem = f"there is no {error}"
    except (AttributeError, ArithmeticError, TypeError, ValueError) as error:
        problem = str(error)[:200]
    raise ModelError(f"the checkpoint's config.json, or its {_PREPROCESSOR}, cannot be used: {problem}")


def language_of(config: Mapping[str, Any]) -> Language:
    """Returns the dimensions of a checkpoint's language model; raises ModelError where they are not told."""
    text = config.get("text_config") or config.get("llm_config") or config
    try:
        heads = text["num_attention_heads"]
        return Language(
            layers=text["num_hidden_layers"],
            kv_heads=text.get("num_key_value_heads") or heads,
            head_size=text.get("head_dim") or text["hidden_size"] // heads,
            context=text["max_position_embeddings"],
        )
    except (KeyError, TypeError) as error:
        raise ModelError(f"the checkpoint's config.json does not say its text model's {error}") from None


def image_tokens_of(
    config: Mapping[str, Any], settings: Mapping[str, Any], counts: Sequence[Mapping[str, Any]]
) -> _Tokens:
    """Returns how a model's images are counted in tokens.

    Args:
        config: of the model.
        settings: of its image preprocessor, as the checkpoint has them.
        counts: what the checkpoint's processor makes of some sizes.

    Raises:
        ModelError: neither is its way known, nor can it be told of any image.
    """
    told = [one for one in counts if one["tokens"]]
    for form in _forms(config, settings):
        if told and all(image_tokens(form, one["width"], one["height"]) == one["tokens"] for one in told):
            return form
    if not told:
        raise ModelError("the checkpoint's processor does not tell how many tokens images become")
    return FixedTokens(tokens=max(one["tokens"] for one in told), edge=_edge(settings))


def _edge(settings: Mapping[str, Any]) -> int | None:
    """Returns the side of the square that a processor cuts out of images; None where it does otherwise."""
    if settings.get("image_processor_type") not in ("CLIPImageProcessor", "CLIPImageProcessorFast"):
        return None
    crop, size = settings.get("crop_size") or {}, settings.get("size") or {}
    edge = size.get("shortest_edge")
    square = isinstance(edge, int) and {"height": edge, "width": edge} == crop
    does = all(settings.get(name, True) for name in ("do_resize", "do_center_crop"))
    return edge if square and does and settings.get("resample") == _BICUBIC else None


def turn_grids(folder: Path) -> None:
    """Writes the grids of a model that takes tiles as the pipeline reads them: widths first.

    Checkpoints have heights first. Read so, an image that fits several grids alike would get another one.
    """
    path = folder / _PREPROCESSOR
    settings = read_json(path)
    if grids := settings.get("image_grid_pinpoints"):
        settings["image_grid_pinpoints"] = [[wide, high] for high, wide in grids]
        path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _forms(config: Mapping[str, Any], settings: Mapping[str, Any]) -> list[_Tokens]:
    """Returns the ways of counting that the configurations give what they need for."""
    forms: list[_Tokens] = []
    vision = config.get("vision_config") or {}
    if grids := config.get("image_grid_pinpoints"):
        forms.append(TiledTokens(side=vision["image_size"], patch=vision["patch_size"], grids=grids))
    if merge := settings.get("merge_size"):
        size = settings.get("size") or {}
        least = settings.get("min_pixels") or size.get("shortest_edge")
        most = settings.get("max_pixels") or size.get("longest_edge")
        forms.append(ScaledTokens(unit=settings["patch_size"] * merge, min_pixels=least, max_pixels=most))
    return forms


def generation_of(folder: Path, given: Generation | None, context: int) -> Generation:
    """Returns a model's defaults: those given, and of the checkpoint's what is not about drawing by chance.

    Raises:
        ModelError: no request could have them.
    """
    kept: dict[str, Any] = {"max_new_tokens": MAX_NEW_TOKENS}
    path = folder / "generation_config.json"
    own = read_json(path) if path.exists() else {}
    if (penalty := own.get("repetition_penalty")) not in (None, 1):
        kept["repetition_penalty"] = penalty
    kept["max_new_tokens"] = min(kept["max_new_tokens"], context // 2)
    try:
        defaults = Generation(**kept)
    except ValidationError as error:
        raise ModelError(f"the checkpoint's {path.name} cannot be used: {first_problem(error)}") from None
    try:
        generation = (given or Generation()).with_defaults(defaults)
    except ValidationError as error:
        raise ModelError(f"the settings do not go with the checkpoint's {path.name}: {first_problem(error)}") from None
    if problem := contradiction(generation):
        raise ModelError(problem)
    if (generation.max_new_tokens or 0) >= context:
        raise ModelError(f"max_new_tokens {generation.max_new_tokens:,} is more than the model's {context:,} tokens")
    return generation
