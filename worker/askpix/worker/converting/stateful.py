"""A torch decoder to the graph that the pipeline takes: one that keeps keys and values of what it has read itself."""

from __future__ import annotations

from typing import Any

import openvino as ov
import torch
from openvino import opset13 as opset
from openvino._offline_transformations import apply_make_stateful_transformation

from askpix.worker.converting.tracing import traced

_FREE = {"rows": 2, "read": 3, "before": 5}
"""Of what is traced with. All differ, and none is 1: tracing takes none for another, nor for one to broadcast."""


def stateful_decoder(module: torch.nn.Module, *, layers: int, heads: int, head_size: int) -> ov.Model:
    """Returns the graph of a decoder.

    Args:
        module: takes embeddings [B, N, D], a mask int64 [B, T], then keys and values of each layer; returns logits,
            then the keys and values of all tokens. See `AlibiDecoder`.

    Inputs of the graph: inputs_embeds, attention_mask, and beam_idx int32 [B], which rows' past each row goes on with.
    Its output: logits.
    """
    width, states = heads * head_size, 2 * layers
    rows, read, before = _FREE.values()
    model = traced(
        module,
        (
            torch.zeros(rows, read, width),
            torch.ones(rows, read + before, dtype=torch.int64),
            *[torch.zeros(rows, heads, before, head_size)] * states,
        ),
        [
            ([-1, -1, width], ov.Type.f32),
            ([-1, -1], ov.Type.i64),
            *[([-1, heads, -1, head_size], ov.Type.f32)] * states,
        ],
    )
    past = [f"past.{number}" for number in range(states)]
    present = [f"present.{number}" for number in range(states)]
    _name(model.inputs, ["inputs_embeds", "attention_mask", *past])
    _name(model.outputs, ["logits", *present])
    _gather_rows(model, past)
    apply_make_stateful_transformation(model, dict(zip(past, present, strict=True)))
    _begin_empty(model, heads, head_size)
    model.validate_nodes_and_infer_types()
    return model


def _name(ports: Any, names: list[str]) -> None:
    for port, name in zip(ports, names, strict=True):
        port.get_tensor().set_names({name})
        if port.get_node().get_type_name() == "Parameter":
            port.get_node().set_friendly_name(name)


def _gather_rows(model: ov.Model, past: list[str]) -> None:
    """Has each row go on with the past of the one that beam_idx names: searches change places."""
    rows = opset.parameter([-1], ov.Type.i32, name="beam_idx")
    rows.output(0).get_tensor().set_names({"beam_idx"})
    model.add_parameters([rows])
    for name in past:
        kept = model.input(name).get_node().output(0)
        readers = list(kept.get_target_inputs())
        chosen = opset.gather(kept, rows.output(0), opset.constant(0, ov.Type.i64))
        for reader in readers:
            reader.replace_source_output(chosen.output(0))
    model.validate_nodes_and_infer_types()


def _begin_empty(model: ov.Model, heads: int, head_size: int) -> None:
    """Has keys and values begin as those of no token, in as many rows as are read."""
    shape = opset.shape_of(model.input("inputs_embeds").get_node(), ov.Type.i64)
    rows = opset.gather(shape, opset.constant([0], ov.Type.i64), opset.constant(0, ov.Type.i64))
    rest = [opset.constant([size], ov.Type.i64) for size in (heads, 0, head_size)]
    empty = opset.broadcast(opset.constant(0.0, ov.Type.f32), opset.concat([rows, *rest], 0))
    for node in model.get_ops():
        if node.get_type_name() == "ReadValue":
            node.set_arguments([empty])
