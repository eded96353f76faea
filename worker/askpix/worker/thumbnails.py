"""Small pictures of a job's images, read and decoded as a worker reads and decodes them."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator

from PIL import Image

from askpix.producer.report.pictures import Picture, Thumbnail
from askpix.producer.settings import Settings
from askpix.worker.access import Access
from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.images.fetch import is_on_disk
from askpix.worker.item_errors import ItemError
from askpix.worker.loading import ImageFacts, Loader
from askpix.worker.read_ahead import in_order

SIDE = 256
"""Pixels of a thumbnail's longer side; smaller images keep their size."""

CHANGED = "image_changed"
"""Code of an image whose bytes are not those that a worker read."""

UNAVAILABLE = "image_unavailable"
"""Code of a file of which no more is to be told."""

_log = logging.getLogger(__name__)

_QUALITY = 75
_METHOD = 2
"""Of WebP: as small within 4 % as with the usual 4, in less than half the time."""
_THREADS = 16
_AHEAD = 4
"""Pictures that are begun for each thread before the first of them is taken."""


class Thumbnails:
    """Makes thumbnails; a picture gets one only if its bytes are still those that were answered.

    Args:
        access: what may be read.
        settings: by which it is fetched and decoded.
        own_bucket: the bucket of the job, which may be read too.
        tells_of_files: whether the code of a file that is not shown says why. Where all files of this machine may be
            read, a list could learn so from a gallery which of them are there.
    """

    def __init__(
        self, access: Access, settings: Settings, own_bucket: str | None = None, *, tells_of_files: bool = True
    ) -> None:
        self._own_bucket = own_bucket
        self._tells_of_files = tells_of_files
        self._threads = min(_THREADS, settings.load_threads)
        self._loader = Loader.of(access, settings, connections=self._threads)

    def close(self) -> None:
        self._loader.close()

    def __call__(self, pictures: Iterable[Picture]) -> Iterator[Thumbnail]:
        """Returns a thumbnail for each picture, in their order; those that fail with the code of why."""
        return in_order(self._made, pictures, threads=self._threads, ahead=_AHEAD, name="askpix-thumbnail")

    def _made(self, picture: Picture) -> Thumbnail:
        try:
            return Thumbnail(picture=picture, data=self._small(picture))
        except ItemError as error:
            code = error.code
        except MemoryError:
            code = "out_of_memory"
        except Exception:  # noqa: BLE001 - one image must never cost all others theirs
            _log.exception("an image could not be read")
            code = "internal_error"
        if not self._tells_of_files and is_on_disk(picture.reference):
            code = UNAVAILABLE
        return Thumbnail(picture=picture, problem=code)

    def _small(self, picture: Picture) -> bytes:
        facts = ImageFacts()

        def check() -> None:
            if facts.sha256 != picture.sha256:
                raise ItemError(CHANGED, "the image is another by now than the one that was answered")

        form = form_of(picture.width, picture.height)
        decoded = self._loader.decoded(picture.reference, form, facts, own_bucket=self._own_bucket, fetched=check)
        own = form_of(decoded.width, decoded.height)
        if own != form:
            # The row says another size than the image has: one that no worker has written.
            decoded = self._loader.decoded(picture.reference, own, facts, own_bucket=self._own_bucket, fetched=check)
        return encoded(decoded.pixels)


def form_of(width: int, height: int) -> ImageForm:
    """Returns the form of an image's thumbnail: its own proportions, not larger than itself."""
    scale = min(1.0, SIDE / max(width, height))
    return ImageForm(width=max(1, round(width * scale)), height=max(1, round(height * scale)), resample="lanczos")


def encoded(pixels: Pixels) -> bytes:
    """Returns pixels as a WebP."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=_QUALITY, method=_METHOD)
    return file.getvalue()
