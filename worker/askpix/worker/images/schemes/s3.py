"""`s3:`, objects in buckets that are opened."""

from __future__ import annotations

from askpix.producer.errors import StorageError
from askpix.producer.locations import S3Location
from askpix.worker.error_codes import Code
from askpix.worker.images.schemes.reader import Reader, Wanted
from askpix.worker.item_errors import ImageError


class ObjectReader(Reader):
    """Reads objects where the worker's own environment says that S3 is."""

    def read(self, wanted: Wanted) -> bytes:
        try:
            location = S3Location.parse(wanted.reference)
        except StorageError as error:
            raise ImageError(Code.BAD_REFERENCE, str(error)) from None
        if not location.key or wanted.reference.endswith("/"):
            raise ImageError(Code.BAD_REFERENCE, f"{location.shown} names no object: write it as s3://bucket/key")
        if not self._access.may_read_object(location, wanted.own_bucket):
            raise ImageError(
                Code.NOT_ALLOWED,
                f"{location.shown} is in no bucket this worker may read; --allow-bucket {location.bucket} opens it",
            )
        # Who has no images in S3 does not wait for its client to be imported.
        from askpix.worker.images.objects import read_object

        return read_object(location, self._rules, wanted.take)


READER = ObjectReader
