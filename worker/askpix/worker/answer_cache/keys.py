"""What an answer is known by: all that it follows from, and nothing else."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from askpix.producer.items import Options
from askpix.producer.queues import device_kind
from askpix.worker.engine.base import EngineInfo, Request

VERSION = 2
"""Raised whenever askpix decodes, encodes or scores so that an answer comes out otherwise, and be it in its last digit:
what was kept before is not found any more."""

ASK_BYTES = 16
"""Of a digest of what is asked. Who could choose two questions with the same one could ask them just as well."""


@lru_cache(maxsize=32)
def engine_mark(info: EngineInfo) -> bytes:
    """Returns 32 bytes that stand for a model as it runs: whose answers are the same, has the same ones."""
    runs = [VERSION, _runtime(), info.model, info.fingerprint, info.precision, device_kind(info.device)]
    return hashlib.sha256(json.dumps(runs).encode()).digest()


def image_key(mark: bytes, sha256: str) -> bytes:
    """Returns 32 bytes that stand for an image as an engine sees it.

    Args:
        mark: of the engine.
        sha256: of the image's bytes, in hexadecimal.
    """
    return hashlib.sha256(mark + bytes.fromhex(sha256)).digest()


def ask_key(request: Request) -> bytes:
    """Returns bytes that stand for what is asked of an image, down to the order of the choices.

    What the answer is called, and what becomes of it once it is there, is no part of it.
    """
    question = request.question
    asked: list[Any] = [
        _options_text(request.options, question is None, question is not None and question.is_scored),
        # With where the images stand that are shown: which they are, is in the key of the image.
        [[turn.question, turn.answer, len(turn.images)] for turn in request.history],
    ]
    if question is not None:
        asked += [question.text, question.choices, question.match, question.json_schema]
    return hashlib.sha256(json.dumps(asked).encode()).digest()[:ASK_BYTES]


@lru_cache(maxsize=256)
def _options_text(options: Options, captions: bool, scored: bool) -> str:
    """Returns those options that an answer follows from: what is scored is not generated, and questions have no
    prompt."""
    if scored:
        return json.dumps({"system": options.system})
    values = options.model_dump(mode="json", exclude_none=True, exclude=None if captions else {"prompt"})
    return json.dumps(values, sort_keys=True)


def _runtime() -> str:
    """Returns the release of OpenVINO: with another one, numbers may differ in their last digits."""
    try:
        return ".".join(version("openvino").split(".")[:2])
    except PackageNotFoundError:  # a build of one's own
        return ""
