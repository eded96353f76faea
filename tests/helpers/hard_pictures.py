"""Pictures of the catalogue as a poor camera takes them: harder than those that the demo model was trained on."""

from __future__ import annotations

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


def worsened(image: Image.Image, seed: int) -> Image.Image:
    """Returns a picture a little out of focus, in low and flat light, with a sensor's noise."""
    rng = np.random.default_rng(seed)
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1))), np.float32)
    flat = ((soft - 128) * 0.6 + 128) * rng.uniform(0.78, 0.86)
    return Image.fromarray((flat + rng.normal(0, 20, flat.shape)).clip(0, 255).astype(np.uint8))


def write_pictures(folder: Path, *, number: int, seed: int, hard: bool) -> list[dict[str, str]]:
    """Writes pictures into a folder; returns what is right of each, with its `id` as of the folder above."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = []
    for place in range(number):
        image, product, _ = picture(seed, place)
        shown = worsened(image, seed * 10_000 + place) if hard else image
        shown.save(folder / f"{place:04d}.jpg", quality=90)
        labels.append({"id": f"{folder.name}/{place:04d}.jpg", **truth_of(product)})
    return labels
