"""What decoding costs, and what reducing changes: run `python bench/decode.py [--differences]`.

Without the option: processor time of one image, of `decode` and of the same in plain calls of Pillow, by turns.
With it: how far a reduced image is from the full one, by how many times the wanted size it still had.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import skimage.data
from PIL import Image, ImageDraw, ImageFont, ImageOps
from sklearn.datasets import load_sample_images

from askpix.worker.image_form import ImageForm
from askpix.worker.images.decode import decode

Pixels = npt.NDArray[np.uint8]
Picture = Callable[[int], Pixels]
"""A square picture of a side in pixels: uint8 [side, side, 3]."""

SECONDS = 2.0
"""Spent on each image of the first table."""

KEPT = (2.0, 2.5, 3.0, 3.5, 3.8, 4.5)
SIDE = 192
"""Pixels of the wanted size in the second table. What matters is how the picture's size compares with it."""

FRACTIONS = (2, 4)


def plain(data: bytes, form: ImageForm) -> Pixels:
    """Returns an image in an engine's form, decoded in full and with nothing left out."""
    assert form.width is not None
    assert form.height is not None
    with Image.open(io.BytesIO(data)) as image:
        shown = ImageOps.exif_transpose(image)
    if shown.mode == "RGBA":
        shown = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)
    shown = shown.convert("RGB")
    return np.asarray(shown.resize((form.width, form.height), Image.Resampling[form.resample.upper()]))


def difference(one: Pixels, other: Pixels) -> float:
    """Returns the mean absolute difference of two images, of 255."""
    return float(np.abs(one.astype(np.int16) - other).mean())


