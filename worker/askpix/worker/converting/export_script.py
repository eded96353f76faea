"""What runs in the export environment: a vision-language checkpoint becomes OpenVINO graphs.

It is started as a file by `vlm_convert`, by that environment's own Python, and knows nothing of askpix: an order as
JSON comes in by standard input, and what it has to say goes out by the pipe whose number is its argument, a JSON
object a line: {"stage"}, {"report"} or {"error"}.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

_IMAGE_SIZES = ((336, 336), (1344, 336), (336, 1344), (640, 480), (97, 801), (3000, 4000), (4000, 400))
"""Widths and heights for which it is told how many tokens an image becomes."""

_TEXTS = (
    "what is it?",
    "Describe the picture: colours, 3 shapes & more.",
    "  two  spaces\nand a line",
    "Größe? 色は何ですか ✓",
)


def main() -> None:
    pipe = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")

    def tell(**what: Any) -> None:
        print(json.dumps(what), file=pipe, flush=True)

    order = json.load(sys.stdin)
    try:
        tell(report=_export(order, lambda stage: tell(stage=stage)))
    except Exception as error:
        tell(error=f"{type(error).__name__}: {' '.join(str(error).split())[:600]}")
        raise


def _export(order: dict[str, Any], stage: Callable[[str], None]) -> dict[str, Any]:
    stage("loading the export's packages")
    from optimum.exporters.openvino import main_export
    from optimum.intel import OVConfig
    from transformers import AutoConfig

    source, output, trust = order["source"], Path(order["output"]), order["trust"]
    local = Path(source).exists()
    config = AutoConfig.from_pretrained(source, trust_remote_code=trust, local_files_only=local)
    if config.model_type != order["family"]:
        raise ValueError(f"config.json names the model type {config.model_type}, not {order['family']}")
    weights = order["weights"]
    stage("exporting the graphs")
    main_export(
        source,
        output,
        task="image-text-to-text",
        ov_config=OVConfig(dtype="fp32" if weights == "f32" else "fp16"),
        trust_remote_code=trust,
        convert_tokenizer=True,
        library_name="transformers",
        local_files_only=local,
    )
    if weights in ("int8", "int4"):
        _compress(order, output, trust, stage)
    stage("looking at the processor")
    return _report(source, trust, local, order["prompts"])


def _compress(order: dict[str, Any], output: Path, trust: bool, stage: Callable[[str], None]) -> None:
    from optimum.intel import OVConfig, OVModelForVisualCausalLM, OVQuantizer, OVWeightQuantizationConfig

    images = order["images"]
    # Loaded to be compressed, where there are no images that it has to look at.
    model = OVModelForVisualCausalLM.from_pretrained(output, compile=False, trust_remote_code=trust)
    if order["weights"] == "int8":
        given = OVWeightQuantizationConfig(bits=8, sym=True)
        data = None
    else:
        aware = {"quant_method": "awq", "scale_estimation": True, "num_samples": len(images)} if images else {}
        given = OVWeightQuantizationConfig(
            bits=4, sym=False, group_size=order["group_size"], ratio=order["ratio"], **aware
        )
        data = _calibration(model, order, output, trust, stage) if images else None
    stage("compressing weights")
    OVQuantizer.from_pretrained(model, trust_remote_code=trust).quantize(
        calibration_dataset=data,
        ov_config=OVConfig(quantization_config=given),
        save_directory=output,
        immediate_save=True,
    )


def _calibration(model: Any, order: dict[str, Any], output: Path, trust: bool, stage: Callable[[str], None]) -> Any:
    """Returns what the language model is given for some images, for its weights' scales to be estimated on."""
    import nncf
    from optimum.intel import OVCalibrationDataset
    from PIL import Image
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(output, trust_remote_code=trust)
    collected = []
    for number, path in enumerate(order["images"]):
        stage(f"looking at images: {number + 1} of {len(order['images'])}")
        texts = order["texts"]
        with Image.open(path) as image:
            inputs = model.preprocess_inputs(
                text=texts[number % len(texts)],
                image=image.convert("RGB"),
                processor=processor,
                tokenizer=processor.tokenizer,
                config=model.config,
            )
        embeds, mask, positions, *_ = model.get_multimodal_embeddings(**inputs)
        collected.append(
            model.language_model.prepare_inputs(
                input_ids=None, attention_mask=mask, position_ids=positions, inputs_embeds=embeds
            )
        )
    model.clear_requests()
    return OVCalibrationDataset({"lm_model": nncf.Dataset(collected)})


