"""Whole images that were cut short, or in which bits were turned."""

from __future__ import annotations

import random
from collections.abc import Iterator

from helpers.bad_image import ANYTHING, DAMAGED, MAYBE, UNREADABLE, BadImage, Codes
from helpers.image_parts import patched
from helpers.whole_images import WHOLE_IMAGES, Part, Whole

FLIPS = 2
"""Of each image at each place."""


def cut_images() -> Iterator[BadImage]:
    """Yields each image cut before, just behind the start of, and in the middle of each of its parts."""
    for whole in WHOLE_IMAGES.values():
        seen = {0}
        for part in whole.parts:
            half = (part.start + whole.end(part)) // 2
            for how, at in (("before", part.start), ("a byte into", part.start + 1), ("half-way through", half)):
                if at not in seen:
                    seen.add(at)
                    yield BadImage(f"{whole.name} cut {how} {part.name}", whole.data[:at], _codes_of_cut(whole, at))


def _codes_of_cut(whole: Whole, at: int) -> Codes:
    if at >= whole.pixels.stop:
        # What is shown is there, unless it is only found by what was cut off.
        return MAYBE | UNREADABLE if whole.loose else MAYBE
    return UNREADABLE if whole.loose or at <= whole.pixels.start else DAMAGED


def flipped_images() -> Iterator[BadImage]:
    """Yields each image with a bit turned in its header, in its pixels, and near its end."""
    rng = random.Random(7)
    for whole in WHOLE_IMAGES.values():
        places = (
            ("its header", range(whole.pixels.start)),
            ("its pixels", whole.pixels),
            ("its last bytes", range(len(whole.data) - 12, len(whole.data))),
        )
        for where, places_there in places:
            for at in sorted(rng.sample(places_there, FLIPS)):
                bit = rng.randrange(8)
                flipped = patched(whole.data, at, bytes((whole.data[at] ^ 1 << bit,)))
                # Beside the pixels, it may be the size that changes; among them, it is what is shown.
                codes = MAYBE if at in whole.pixels and not whole.loose else ANYTHING
                yield BadImage(f"{whole.name} with bit {bit} turned at {at}, in {where}", flipped, codes)
    yield from _scrambled(rng)


def _scrambled(rng: random.Random) -> Iterator[BadImage]:
    """Yields each image with many of its bytes made random."""
    for whole in WHOLE_IMAGES.values():
        data = bytearray(whole.data)
        for at in rng.sample(range(len(data)), len(data) // 50):
            data[at] = rng.randrange(256)
        yield BadImage(f"{whole.name} with each fiftieth byte made random", bytes(data), ANYTHING)
        start = whole.pixels.start
        noise = whole.data[:start] + rng.randbytes(len(whole.pixels)) + whole.data[whole.pixels.stop :]
        # In a WebP, its size is noise too.
        yield BadImage(f"{whole.name} with noise for pixels", noise, ANYTHING)


def spliced_images() -> Iterator[BadImage]:
    """Yields each image with a part left out, and with a part twice."""
    for whole in WHOLE_IMAGES.values():
        for name, part in _middle_parts(whole):
            start, end = part.start, whole.end(part)
            yield BadImage(f"{whole.name} without {name}", whole.data[:start] + whole.data[end:], ANYTHING)
            twice = whole.data[:end] + whole.data[start:end] + whole.data[end:]
            yield BadImage(f"{whole.name} with {name} twice", twice, ANYTHING)


def _middle_parts(whole: Whole) -> list[tuple[str, Part]]:
    """Returns a part of the header, and the first with pixels."""
    header = [part for part in whole.parts if 0 < part.start < whole.pixels.start]
    pixels = [part for part in whole.parts if part.pixels]
    return [(part.name, part) for part in (*header[len(header) // 2 :][:1], pixels[0])]
