"""The colours of an image that an ICC profile describes, as those of sRGB, in which engines were trained.

They are converted when an image has its engine's size, which is far less work than before: 1.8 ms at 384x384 instead
of 37 at 2000x1500, which is half the sides of a photograph of a phone, and these all have a profile. Averaging pixels
and converting them are not quite the same in either order. Where the colours are ones that sRGB has, it is less than 1
of 255 on average; where whole fields of them are not, 0.8 (Adobe RGB) to 1.5 (ProPhoto), and up to 35 at their edges.
"""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from askpix.worker.images.gray import DEEP_MODES

MAX_PROFILE_BYTES = 4_000_000
"""Of a profile; the largest that printers use have half of it. What is larger is not looked at."""

_KEPT_BYTES = 65_536
"""Of a profile that is kept for the next image; those of cameras and screens have some 500 to 4,000."""

_SAME = 1
"""Of 255, by which a profile may be off sRGB and still count as it: rounding, in either."""

_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""In Pillow's words, by the colours that a profile is for."""

_OTHER_MODES = {"RGBA": "RGB", "RGBa": "RGB", "RGBX": "RGB", "P": "RGB", "PA": "RGB", "LA": "L", "La": "L", "1": "L"}
"""Modes that become these."""

_SRGB = ImageCms.createProfile("sRGB")


class Colours:
    """The conversion from a profile's colours to those of sRGB; used from many threads.

    Attributes:
        mode: of the images that it takes, in Pillow's words.
    """

    def __init__(self, profile: ImageCms.ImageCmsProfile, mode: str) -> None:
        self.mode = mode
        # As browsers do: white stays white, and the darkest ink comes out black.
        self._transform = ImageCms.buildTransform(
            profile,
            _SRGB,
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            # What lcms prepares to be quick is too coarse for colours of Lab that no screen has.
            ImageCms.Flags.BLACKPOINTCOMPENSATION | (ImageCms.Flags.NOOPTIMIZE if mode == "LAB" else 0),
        )

    def converted(self, image: Image.Image) -> Image.Image:
        """Returns an image, which has the mode, in RGB."""
        converted = ImageCms.applyTransform(image, self._transform)
        assert converted is not None  # it is, where the image is changed in place
        return converted

    def changes_nothing(self) -> bool:
        """Returns whether what it takes for RGB, or gray, is that of sRGB anyway."""
        if self.mode == "CMYK":
            return False
        steps = np.linspace(0, 255, 9 if self.mode == "RGB" else 256).astype(np.uint8)
        grid = np.stack(np.meshgrid(*[steps] * len(self.mode)), axis=-1).reshape(1, -1, len(self.mode))
        before = Image.fromarray(grid[..., 0] if self.mode == "L" else grid)
        after = np.asarray(self.converted(before)).astype(np.int16)
        return bool(np.abs(after - np.asarray(before.convert("RGB"))).max() <= _SAME)


def colours_of(image: Image.Image) -> Colours | None:
    """Returns how an image's colours become those of sRGB; None where they are these, or are taken for them.

    So they are where there is no profile, and where it is broken, or one for another kind of image.
    """
    data = image.info.get("icc_profile")
    if not isinstance(data, bytes) or not 0 < len(data) <= MAX_PROFILE_BYTES:
        return None
    colours = _kept(data) if len(data) <= _KEPT_BYTES else _read(data)
    mode = "L" if image.mode in DEEP_MODES else _OTHER_MODES.get(image.mode, image.mode)
    return colours if colours is not None and colours.mode == mode else None


@lru_cache(maxsize=32)
def _kept(data: bytes) -> Colours | None:
    return _read(data)


def _read(data: bytes) -> Colours | None:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        mode = _MODES.get(profile.profile.xcolor_space)
        if mode is None:
            return None
        colours = Colours(profile, mode)
        return None if colours.changes_nothing() else colours
    except Exception:  # noqa: BLE001 - the image can be seen all the same
        return None


@lru_cache(maxsize=1)
def _lab() -> Colours:
    return Colours(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")


def from_lab(image: Image.Image) -> Image.Image:
    """Returns an image of the mode LAB, which TIFF has, in RGB."""
    return _lab().converted(image)
