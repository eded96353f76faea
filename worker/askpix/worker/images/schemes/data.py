"""`data:`, images within their references."""

from __future__ import annotations

import binascii
from base64 import b64decode
from urllib.parse import unquote_to_bytes

from askpix.worker.error_codes import Code
from askpix.worker.images.schemes.reader import Reader, Wanted
from askpix.worker.item_errors import ImageError


class DataReader(Reader):
    """Decodes what a URI holds."""

    def read(self, wanted: Wanted) -> bytes:
        head, comma, body = wanted.reference.partition(",")
        if not comma:
            raise ImageError(Code.BAD_REFERENCE, "the data URI holds no data")
        # No way of writing a byte takes more than four times as many.
        self._rules.check_bytes(len(body) // 4)
        wanted.take(len(body))
        try:
            data = unquote_to_bytes(body)
            data = b64decode(data, validate=True) if head.lower().endswith(";base64") else data
        except (binascii.Error, ValueError):
            raise ImageError(Code.BAD_REFERENCE, "the data URI is not valid base64") from None
        self._rules.check_bytes(len(data))
        return data


READER = DataReader
