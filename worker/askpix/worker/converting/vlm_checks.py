"""What is looked at of an exported folder before it becomes a model folder."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openvino as ov
from openvino._offline_transformations import paged_attention_transformation

from askpix.producer.errors import ModelError
from askpix.producer.items import Turn
from askpix.worker.converting.checkpoint_folder import read_json
from askpix.worker.converting.weights import Weights
from askpix.worker.vlm.templates import TEMPLATES

LANGUAGE_MODEL = "openvino_language_model.xml"

_NEEDED = (
    LANGUAGE_MODEL,
    "openvino_text_embeddings_model.xml",
    "openvino_vision_embeddings_model.xml",
    "openvino_tokenizer.xml",
    "openvino_detokenizer.xml",
    "config.json",
    "preprocessor_config.json",
)
_INT4 = ("i4", "u4", "nf4")
_LOW_BITS = {"int8": ("i8", "u8", *_INT4), "int4": _INT4}
"""Types of a precision's bits, or fewer."""

_LESS = {
    "int8": "the checkpoint's weights are not of a kind that is compressed; convert it with --precision f16",
    "int4": "choose a --group-size that the model's sizes are multiples of, a larger --ratio, or --precision int8",
}
"""What to do where they are not so."""

_SHOWN = 300
"""Characters of a conversation that no template writes."""

_LEAST = 0.5
"""Share of the weights that were to have few bits which have to have them, or fewer."""


def check_files(folder: Path) -> None:
    """Raises ModelError where a file is missing that answers depend on.

    Without the image preprocessor's, the pipeline takes images of another size with another mean, and says nothing.
    """
    for name in _NEEDED:
        if not (folder / name).is_file():
            raise ModelError(f"the export has no {name}: without it the model would answer differently, or not at all")
    settings = read_json(folder / "preprocessor_config.json")
    normalises = {"image_mean", "image_std"} <= settings.keys()
    if not normalises:
        raise ModelError("the export's preprocessor_config.json does not say how images are normalised")


def check_weights(folder: Path, weights: Weights) -> None:
    """Raises ModelError where the language model's weights are not stored as was asked."""
    precision = weights.precision
    if precision not in _LOW_BITS:
        return
    sizes = Counter[str]()
    for node in ov.Core().read_model(folder / LANGUAGE_MODEL).get_ops():
        if node.get_type_name() == "Constant":
            sizes[node.get_element_type().get_type_name()] += math.prod(node.get_output_shape(0))
    wanted = weights.ratio if precision == "int4" else 1.0
    share = sum(sizes[kind] for kind in _LOW_BITS[precision]) / max(sum(sizes.values()), 1)
    if share < _LEAST * wanted:
        raise ModelError(
            f"the export was to have {precision} weights{f' ({wanted:.0%} of them)' if wanted < 1 else ''}, "
            f"and has {share:.0%} of them so: {_LESS[precision]}"
        )


def check_slopes(folder: Path, slopes: Sequence[float]) -> None:
    """Raises ModelError where the pipeline's own attention does not get ALiBi's slopes out of the graph.

    It says nothing where it does not: the model would take all tokens to stand in one place.
    """
    model = ov.Core().read_model(folder / LANGUAGE_MODEL)
    try:
        paged_attention_transformation(model)
        layers = [node for node in model.get_ordered_ops() if node.get_type_name() == "PagedAttentionExtension"]
        seen = [any(_constant(value) == slopes for value in node.input_values()) for node in layers]
    except RuntimeError as error:
        seen = []
        reason = " ".join(str(error).split())[:200]
    else:
        reason = f"it finds them in {sum(seen)} of {len(seen)} layers"
    if not seen or not all(seen):
        raise ModelError(f"this version of OpenVINO does not see where the model's tokens stand (ALiBi): {reason}")


def _constant(value: Any) -> tuple[float, ...] | None:
    """Returns the numbers that reach an input through nothing but changes of form; None where others do too."""
    node = value.get_node()
    while node.get_type_name() in ("Reshape", "Convert"):
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant" or node.get_element_type() != ov.Type.f32:
        return None
    return tuple(node.data.flatten().tolist())


def template_of(rendered: Sequence[Mapping[str, Any]], given: str | None) -> str:
    """Returns the name of the template that writes conversations as the checkpoint's own does.

    Args:
        rendered: conversations, and the prompts that the checkpoint's processor makes of them.
        given: a name to take where it has no template at all.

    Raises:
        ModelError: none does.
    """
    told = [one for one in rendered if one["prompt"] is not None]
    if not told:
        if given is None:
            raise ModelError(
                f"the checkpoint does not say how conversations are written: name one with --template "
                f"({', '.join(TEMPLATES)})"
            )
        return given
    names = (given,) if given else tuple(TEMPLATES)
    agreeing = names
    for number, one in enumerate(told):
        nearest, prompt = agreeing[0], one["prompt"]
        agreeing = tuple(name for name in agreeing if _written(name, one["messages"]) == prompt)
        if not agreeing:
            what = f"not as the template {given} does" if given else f"as none of {', '.join(names)} does"
            own = _written(nearest, one["messages"]) if number else None
            where = "" if own is None else f", where {nearest} has {own!r}"
            raise ModelError(f"the checkpoint writes conversations {what}: {prompt[:_SHOWN]!r}{where}")
    return agreeing[0]


def _written(name: str, messages: Sequence[Mapping[str, Any]]) -> str | None:
    """Returns a conversation of a checkpoint's own form as a template writes it."""
    template = TEMPLATES[name]
    texts = {"system": [], "user": [], "assistant": []}  # type: dict[str, list[str]]
    for message in messages:
        texts[message["role"]] += [part["text"] for part in message["content"] if part["type"] == "text"]
    if texts["system"] and template.system is None:
        return None
    *before, question = texts["user"]
    history = [Turn(asked, said) for asked, said in zip(before, texts["assistant"], strict=True)]
    system = texts["system"][0] if texts["system"] else None
    return template.prompt(question, image=template.image, system=system, history=history)


def check_tokens(folder: Path, tokenized: Sequence[Mapping[str, Any]]) -> None:
    """Raises ModelError where the exported tokenizer makes other tokens of prompts than the checkpoint's.

    The first one, which the model begins with, is among them.
    """
    import openvino_genai as genai

    tokenizer = genai.Tokenizer(folder)
    for one in tokenized:
        ids = tokenizer.encode(one["text"]).input_ids.data[0].tolist()
        if ids != one["ids"]:
            raise ModelError(
                f"the exported tokenizer makes {len(ids)} tokens of {one['text'][:60]!r}, beginning with {ids[:3]}; "
                f"the checkpoint's makes {len(one['ids'])}, beginning with {one['ids'][:3]}"
            )
