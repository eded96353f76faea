"""Real photographs, which scikit-image and scikit-learn bring along."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import skimage.data
from PIL import Image
from sklearn.datasets import load_sample_images

_BUNDLED = (skimage.data.astronaut, skimage.data.camera, skimage.data.chelsea, skimage.data.coffee, skimage.data.rocket)


@cache
def photographs() -> dict[str, bytes]:
    """Returns JPEG files of several sizes and shapes, one of them gray, in the order of their names."""
    found = {load.__name__: load() for load in _BUNDLED}
    found.update(zip(("china", "flower"), load_sample_images().images, strict=True))
    return {name: _jpeg(found[name]) for name in sorted(found)}


def _jpeg(pixels: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(data, "JPEG", quality=90)
    return data.getvalue()
