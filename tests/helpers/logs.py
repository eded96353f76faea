"""Logs that a test reads."""

from __future__ import annotations

import json
import logging
from io import StringIO
from typing import Any

import pytest

from askpix.worker.logs.setup import LogForm, formatter

HOSTILE = '\n2026-01-01 00:00:00,000 INFO forged\x1b[2J\r{"level": "info"}\u2028'


class Log:
    """A logger of its own, and what it has written."""

    def __init__(self, form: LogForm) -> None:
        self._stream = StringIO()
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(formatter(form))
        self.logger = logging.Logger("askpix.test", logging.INFO)
        self.logger.addHandler(handler)

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def json_log() -> Log:
    return Log(LogForm(json=True))


@pytest.fixture
def plain_log() -> Log:
    return Log(LogForm())
