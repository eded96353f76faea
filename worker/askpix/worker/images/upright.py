"""Which way up an image is shown."""

from __future__ import annotations

from PIL import ExifTags, Image

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset(_TURNS[orientation] for orientation in (5, 6, 7, 8))


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """Returns how an image must be turned to be seen as its EXIF says; EXIF that cannot be read says nothing.

    A JPEG's is known once the file is open, others' only when the image is loaded.
    """
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - the picture itself can be read all the same
        return None


def turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    """Returns an image turned; itself where there is no turn."""
    return image if turn is None else image.transpose(turn)


def turned_size(size: tuple[int, int], turn: Image.Transpose | None) -> tuple[int, int]:
    """Returns the width and height that a turn leads to; it comes from them too."""
    return (size[1], size[0]) if turn in _SIDEWAYS else size
