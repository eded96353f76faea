"""Reference and engines of the shipped demo model, once each per test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.engine_calls import opened
from helpers.random_blip import DEMO_CHECKPOINT
from models.blip_reference import Reference

from askpix.worker.blip.engine import BlipEngine
from askpix.worker.engine.devices import Precision
from askpix.worker.local import demo_model


@pytest.fixture(scope="session")
def demo_reference() -> Reference:
    return Reference(DEMO_CHECKPOINT)


@pytest.fixture(scope="session")
def demo_engine() -> Iterator[BlipEngine]:
    """The demo model in FP32."""
    with opened(demo_model()) as engine:
        yield engine


@pytest.fixture(scope="session")
def default_engine() -> Iterator[BlipEngine]:
    """The demo model in the precision that the device does best."""
    with opened(demo_model(), Precision.AUTO) as engine:
        yield engine
