"""Draws the pieces of a synthetic shop catalogue: shapes, patterns and prints, on a background.

All that is random comes from the generator that is passed in, so the same one draws the same picture.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

SIZE = 240
"""Width and height of a picture, in pixels."""

Color = tuple[int, int, int]
Point = tuple[float, float]
Place = tuple[int, int, int]
"""Left, top and side of a piece, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """How one piece of a product looks."""

    kind: str
    pattern: str
    color: Color
    trim: Color
    prints: tuple[str, ...]
    sleeves: str | None


def jitter(color: Color, rng: random.Random, amount: int) -> Color:
    """Returns a color near another: each channel within that amount."""
    red, green, blue = (max(0, min(255, channel + rng.randint(-amount, amount))) for channel in color)
    return red, green, blue


def mix(color: Color, other: Color, share: float) -> Color:
    """Returns a color so far on the way to another."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(color, other, strict=True))
    return red, green, blue


def layout(count: int, rng: random.Random) -> list[Place]:
    """Returns where each piece is, none overlapping."""

    def around(x: float, y: float, side: int, play: int) -> Place:
        left, top = round(x - side / 2) + rng.randint(-play, play), round(y - side / 2) + rng.randint(-play, play)
        return max(2, min(SIZE - side - 2, left)), max(2, min(SIZE - side - 2, top)), side

    if count == 1:
        return [around(SIZE / 2, SIZE / 2, rng.randint(150, 195), 20)]
    if count == 2:
        side, tilt = rng.randint(102, 114), rng.randint(-45, 45)
        return [around(SIZE / 4, SIZE / 2 + tilt, side, 3), around(SIZE * 3 / 4, SIZE / 2 - tilt, side, 3)]
    side = rng.randint(94, 108)
    pair, single = (SIZE / 4, SIZE * 3 / 4) if rng.random() < 0.5 else (SIZE * 3 / 4, SIZE / 4)
    middle = SIZE / 2 + rng.randint(-40, 40)
    return [around(SIZE / 4, pair, side, 5), around(SIZE * 3 / 4, pair, side, 5), around(middle, single, side, 5)]


def background(name: str, rng: random.Random) -> Image.Image:
    """Returns an empty picture of SIZE by SIZE pixels."""
    tones: dict[str, Color] = {
        "white": (247, 247, 247),
        "gray": (158, 160, 164),
        "beige": (226, 204, 166),
        "wooden": (152, 104, 62),
        "checkered": (238, 240, 240),
    }
    tone = jitter(tones[name], rng, 6)
    image = Image.new("RGB", (SIZE, SIZE), tone)
    pen = ImageDraw.Draw(image)
    if name == "wooden":
        plank = rng.randint(30, 44)
        for top in range(-rng.randint(0, plank), SIZE, plank):
            pen.rectangle((0, top, SIZE, top + plank), fill=jitter(tone, rng, 10))
            pen.line((0, top, SIZE, top), fill=mix(tone, (0, 0, 0), 0.5), width=2)
    elif name == "checkered":
        square, dark = rng.randint(20, 26), mix(tone, (110, 150, 150), 0.75)
        for row in range(SIZE // square + 1):
            for column in range(row % 2, SIZE // square + 1, 2):
                pen.rectangle((column * square, row * square, (column + 1) * square, (row + 1) * square), fill=dark)
    return image


def paste(image: Image.Image, piece: Piece, place: Place, rng: random.Random) -> None:
    """Draws a piece into a picture."""
    left, top, side = place
    mask = Image.new("L", (side, side), 0)
    trim = Image.new("L", (side, side), 0)
    _shape(piece, ImageDraw.Draw(mask), ImageDraw.Draw(trim), side)
    surface = Image.new("RGB", (side, side), piece.color)
    _pattern(piece.pattern, surface, piece.color, rng)
    image.paste(surface, (left, top), mask)
    image.paste(piece.trim, (left, top, left + side, top + side), trim)
    if piece.prints:
        _prints(ImageDraw.Draw(image), piece, place)


def _pattern(pattern: str, surface: Image.Image, color: Color, rng: random.Random) -> None:
    pen, side = ImageDraw.Draw(surface), surface.width
    light = mix(color, (255, 255, 255), 0.78)
    if pattern == "striped":
        step = side * rng.uniform(0.15, 0.19)
        for index in range(math.ceil(side / step) + 1):
            top = index * step
            pen.rectangle((0, top, side, top + step * 0.45), fill=light)
    elif pattern == "dotted":
        step = side * rng.uniform(0.15, 0.19)
        radius = step * 0.27
        for row in range(math.ceil(side / step) + 1):
            for column in range(math.ceil(side / step) + 1):
                x, y = (column + 0.5 * (row % 2)) * step, row * step
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=light)


def _shape(piece: Piece, body: ImageDraw.ImageDraw, trim: ImageDraw.ImageDraw, side: int) -> None:
    """Draws the coloured body and the dark trim of one piece; coordinates are shares of its side."""

    def polygon(pen: ImageDraw.ImageDraw, *points: Point) -> None:
        pen.polygon([(x * side, y * side) for x, y in points], fill=255)

    def box(*corners: float) -> tuple[float, float, float, float]:
        x0, y0, x1, y1 = (corner * side for corner in corners)
        return x0, y0, x1, y1

    def thick(share: float) -> int:
        return max(2, round(share * side))

    match piece.kind:
        case "mug":
            body.ellipse(box(0.52, 0.3, 0.98, 0.76), outline=255, width=thick(0.1))
            body.rounded_rectangle(box(0.06, 0.14, 0.72, 0.92), radius=thick(0.08), fill=255)
            trim.ellipse(box(0.06, 0.08, 0.72, 0.24), fill=255)
        case "shirt":
            cuff = 0.36 if piece.sleeves == "short" else 0.86
            polygon(body, (0.26, 0.06), (0.74, 0.06), (0.76, 0.96), (0.24, 0.96))
            if piece.sleeves == "short":
                polygon(body, (0.28, 0.06), (0.02, 0.28), (0.14, cuff + 0.06), (0.3, 0.3))
                polygon(body, (0.72, 0.06), (0.98, 0.28), (0.86, cuff + 0.06), (0.7, 0.3))
            else:
                polygon(body, (0.28, 0.06), (0.1, 0.16), (0.02, cuff), (0.15, cuff), (0.28, 0.34))
                polygon(body, (0.72, 0.06), (0.9, 0.16), (0.98, cuff), (0.85, cuff), (0.72, 0.34))
                trim.rectangle(box(0.02, cuff - 0.05, 0.15, cuff), fill=255)
                trim.rectangle(box(0.85, cuff - 0.05, 0.98, cuff), fill=255)
            trim.pieslice(box(0.37, -0.08, 0.63, 0.2), 0, 180, fill=255)
        case "shoe":
            polygon(body, (0.04, 0.2), (0.38, 0.2), (0.46, 0.44), (0.8, 0.54), (0.96, 0.66), (0.97, 0.82), (0.04, 0.82))
            trim.rectangle(box(0.02, 0.8, 0.98, 0.92), fill=255)
            for x in (0.44, 0.54, 0.64):
                trim.line(
                    box(x, 0.46 + (x - 0.44) * 0.3, x - 0.08, 0.6 + (x - 0.44) * 0.3), fill=255, width=thick(0.04)
                )
        case "bag":
            trim.ellipse(box(0.26, 0.02, 0.74, 0.72), outline=255, width=thick(0.06))
            body.rectangle(box(0.08, 0.36, 0.92, 0.4), fill=255)
            polygon(body, (0.1, 0.36), (0.9, 0.36), (0.98, 0.96), (0.02, 0.96))
            trim.rectangle(box(0.1, 0.36, 0.9, 0.42), fill=255)
        case "hat":
            body.ellipse(box(0.0, 0.58, 1.0, 0.86), fill=255)
            body.rounded_rectangle(box(0.22, 0.14, 0.78, 0.72), radius=thick(0.16), fill=255)
            trim.rectangle(box(0.22, 0.54, 0.78, 0.64), fill=255)
        case "bottle":
            trim.rectangle(box(0.4, 0.0, 0.6, 0.09), fill=255)
            body.rectangle(box(0.42, 0.09, 0.58, 0.34), fill=255)
            body.rounded_rectangle(box(0.26, 0.28, 0.74, 0.99), radius=thick(0.14), fill=255)
        case "lamp":
            polygon(body, (0.32, 0.06), (0.68, 0.06), (0.94, 0.54), (0.06, 0.54))
            trim.rectangle(box(0.46, 0.54, 0.54, 0.9), fill=255)
            trim.ellipse(box(0.26, 0.84, 0.74, 0.98), fill=255)


_PRINT_PLACE = {
    "mug": (0.39, 0.56),
    "shirt": (0.5, 0.48),
    "shoe": (0.3, 0.66),
    "bag": (0.5, 0.69),
    "hat": (0.5, 0.36),
    "bottle": (0.5, 0.66),
    "lamp": (0.5, 0.36),
}


def _prints(pen: ImageDraw.ImageDraw, piece: Piece, place: Place) -> None:
    left, top, side = place
    x, y = _PRINT_PLACE[piece.kind]
    size = side * 0.25
    for index, name in enumerate(piece.prints):
        shift = (index - (len(piece.prints) - 1) / 2) * size * 1.04
        center = (left + x * side + shift, top + y * side)
        points = _glyph(name, center, size / 2)
        pen.polygon(points, fill=(255, 255, 255), outline=(25, 25, 25), width=2)


def _glyph(name: str, center: Point, radius: float) -> list[Point]:
    x, y = center
    if name == "star":
        angles = [(math.pi * (index / 5 - 0.5), radius * (1 if index % 2 == 0 else 0.42)) for index in range(10)]
        return [(x + r * math.cos(angle), y + r * math.sin(angle)) for angle, r in angles]
    turns = [2 * math.pi * index / 36 for index in range(36)]
    if name == "heart":
        return [
            (
                x + radius * math.sin(turn) ** 3,
                y
                - radius
                * (13 * math.cos(turn) - 5 * math.cos(2 * turn) - 2 * math.cos(3 * turn) - math.cos(4 * turn))
                / 15,
            )
            for turn in turns
        ]
    outer = [math.pi * (0.3 + 1.4 * index / 24) for index in range(25)]
    inner = [math.pi * (1.58 - 1.16 * index / 24) for index in range(25)]
    return [(x + radius * (0.25 + math.cos(a)), y - radius * math.sin(a)) for a in outer] + [
        (x + radius * (0.62 + 0.82 * math.cos(a)), y + radius * -0.82 * math.sin(a)) for a in inner
    ]