def _report(source: str, trust: bool, local: bool, others: list[str]) -> dict[str, Any]:
    """Returns what the checkpoint's own processor makes of conversations and images.

    Args:
        others: prompts to take where it cannot write any itself.
    """
    from importlib.metadata import version

    processor = _processor(source, trust, local)
    tokenizer = processor.tokenizer
    rendered = [{"messages": messages, "prompt": _rendered(processor, messages)} for messages in _conversations()]
    prompts = _prompts(rendered) or others
    counts = [
        {"width": width, "height": height, "tokens": _image_tokens(processor, prompt, width, height)}
        for prompt in prompts[:1]
        for width, height in _IMAGE_SIZES
    ]
    return {
        "rendered": rendered,
        "tokenized": [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in prompts],
        "counts": counts,
        "reserved": sorted(
            {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
            | set(tokenizer.all_special_tokens)
        ),
        "versions": {name: version(name) for name in ("optimum-intel", "transformers", "torch", "nncf", "openvino")},
    }


def _processor(source: str, trust: bool, local: bool) -> Any:
    """Returns the processor of a checkpoint; of one that wants torchvision, for videos, what it has beside them."""
    from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer

    given = {"trust_remote_code": trust, "local_files_only": local}
    try:
        return AutoProcessor.from_pretrained(source, **given)
    except ImportError:
        tokenizer = AutoTokenizer.from_pretrained(source, **given)
        return _Parts(tokenizer, AutoImageProcessor.from_pretrained(source, use_fast=False, **given))


class _Parts:
    """A tokenizer, and the image processor of a model that counts an image's tokens by its size."""

    def __init__(self, tokenizer: Any, images: Any) -> None:
        self.tokenizer = tokenizer
        self._images = images

    def apply_chat_template(self, messages: list[dict[str, Any]], *, add_generation_prompt: bool) -> str:
        return str(
            self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=add_generation_prompt)
        )

    def __call__(self, *, text: str, images: list[Any], **_: Any) -> dict[str, Any]:
        seen = self._images(images=images, return_tensors="np")
        ids = self.tokenizer(text)["input_ids"]
        tokens = int(seen["image_grid_thw"].prod()) // self._images.merge_size**2
        return {"input_ids": [ids + [0] * (tokens - 1)]}


def _conversations() -> Iterator[list[dict[str, Any]]]:
    """Yields conversations in the form of transformers' chat templates; the first is the plainest."""
    for text in _TEXTS:
        yield [_said("user", text, image=True)]
    follow_up = [
        _said("user", "what is it?", image=True),
        _said("assistant", "a red mug"),
        _said("user", "what for?"),
    ]
    yield follow_up
    yield [_said("system", "Be brief."), *follow_up[:1]]
    yield [_said("system", "Be brief."), *follow_up]


def _said(role: str, text: str, *, image: bool = False) -> dict[str, Any]:
    content: list[dict[str, str]] = [{"type": "image"}] if image else []
    return {"role": role, "content": [*content, {"type": "text", "text": text}]}


def _rendered(processor: Any, messages: list[dict[str, Any]]) -> str | None:
    """Returns the prompt of a conversation; None where the template refuses it, or there is none."""
    try:
        return str(processor.apply_chat_template(messages, add_generation_prompt=True))
    except Exception:  # noqa: BLE001 - templates raise what they like
        return None


def _prompts(rendered: list[dict[str, Any]]) -> list[str]:
    return [one["prompt"] for one in rendered if one["prompt"] is not None]


def _image_tokens(processor: Any, prompt: str, width: int, height: int) -> int | None:
    """Returns how many tokens the processor adds to a prompt for an image; None where it cannot tell."""
    from PIL import Image

    image = Image.fromarray(np.zeros((height, width, 3), np.uint8))
    try:
        ids = processor(text=prompt, images=[image], return_tensors="np")["input_ids"]
    except Exception:  # noqa: BLE001 - remote code among them
        return None
    return len(ids[0]) - len(processor.tokenizer(prompt)["input_ids"]) + 1


if __name__ == "__main__":
    main()
