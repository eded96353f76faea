"""`http:`, from web servers."""

from __future__ import annotations

from askpix.worker.images.web import Web

READER = Web
