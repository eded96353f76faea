"""Valid but odd images, with what a person should see of each."""

from __future__ import annotations

from helpers.golden import OddImage
from helpers.odd_bmps_gifs_webps import others
from helpers.odd_colors import odd_colors
from helpers.odd_jpegs import jpegs
from helpers.odd_pngs import pngs
from helpers.odd_tiffs import tiffs

ODD_IMAGES: tuple[OddImage, ...] = (*pngs(), *jpegs(), *tiffs(), *others(), *odd_colors())
