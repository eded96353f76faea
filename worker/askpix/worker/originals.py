"""A job's images, read once more as a worker reads them, byte for byte."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator

from askpix.producer.export.originals import Original, Wanted
from askpix.producer.settings import Settings
from askpix.worker.access import Access
from askpix.worker.images.fetch import Fetcher
from askpix.worker.images.fetch_rules import FetchRules
from askpix.worker.item_errors import ItemError
from askpix.worker.read_ahead import in_order
from askpix.worker.thumbnails import CHANGED

_log = logging.getLogger(__name__)

_THREADS = 8
_AHEAD = 2
"""Images that are begun for each thread before the first of them is taken: each may have 20 MB."""


class Originals:
    """Reads images; one comes back only if its bytes are still those that were answered.

    Args:
        access: what may be read.
        settings: by which it is fetched.
        own_bucket: the bucket of the job, which may be read too.
    """

    def __init__(self, access: Access, settings: Settings, own_bucket: str | None = None) -> None:
        self._own_bucket = own_bucket
        self._threads = min(_THREADS, settings.load_threads)
        self._fetcher = Fetcher(
            access,
            FetchRules.of(settings, connections=self._threads),
        )

    def close(self) -> None:
        self._fetcher.close()

    def __call__(self, wanted: Iterable[Wanted]) -> Iterator[Original]:
        """Returns an original for each that is wanted, in their order; those that fail with the code of why."""
        return in_order(self._read, wanted, threads=self._threads, ahead=_AHEAD, name="askpix-original")

    def _read(self, wanted: Wanted) -> Original:
        try:
            data = self._fetcher.fetch(wanted.reference, own_bucket=self._own_bucket)
            if hashlib.sha256(data).hexdigest() == wanted.sha256:
                return Original(data=data)
            code = CHANGED
        except ItemError as error:
            code = error.code
        except MemoryError:
            code = "out_of_memory"
        except Exception:  # noqa: BLE001 - one image must never cost all others theirs
            _log.exception("an image could not be read")
            code = "internal_error"
        return Original(problem=code)
