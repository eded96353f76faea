"""Graphs of vision-language models to fewer bits, by NNCF, in memory. Needs nncf, of the `convert` extra."""

from __future__ import annotations

import os
from typing import Any

import openvino as ov

from askpix.producer.errors import ModelError
from askpix.worker.converting.compressing import quietly
from askpix.worker.converting.vlm_samples import Samples
from askpix.worker.converting.weights import Weights

# NNCF reports each use of it to its makers, unless it takes itself to be under test.
os.environ.setdefault("NNCF_CI", "1")
import nncf

_MODES = nncf.CompressWeightsMode


def compressed(model: ov.Model, weights: Weights) -> ov.Model:
    """Returns a graph beside the language model's, with weights of 8 bits where that has fewer than 16."""
    return _lower(model, mode=_MODES.INT8_ASYM) if weights.precision in ("int8", "int4") else model


def compressed_language(model: ov.Model, weights: Weights, samples: Samples) -> ov.Model:
    """Returns the language model's graph with weights of as many bits as was asked.

    Args:
        samples: on which scales are estimated, where there are any.

    Raises:
        ModelError: its weights do not come to groups of that size.
    """
    if weights.precision == "int8":
        return _lower(model, mode=_MODES.INT8_SYM)
    if weights.precision == "int4":
        aware: dict[str, Any] = {}
        if len(samples):
            aware = {"dataset": nncf.Dataset(samples), "subset_size": len(samples), "awq": True}
            aware["scale_estimation"] = True
        return _lower(model, mode=_MODES.INT4_ASYM, group_size=weights.group_size, ratio=weights.ratio, **aware)
    return model


def _lower(model: ov.Model, **how: Any) -> ov.Model:
    try:
        with quietly():
            return nncf.compress_weights(model, **how)
    except Exception as error:  # nncf raises what it likes
        raise ModelError(
            f"the weights cannot be compressed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        ) from error
