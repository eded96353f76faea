"""What decoders print of an image is kept from the terminal: what there is to say of it, its row says."""

from __future__ import annotations

import ctypes
import logging
import re
import warnings
from contextlib import suppress
from pathlib import Path

import PIL.Image


def quiet_decoders() -> None:
    """Silences Pillow (odd EXIF, a size near its own limit) and libtiff (any damage), for the whole process.

    At its start: `warnings.catch_warnings` is not safe among threads.
    """
    warnings.filterwarnings("ignore", module=r"PIL\b")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    PIL.Image.preinit()
    # Pillow has no switch for it, so libtiff is told by its own functions.
    with suppress(OSError, AttributeError):
        for library in set(re.findall(r"/\S*libtiff\S*", Path("/proc/self/maps").read_text())):
            loaded = ctypes.CDLL(library)
            loaded.TIFFSetErrorHandler(None)
            loaded.TIFFSetWarningHandler(None)
