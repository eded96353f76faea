"""All bad images, in a fixed order. What they are is in the modules that they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from helpers.bad_image import TOO_MUCH, BadImage
from helpers.bombs import hidden_pixels, laborious_images, large_headers, largest_images, many_frames
from helpers.cut_images import cut_images, flipped_images, spliced_images
from helpers.metadata_bombs import odd_exif, odd_gifs, odd_profiles, odd_tiff_tags, packed_texts
from helpers.no_images import no_images, polyglots
from helpers.wrong_files import wrong_avifs, wrong_bmps, wrong_tiffs, wrong_webps
from helpers.wrong_images import wrong_gifs, wrong_jpegs, wrong_pngs

__all__ = ["BAD_IMAGES", "BadImage"]

_KINDS: tuple[Callable[[], Iterator[BadImage]], ...] = (
    cut_images,
    flipped_images,
    spliced_images,
    no_images,
    polyglots,
    wrong_pngs,
    wrong_jpegs,
    wrong_gifs,
    wrong_bmps,
    wrong_tiffs,
    wrong_webps,
    wrong_avifs,
    large_headers,
    largest_images,
    hidden_pixels,
    laborious_images,
    many_frames,
    packed_texts,
    odd_profiles,
    odd_exif,
    odd_gifs,
    odd_tiff_tags,
)

_LABORIOUS = frozenset((laborious_images, packed_texts, odd_exif, odd_gifs, odd_tiff_tags))
"""Kinds of which the large ones are made to take much work or memory to read; they need not be read to the end."""


def _cases(kind: Callable[[], Iterator[BadImage]]) -> Iterator[BadImage]:
    for case in kind():
        large = callable(case.source) and kind in _LABORIOUS
        yield replace(case, codes=case.codes | TOO_MUCH) if large else case


BAD_IMAGES = tuple(chain.from_iterable(map(_cases, _KINDS)))
"""Small ones with their bytes, large ones with what makes them."""
