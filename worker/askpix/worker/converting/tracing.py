"""Torch modules to graphs. Needs torch, of the `convert` extra."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import openvino as ov
import torch


def traced(
    module: torch.nn.Module, example: Any, inputs: Sequence[tuple[Sequence[int], ov.Type]], *, names: Sequence[str] = ()
) -> ov.Model:
    """Returns the graph of a module.

    Args:
        example: what it is traced with: one tensor, or a tuple of them.
        inputs: shape, -1 where it is free, and type of each.
        names: of its inputs, then of its outputs; none to name them later.
    """
    with warnings.catch_warnings():
        # torch, transformers and OpenVINO tell each other what they are about to change.
        warnings.simplefilter("ignore")
        model = ov.convert_model(module.eval(), example_input=example, input=list(inputs))
    if names:
        for port, name in zip((*model.inputs, *model.outputs), names, strict=True):
            port.get_tensor().set_names({name})
    return model
