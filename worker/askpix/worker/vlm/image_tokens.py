"""How many tokens of a model's context an image takes, by its size: as transformers' processors count them."""

from __future__ import annotations

import math

from askpix.worker.models.vlm_manifest import FixedTokens, ScaledTokens, TiledTokens


def image_tokens(form: FixedTokens | TiledTokens | ScaledTokens, width: int, height: int) -> int:
    """Returns how many tokens an image of that size becomes."""
    if isinstance(form, FixedTokens):
        return form.tokens
    return _tiled(form, width, height) if isinstance(form, TiledTokens) else _scaled(form, width, height)


def _tiled(form: TiledTokens, width: int, height: int) -> int:
    """The whole image, and what its tiles show of it, a line break after each row. See LlavaNextProcessor."""
    each = form.side // form.patch
    tiles_high, tiles_wide = (size // form.side for size in _grid(form, width, height))
    rows, columns = tiles_high * each, tiles_wide * each
    # What was added to the image to fill its tiles is cut off again.
    if width / height > columns / rows:
        seen = int(round(height * (columns / width), 7))
        rows -= (rows - seen) // 2 * 2
    else:
        seen = int(round(width * (rows / height), 7))
        columns -= (columns - seen) // 2 * 2
    return each * each + rows * (columns + 1)


def _grid(form: TiledTokens, width: int, height: int) -> tuple[int, int]:
    """Returns the height and width that keep most of the image, and of these the ones that waste least."""

    def fit(grid: tuple[int, int]) -> tuple[int, int]:
        high, wide = grid
        scale = min(wide / width, high / height)
        kept = min(int(width * scale) * int(height * scale), width * height)
        return kept, kept - wide * high

    return max(form.grids, key=fit)


def _scaled(form: ScaledTokens, width: int, height: int) -> int:
    wide, high = scaled_size(form, width, height)
    return (wide // form.unit) * (high // form.unit)


def scaled_size(form: ScaledTokens, width: int, height: int) -> tuple[int, int]:
    """Returns the width and height to which an image is brought: whole units, within the bounds.

    See `smart_resize` of Qwen2-VL.
    """
    unit = form.unit
    high, wide = max(unit, round(height / unit) * unit), max(unit, round(width / unit) * unit)
    if high * wide > form.max_pixels:
        scale = math.sqrt(height * width / form.max_pixels)
        high, wide = (max(unit, math.floor(size / scale / unit) * unit) for size in (height, width))
    elif high * wide < form.min_pixels:
        scale = math.sqrt(form.min_pixels / (height * width))
        high, wide = (math.ceil(size * scale / unit) * unit for size in (height, width))
    return wide, high
