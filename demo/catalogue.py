"""Draws pictures of a synthetic shop catalogue, with a caption and questions that have one right answer.

A picture shows one to three pieces of one product: a kind, a colour and a pattern, on a background.
A single plain piece may carry prints (none, one or two of three), and a shirt has long or short
sleeves. Every picture follows from a seed and a number, so anyone can draw the same ones again:

    python demo/catalogue.py --number 48 --seed 7 --output demo/images
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE = 240
"""Width and height of a picture, in pixels."""

KINDS = ("mug", "shirt", "shoe", "bag", "hat", "bottle", "lamp")
PATTERNS = ("plain", "striped", "dotted")
BACKGROUNDS = ("white", "gray", "beige", "wooden", "checkered")
PRINTS = ("star", "heart", "moon")
SLEEVES = ("short", "long")
COUNTS = ("one", "two", "three")
COLORS = {
    "red": (205, 30, 38),
    "orange": (243, 130, 20),
    "yellow": (246, 218, 45),
    "green": (48, 150, 62),
    "blue": (42, 84, 205),
    "purple": (124, 50, 165),
    "pink": (247, 135, 185),
    "black": (34, 34, 38),
}

Color = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Product:
    """What a picture shows. `sleeves` is set for shirts alone; `prints` is in the order of PRINTS."""

    kind: str
    color: str
    pattern: str
    count: int
    background: str
    prints: tuple[str, ...] = ()
    sleeves: str | None = None

    @property
    def caption(self) -> str:
        number = "a" if self.count == 1 else COUNTS[self.count - 1]
        plural = "" if self.count == 1 else "s"
        return f"{number} {self.pattern} {self.color} {self.kind}{plural} on a {self.background} background"

    @property
    def printed(self) -> str:
        return " and ".join(f"a {name}" for name in self.prints) or "nothing"


def random_product(rng: random.Random) -> Product:
    """Returns a product; half of all pictures show a single piece, half of the single ones are plain."""
    kind = rng.choice(KINDS)
    count = rng.choice((1, 1, 2, 3))
    pattern = rng.choice(("plain", "plain", "striped", "dotted"))
    prints: tuple[str, ...] = ()
    if count == 1 and pattern == "plain":
        chosen = rng.sample(PRINTS, rng.choice((0, 1, 1, 2, 2)))
        prints = tuple(name for name in PRINTS if name in chosen)
    return Product(
        kind=kind,
        color=rng.choice(tuple(COLORS)),
        pattern=pattern,
        count=count,
        background=rng.choice(BACKGROUNDS),
        prints=prints,
        sleeves=rng.choice(SLEEVES) if kind == "shirt" else None,
    )


def questions(product: Product, rng: random.Random) -> list[tuple[str, str]]:
    """Returns one question about each attribute and two to be answered with yes or no, with the right answers."""
    does_it = "does it" if product.count == 1 else "do they"
    is_it = "is it" if product.count == 1 else "are they"
    asked = [
        (rng.choice(("what is it?", "what is shown?", "what kind of product is this?")), product.kind),
        (rng.choice(("what color is it?", "what is the color?", "which color is the product?")), product.color),
        (rng.choice(("how many are there?", f"how many {product.kind}s are there?")), COUNTS[product.count - 1]),
        (rng.choice(("what is the pattern?", "what pattern is it?", f"what pattern {does_it} have?")), product.pattern),
        (rng.choice(("what is the background?", "what background is it on?")), product.background),
        (rng.choice(("what is printed on it?", "what is the print?")), product.printed),
        (rng.choice(("how long are the sleeves?", "what is the sleeve length?")), product.sleeves or "none"),
    ]

    def yes_no(question: str, options: Sequence[str], holds: Sequence[str]) -> tuple[str, str]:
        option = rng.choice(holds) if holds and rng.random() < 0.5 else rng.choice(options)
        return question.format(option), "yes" if option in holds else "no"

    about_one = [
        yes_no(f"{is_it} {{}}?", tuple(COLORS), (product.color,)),
        yes_no(f"{is_it} {{}}?", PATTERNS, (product.pattern,)),
        yes_no("is this a {}?", KINDS, (product.kind,)),
        yes_no("is there a {} on it?", PRINTS, product.prints),
        yes_no("is there a {} on it?", PRINTS, product.prints),
        yes_no("are there {}?", COUNTS[1:], (COUNTS[product.count - 1],)),
        yes_no("does it have {} sleeves?", SLEEVES, (product.sleeves,) if product.sleeves else ()),
        yes_no("is the background {}?", BACKGROUNDS, (product.background,)),
    ]
    return asked + rng.sample(about_one, 2)


def picture(seed: int, number: int) -> tuple[Image.Image, Product, list[tuple[str, str]]]:
    """Returns the picture of that number in the stream of that seed, its product and its questions."""
    rng = random.Random(f"{seed}/{number}")
    product = random_product(rng)
    asked = questions(product, rng)
    return draw(product, rng), product, asked


def draw(product: Product, rng: random.Random) -> Image.Image:
    """Returns an RGB picture of SIZE by SIZE pixels, jittered in place, size, tone and light noise."""
    image = _background(product.background, rng)
    color = _jitter(COLORS[product.color], rng, 12)
    for x, y, side in _layout(product.count, rng):
        _paste_piece(image, product, color, (x, y, side), rng)
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal((SIZE, SIZE, 1), dtype=np.float32)
    pixels = np.asarray(image, np.float32) * rng.uniform(0.92, 1.06) + noise * rng.uniform(0, 6)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _jitter(color: Color, rng: random.Random, amount: int) -> Color:
    red, green, blue = (max(0, min(255, channel + rng.randint(-amount, amount))) for channel in color)
    return red, green, blue


def _mix(color: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(color, other, strict=True))
    return red, green, blue


def _layout(count: int, rng: random.Random) -> list[tuple[int, int, int]]:
    """Returns left, top and side of each piece, in pixels, none overlapping."""

    def around(x: float, y: float, side: int, play: int) -> tuple[int, int, int]:
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


def _background(name: str, rng: random.Random) -> Image.Image:
    tones: dict[str, Color] = {
        "white": (247, 247, 247),
        "gray": (158, 160, 164),
        "beige": (226, 204, 166),
        "wooden": (152, 104, 62),
        "checkered": (238, 240, 240),
    }
    tone = _jitter(tones[name], rng, 6)
    image = Image.new("RGB", (SIZE, SIZE), tone)
    pen = ImageDraw.Draw(image)
    if name == "wooden":
        plank = rng.randint(30, 44)
        for top in range(-rng.randint(0, plank), SIZE, plank):
            pen.rectangle((0, top, SIZE, top + plank), fill=_jitter(tone, rng, 10))
            pen.line((0, top, SIZE, top), fill=_mix(tone, (0, 0, 0), 0.5), width=2)
    elif name == "checkered":
        square, dark = rng.randint(20, 26), _mix(tone, (110, 150, 150), 0.75)
        for row in range(SIZE // square + 1):
            for column in range(row % 2, SIZE // square + 1, 2):
                pen.rectangle((column * square, row * square, (column + 1) * square, (row + 1) * square), fill=dark)
    return image


def _paste_piece(
    image: Image.Image, product: Product, color: Color, place: tuple[int, int, int], rng: random.Random
) -> None:
    left, top, side = place
    mask = Image.new("L", (side, side), 0)
    trim = Image.new("L", (side, side), 0)
    _shape(product, ImageDraw.Draw(mask), ImageDraw.Draw(trim), side)
    surface = Image.new("RGB", (side, side), color)
    _pattern(product.pattern, surface, color, rng)
    image.paste(surface, (left, top), mask)
    dark = (70, 70, 76) if product.color == "black" else _mix(color, (0, 0, 0), 0.55)
    image.paste(dark, (left, top, left + side, top + side), trim)
    if product.prints:
        _prints(ImageDraw.Draw(image), product, place)


def _pattern(pattern: str, surface: Image.Image, color: Color, rng: random.Random) -> None:
    pen, side = ImageDraw.Draw(surface), surface.width
    light = _mix(color, (255, 255, 255), 0.78)
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


def _shape(product: Product, body: ImageDraw.ImageDraw, trim: ImageDraw.ImageDraw, side: int) -> None:
    """Draws the coloured body and the dark trim of one piece; coordinates are shares of its side."""

    def polygon(pen: ImageDraw.ImageDraw, *points: Point) -> None:
        pen.polygon([(x * side, y * side) for x, y in points], fill=255)

    def box(*corners: float) -> tuple[float, float, float, float]:
        x0, y0, x1, y1 = (corner * side for corner in corners)
        return x0, y0, x1, y1

    def thick(share: float) -> int:
        return max(2, round(share * side))

    match product.kind:
        case "mug":
            body.ellipse(box(0.52, 0.3, 0.98, 0.76), outline=255, width=thick(0.1))
            body.rounded_rectangle(box(0.06, 0.14, 0.72, 0.92), radius=thick(0.08), fill=255)
            trim.ellipse(box(0.06, 0.08, 0.72, 0.24), fill=255)
        case "shirt":
            cuff = 0.36 if product.sleeves == "short" else 0.86
            polygon(body, (0.26, 0.06), (0.74, 0.06), (0.76, 0.96), (0.24, 0.96))
            if product.sleeves == "short":
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


def _prints(pen: ImageDraw.ImageDraw, product: Product, place: tuple[int, int, int]) -> None:
    left, top, side = place
    x, y = _PRINT_PLACE[product.kind]
    size = side * 0.25
    for index, name in enumerate(product.prints):
        shift = (index - (len(product.prints) - 1) / 2) * size * 1.04
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


def write_samples(folder: Path, *, number: int, seed: int) -> None:
    """Writes `number` JPEG pictures and three lists of them: questions.jsonl, catalogue.csv, truth.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for index in range(number):
        image, product, asked = picture(seed, index)
        name = f"{index:03d}-{product.kind}.jpg"
        image.save(folder / name, quality=92)
        rows.append((name, product, asked))
    with (folder / "questions.jsonl").open("w", encoding="utf-8") as lines:
        for name, _, asked in rows:
            lines.write(json.dumps({"image": name, "questions": [question for question, _ in asked]}) + "\n")
    with (folder / "truth.jsonl").open("w", encoding="utf-8") as lines:
        for name, product, asked in rows:
            lines.write(json.dumps({"image": name, "caption": product.caption, "answers": dict(asked)}) + "\n")
    with (folder / "catalogue.csv").open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("sku", "image", "question"))
        for index, (name, _, asked) in enumerate(rows):
            writer.writerow((f"SKU-{index:04d}", name, asked[1][0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--number", type=int, default=48, help="how many pictures (default 48)")
    parser.add_argument("--seed", type=int, default=7, help="which stream of pictures (default 7)")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    options = parser.parse_args()
    write_samples(options.output, number=options.number, seed=options.seed)


if __name__ == "__main__":
    main()
