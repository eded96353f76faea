"""Odd JPEGs: turned, subsampled, in inks, in several scans.

Few JPEGs give back exactly what went in, so what is seen of one is what Pillow's plain decoder makes of it, to which
numpy does the rest. Where the decoder itself is in question (inks, colours of fewer pixels), it is what went in.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from helpers.golden import (
    GRAY,
    HEIGHT,
    PICTURE,
    TURNS,
    WIDTH,
    OddImage,
    Pixels,
    bytes_of,
    in_rgb,
    luma_and_chroma,
    of_inks,
    of_luma_and_chroma,
    smooth,
)
from helpers.image_files_by_hand import exif, joined, scans, segments
from helpers.pictures import encoded
from PIL import Image

_ADOBE = 0xEE
_INKS = bytes_of(
    smooth(
        [
            [(255, 0, 0, 0), (0, 0, 0, 0), (0, 255, 0, 60)],
            [(0, 0, 255, 30), (90, 40, 200, 0), (255, 255, 0, 0)],
            [(0, 0, 0, 255), (40, 130, 60, 128), (0, 255, 255, 0)],
        ]
    )
)
"""uint8 [32, 40, 4]: cyan, magenta, yellow, black."""


def jpegs() -> Iterator[OddImage]:
    """Returns all of them."""
    yield from _turned()
    yield from _coded()
    yield from _sampled()
    yield from _inked()
    yield _pair()


def jpeg(values: Pixels, mode: str | None = None, /, **options: object) -> bytes:
    """Returns a JPEG of the best quality, without subsampling."""
    return encoded(Image.fromarray(values, mode), "JPEG", **{"quality": 100, "subsampling": 0, **options})


def plain(data: bytes) -> Pixels:
    """Returns what Pillow reads from a file of 8 bits and no transparency, as RGB or gray."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def _turned() -> Iterator[OddImage]:
    straight = plain(jpeg(PICTURE))
    assert np.abs(straight - PICTURE.astype(int)).max() <= 4
    for orientation, turn in TURNS.items():
        yield OddImage(
            name=f"JPEG of orientation {orientation}",
            data=jpeg(PICTURE, exif=exif(orientation)),
            seen=turn(straight),
        )
    yield OddImage(
        name="JPEG of an orientation with the upper byte first",
        data=jpeg(PICTURE, exif=exif(8, ">")),
        seen=TURNS[8](straight),
    )
    yield OddImage(name="JPEG of an orientation that does not exist", data=jpeg(PICTURE, exif=exif(9)), seen=straight)
    yield OddImage(
        name="gray JPEG of orientation 5",
        data=jpeg(GRAY, exif=exif(5)),
        seen=TURNS[5](in_rgb(plain(jpeg(GRAY)))),
    )


def _coded() -> Iterator[OddImage]:
    straight = plain(jpeg(PICTURE))
    # How values are coded changes nothing of them, so the plain file says what is seen.
    codings: dict[str, dict[str, object]] = {
        "progressive JPEG": {"progressive": True},
        "JPEG with tables of its own": {"optimize": True},
        "JPEG with restart markers after every other block": {"restart_marker_blocks": 2},
        "JPEG with restart markers after every row": {"restart_marker_rows": 1},
        "JPEG with a long comment": {"comment": b"no image " * 7000},
    }
    for what, options in codings.items():
        yield OddImage(name=what, data=jpeg(PICTURE, **options), seen=straight)
    yield OddImage(name="JPEG with something after its end", data=jpeg(PICTURE) + b"\0tail" * 99, seen=straight)
    yield OddImage(name="JPEG of red, green and blue", data=jpeg(PICTURE, keep_rgb=True), seen=PICTURE)


def _sampled() -> Iterator[OddImage]:
    for sampling in ("4:2:2", "4:2:0"):
        data = jpeg(PICTURE, subsampling=sampling)
        yield OddImage(name=f"JPEG of {sampling}", data=data, seen=plain(data))

    # Luma of one value a block comes out as it went in, and so nearly do colours that change by one from pixel to
    # pixel, as the decoder draws lines between the few that it has. Where there is one for four pixels, it does not.
    luma = np.kron(60 + luma_and_chroma(PICTURE)[4::8, 4::8, 0] // 2, np.ones((8, 8)))
    down_and_across = np.indices((HEIGHT, WIDTH)).transpose(1, 2, 0)
    colors = down_and_across + 112.5
    for sampling, across, down in (("4:2:2", 2, 1), ("4:2:0", 2, 2), ("4:4:0", 1, 2), ("4:1:1", 4, 1)):
        few = colors.reshape(HEIGHT // down, down, WIDTH // across, across, 2).mean((1, 3))
        shown = few.repeat(4, 1) if across == 4 else colors
        channels = [jpeg(bytes_of(channel)) for channel in (luma, few[..., 0], few[..., 1])]
        yield OddImage(
            name=f"JPEG of {sampling} in three scans",
            data=scans(channels, (WIDTH, HEIGHT), across, down),
            seen=of_luma_and_chroma(np.dstack([luma, shown])),
        )


def _inked() -> Iterator[OddImage]:
    # Adobe's programs write inks upside down, and so everybody does, marker or not.
    with_marker = jpeg(_INKS, "CMYK")
    parts, pixels = segments(with_marker)
    assert _ADOBE in dict(parts)
    without = joined([part for part in parts if part[0] != _ADOBE], pixels)
    yield OddImage(name="CMYK JPEG", data=with_marker, seen=of_inks(_INKS))
    yield OddImage(name="CMYK JPEG without Adobe's marker", data=without, seen=of_inks(_INKS))
    yield OddImage(
        name="CMYK JPEG of orientation 6", data=jpeg(_INKS, "CMYK", exif=exif(6)), seen=TURNS[6](of_inks(_INKS))
    )

    # Upside down, cyan, magenta and yellow are what YCbCr takes for red, green and blue; Pillow turns all four once
    # more as it writes. Blocks of one colour come out as they went in, where three conversions would blur others.
    blocks = np.kron(_INKS[4::8, 4::8], np.ones((8, 8, 1), np.uint8))
    values = np.rint(luma_and_chroma(blocks[..., :3])).clip(0, 255)
    parts, pixels = segments(jpeg(np.dstack([255 - bytes_of(values), blocks[..., 3]]), "CMYK"))
    ycck = joined([(marker, data[:11] + b"\2" if marker == _ADOBE else data) for marker, data in parts], pixels)
    inks = np.dstack([of_luma_and_chroma(values), blocks[..., 3]])
    yield OddImage(name="YCCK JPEG", data=ycck, seen=of_inks(inks))


def _pair() -> OddImage:
    first, second = Image.fromarray(PICTURE), Image.fromarray(255 - PICTURE)
    options = {"save_all": True, "append_images": [second], "quality": 100, "subsampling": 0}
    return OddImage(name="MPO of two images", data=encoded(first, "MPO", **options), seen=plain(jpeg(PICTURE)))
