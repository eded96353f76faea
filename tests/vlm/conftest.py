"""Tiny vision-language models, a way to ask them, and workers that serve them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.mpt import TinyMpt
from helpers.system_fixtures import broker, client, folder, pages, root, start_worker
from helpers.tiny_mpt import make_checkpoint
from helpers.vlm import TinyVlms

from askpix.worker.engine.devices import Precision
from askpix.worker.vlm.engine import VlmEngine

__all__ = ["broker", "client", "folder", "pages", "root", "start_worker"]


@pytest.fixture(scope="session")
def tiny() -> TinyVlms:
    return TinyVlms()


@pytest.fixture(scope="module")
def engine(tiny: TinyVlms) -> Iterator[VlmEngine]:
    """A tiny LLaVA that computes in f32."""
    engine = VlmEngine(tiny.folder("llava"), precision=Precision.F32)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def tiny_mpt(tmp_path_factory: pytest.TempPathFactory) -> TinyMpt:
    return TinyMpt(tmp_path_factory.mktemp("mpt"))


@pytest.fixture
def source(tiny_mpt: TinyMpt, tmp_path: Path) -> Path:
    """The checkpoint of a LLaVA on MPT, of one file of weights, to be damaged."""
    make_checkpoint(tmp_path / "source", tiny_mpt.tower, shards=1)
    return tmp_path / "source"
