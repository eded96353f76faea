"""Graphs of vision-language models to fewer bits, by NNCF, in memory. Needs nncf, of the `convert` extra."""

from __future__ import annotations

import os

import openvino as ov

from askpix.worker.models.compressing import quietly
from askpix.worker.models.weights import Weights

# NNCF reports each use of it to its makers, unless it takes itself to be under test.
os.environ.setdefault("NNCF_CI", "1")
import nncf


def lowered(model: ov.Model, weights: Weights, *, language: bool) -> ov.Model:
    """Returns a graph whose weights are stored in as many bits as was asked.

    Args:
        language: it is the language model, whose weights alone come to 4 bits; those of other graphs to 8.
    """
    if weights.precision not in ("int8", "int4"):
        return model
    with quietly():
        if not language:
            return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
        if weights.precision == "int8":
            return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
        return nncf.compress_weights(
            model, mode=nncf.CompressWeightsMode.INT4_ASYM, group_size=weights.group_size, ratio=weights.ratio
        )
