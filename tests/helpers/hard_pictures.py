"""Pictures of the catalogue as a poor camera takes them: harder than those that the demo model was trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from catalogue import PRINTS, Product, picture
from PIL import Image, ImageFilter


def truth_of(product: Product) -> dict[str, str]:
    """Returns the right answers to demo/tags.yaml, in its terms."""
    told = {
        "kind": product.kind,
        "color": product.color,
        "pattern": product.pattern,
        "background": {"gray": "grey", "wooden": "wood"}.get(product.background, product.background),
        "prints": ", ".join(name for name in PRINTS if name in product.prints) or "none",
    }
    return told if product.sleeves is None else {**told, "sleeves": product.sleeves}


def worsened(image: Image.Image, seed: int, *, blur: float, noise: float, light: float) -> Image.Image:
    """Returns a picture out of focus, in low light, with a sensor's noise.

    Args:
        blur: its radius, in pixels, at the most.
        noise: its deviation, of 255.
        light: how much of it is left at the least.
    """
    rng = np.random.default_rng(seed)
    soft = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, blur)))
    pixels = np.asarray(soft, np.float32) * rng.uniform(light, 1) + rng.normal(0, noise, np.asarray(soft).shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def write_pictures(folder: Path, *, number: int, seed: int, hard: dict[str, float] | None) -> Path:
    """Writes pictures, and labels.jsonl with what is right of each; returns the latter.

    Args:
        hard: what `worsened` takes; None leaves them as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.jsonl").open("w", encoding="utf-8") as lines:
        for place in range(number):
            image, product, _ = picture(seed, place)
            shown = image if hard is None else worsened(image, seed * 10_000 + place, **hard)
            name = f"{place:04d}.jpg"
            shown.save(folder / name, quality=90)
            lines.write(json.dumps({"id": name, **truth_of(product)}) + "\n")
    return folder.parent / f"{folder.name}.jsonl"
