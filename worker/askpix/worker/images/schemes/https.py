"""`https:`, by the same connections as `http:`, to which one may redirect."""

from __future__ import annotations

from askpix.worker.images.web import Web

READER = Web
