"""Which storage a URI names."""

from __future__ import annotations

from askpix.producer.durable import explained
from askpix.producer.errors import StorageError
from askpix.producer.locations import is_s3
from askpix.producer.storage import LocalStorage, Storage, local_path, shortened


def open_storage(uri: str) -> Storage:
    """Returns the storage that a URI names: a local folder, or `s3://bucket/prefix`. Asks no network for it.

    Raises:
        StorageError: askpix cannot keep a job folder there.
    """
    if is_s3(uri):
        # boto3 takes half a second to import, and most jobs are local.
        from askpix.producer.s3 import S3Storage

        return S3Storage(uri)
    path = local_path(uri) if uri else None
    if path is None or "\0" in uri:
        raise StorageError(
            f"{shortened(uri)!r} is no place for a job folder: give the path of a local folder or s3://bucket/prefix"
        )
    with explained(f"{shortened(uri)} is no place for a job folder"):
        if path.exists() and not path.is_dir():
            raise StorageError(f"{path} is a file: a job folder needs a folder of its own, new or empty")
    return LocalStorage(path)