def tiled(name: str, width: int, height: int) -> Pixels:
    """Returns a photograph in all its sharpness, repeated, every other time mirrored so that there are no seams."""
    tile = photographs()[name]
    row = np.concatenate([tile[:, ::-1] if x % 2 else tile for x in range(-(-width // tile.shape[1]))], 1)
    rows = [row[::-1] if y % 2 else row for y in range(-(-height // tile.shape[0]))]
    return np.concatenate(rows)[:height, :width]


def photographs() -> dict[str, Pixels]:
    """Returns what scikit-image and scikit-learn bring along, textures and a printed page among them."""
    names = ("astronaut", "camera", "chelsea", "coffee", "immunohistochemistry", "rocket", "retina")
    found = {name: getattr(skimage.data, name)() for name in (*names, "brick", "grass", "gravel", "page", "text")}
    found.update(zip(("china", "flower"), load_sample_images().images, strict=True))
    return {name: np.asarray(Image.fromarray(pixels).convert("RGB")) for name, pixels in found.items()}


def encoded(pixels: Pixels | Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    data = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(data, kind, **({"quality": 90} if kind == "JPEG" else {"compress_level": 1}), **options)
    return data.getvalue()


def files() -> list[tuple[str, bytes, int]]:
    """Returns names of image files, their bytes, and the side of the engine's form that they are decoded to."""
    cat = Image.fromarray(photographs()["chelsea"])
    camera = cat.resize((4000, 3000), Image.Resampling.LANCZOS)
    clear = camera.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(camera.size))
    turned = Image.Exif()
    turned[0x0112] = 6
    return [
        ("JPEG 120x120", encoded(cat.resize((120, 120))), 120),
        ("PNG 120x120", encoded(cat.resize((120, 120)), "PNG"), 120),
        ("PNG 120x120, with alpha", encoded(cat.resize((120, 120)).convert("RGBA"), "PNG"), 120),
        ("JPEG 640x480", encoded(cat.resize((640, 480))), 384),
        ("JPEG 640x480, gray", encoded(cat.resize((640, 480)).convert("L")), 384),
        ("JPEG 1200x1200", encoded(cat.resize((1200, 1200))), 384),
        ("JPEG 1200x1200", encoded(cat.resize((1200, 1200))), 120),
        ("JPEG 4000x3000", encoded(camera), 384),
        ("JPEG 4000x3000, fine detail", encoded(tiled("chelsea", 4000, 3000)), 384),
        ("JPEG 4000x3000, turned by EXIF", encoded(camera, exif=turned), 384),
        ("JPEG 4000x3000, progressive", encoded(camera, progressive=True), 384),
        ("JPEG 4000x3000, CMYK", encoded(camera.convert("CMYK")), 384),
        ("PNG 4000x3000", encoded(camera, "PNG"), 384),
        ("PNG 4000x3000, opaque alpha", encoded(camera.convert("RGBA"), "PNG"), 384),
        ("PNG 4000x3000, alpha", encoded(clear, "PNG"), 384),
    ]


def print_costs() -> None:
    print("| image | to | plain, ms | decode, ms | ratio | difference, of 255 |")
    print("|---|---|---|---|---|---|")
    for name, data, side in files():
        form = ImageForm(width=side, height=side)
        took: tuple[list[float], list[float]] = ([], [])
        until = time.monotonic() + SECONDS
        while time.monotonic() < until or len(took[0]) < 5:
            for call, times in zip((plain, decode), took, strict=True):
                started = time.thread_time()
                call(data, form)
                times.append(time.thread_time() - started)
        before, after = (float(np.median(times)) * 1000 for times in took)
        away = difference(plain(data, form), decode(data, form).pixels)
        print(
            f"| {name} | {side}x{side} | {before:.3f} | {after:.3f} | {before / after:.2f} | {away:.2f} |", flush=True
        )


def pictures() -> dict[str, Picture]:
    """Returns photographs, and drawn pictures that are hard to make smaller."""
    chance = np.random.default_rng(1)
    drawn: dict[str, Picture] = {
        "noise, deviation 40": lambda side: chance.normal(128, 40, (side, side, 3)).clip(0, 255).astype(np.uint8),
        "noise, full range": lambda side: chance.integers(0, 256, (side, side, 3), np.uint8),
        "noise, black and white": lambda side: _gray(255 * chance.integers(0, 2, (side, side))),
    }
    for height in (48, 32, 20, 14, 10):
        drawn[f"letters of {height} pixels"] = lambda side, height=height: _text(side, height)  # type: ignore[misc]
    for field in (32, 8, 2):
        drawn[f"red and blue fields of {field}"] = lambda side, field=field: np.where(  # type: ignore[misc]
            _fields(side, field)[..., None], np.array((255, 0, 0), np.uint8), np.array((0, 0, 255), np.uint8)
        )
    for field in (16, 8, 5):
        drawn[f"black and white fields of {field}"] = lambda side, field=field: _gray(  # type: ignore[misc]
            255 * _fields(side, field)
        )
    return {**{name: lambda side, name=name: tiled(name, side, side) for name in photographs()}, **drawn}


def _gray(values: npt.NDArray[np.integer]) -> Pixels:
    return np.repeat(values.astype(np.uint8)[..., None], 3, 2)


def _fields(side: int, field: int) -> npt.NDArray[np.bool_]:
    place = np.arange(side) // field
    return (place[None] + place[:, None]) % 2 == 1


def _text(side: int, height: int) -> Pixels:
    image = Image.new("RGB", (side, side), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(height)
    line = "The quick brown fox jumps over the lazy dog 0123456789 " * (1 + side // (20 * height))
    for top in range(0, side, height * 6 // 5):
        pen.text((-top % 47 - 50, top), line, "black", font=font)
    return np.asarray(image)


def reduced(data: bytes, fraction: int, *, drafted: bool) -> Pixels:
    """Returns a file's image made smaller by the JPEG decoder or by averaging blocks, then resized."""
    with Image.open(io.BytesIO(data)) as image:
        if drafted:
            image.draft(None, (image.width // fraction, image.height // fraction))
        small = image.convert("RGB") if drafted else image.convert("RGB").reduce(fraction)
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def print_differences() -> None:
    form = ImageForm(width=SIDE, height=SIDE)
    print(f"| picture | {' | '.join(str(kept) for kept in KEPT)} |")
    print("|---|" + "---|" * len(KEPT))
    for name, picture in pictures().items():
        worst = []
        for kept in KEPT:
            away = []
            for fraction in FRACTIONS:
                side = round(SIDE * kept) * fraction
                data = encoded(picture(side))
                full = plain(data, form)
                away += [difference(full, reduced(data, fraction, drafted=drafted)) for drafted in (True, False)]
            worst.append(max(away))
        print(f"| {name} | {' | '.join(f'{value:.2f}' for value in worst)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--differences", action="store_true", help="how far reduced images are from full ones")
    if parser.parse_args().differences:
        print_differences()
    else:
        print_costs()


if __name__ == "__main__":
    main()
