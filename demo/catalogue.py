"""Pictures of a synthetic shop catalogue, with a caption and questions that have one right answer.

A picture shows one to three pieces of one product: a kind, a colour and a pattern, on a background.
A single plain piece may carry prints (none, one or two of three), and a shirt has long or short
sleeves. Every picture follows from a seed and a number, so anyone can draw the same ones again:

    python demo/catalogue.py --number 48 --seed 7 --output demo/images
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from drawing import SIZE, Piece, background, jitter, layout, mix, paste
from PIL import Image

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
    image = background(product.background, rng)
    color = jitter(COLORS[product.color], rng, 12)
    piece = Piece(
        kind=product.kind,
        pattern=product.pattern,
        color=color,
        trim=(70, 70, 76) if product.color == "black" else mix(color, (0, 0, 0), 0.55),
        prints=product.prints,
        sleeves=product.sleeves,
    )
    for place in layout(product.count, rng):
        paste(image, piece, place, rng)
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal((SIZE, SIZE, 1), dtype=np.float32)
    pixels = np.asarray(image, np.float32) * rng.uniform(0.92, 1.06) + noise * rng.uniform(0, 6)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


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
