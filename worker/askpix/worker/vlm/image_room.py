"""Memory for images that an engine holds at full size."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from askpix.worker.memory_room import Room
from askpix.worker.vlm.work import VlmImage

PIXEL_BYTES, SMALL_BYTES = 256 << 20, 1 << 20
"""Of images that are held at full size, where a model takes them so; those of up to a megabyte are not counted."""


class ImageRoom:
    """So many bytes of images may be there at a time; those of further requests wait."""

    def __init__(self) -> None:
        self._room = Room(PIXEL_BYTES)

    def take(self, images: Sequence[VlmImage], until: float | None = None) -> bool:
        """Waits until there is room for all images of a request, which they have for as long as they are there.

        For all in one: who waited with some in hand could wait for another who does. Returns whether it was in time.

        Args:
            until: as `time.monotonic()` counts; by default it waits for ever.
        """
        left, amounts = self._room.total, list[int]()
        for image in images:
            size = image.tensor.get_byte_size()
            amounts.append(min(size, left) if size > SMALL_BYTES else 0)
            left -= amounts[-1]
        if any(amounts) and not self._room.take(sum(amounts), until):
            return False
        for image, amount in zip(images, amounts, strict=True):
            if amount:
                weakref.finalize(image, self._room.give_back, amount)
        return True
