"""Vision-language checkpoints with few, random weights, and what transformers says of them.

Runs in the export environment, by its own Python, as a file:

    python tiny_vlm.py make FAMILY FOLDER [SIZES]  writes a checkpoint; SIZES (JSON) are of its language model
    python tiny_vlm.py generate FOLDER             reads requests (JSON) from standard input, answers there

Nothing that these models say makes sense: they show whether numbers are right.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForImageTextToText,
    AutoTokenizer,
    CLIPImageProcessor,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    set_seed,
)

_TEXTS = (
    "USER: what is it? ASSISTANT: a red mug on a table",
    "describe the picture in one sentence, please.",
    "yes no red blue green yellow black white mug plate shirt bottle",
    "<|im_start|>system user assistant\n",
)

# How llava-hf's checkpoints render a conversation: images first, then texts, each with a space behind it.
_VICUNA = (
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
# How Qwen's do.
_CHATML = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_CONTEXT = 1_024
_GRIDS = [[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]]


def make(family: str, folder: Path, sizes: dict[str, int]) -> None:
    """Writes a checkpoint whose weights follow from its family and sizes alone."""
    set_seed(11)
    maker = {"llava": _llava, "llava_next": _llava_next, "qwen2_vl": _qwen2_vl}[family]
    model, parts = maker(sizes)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                # Large enough for texts to depend on images and questions.
                parameter.normal_(0, 2 / parameter.shape[-1] ** 0.5 if sizes else 0.25)
    model.eval().save_pretrained(folder)
    for part in parts:
        part.save_pretrained(folder)


def _llava(sizes: dict[str, int]) -> tuple[Any, list[Any]]:
    tokenizer = _llama_tokenizer()
    config = LlavaConfig(**_llava_parts(tokenizer, sizes), image_seq_length=16)
    model = LlavaForConditionalGeneration(config)
    images = CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    return _ends(model), [LlavaProcessor(images, tokenizer, **_processor_settings())]


def _llava_next(sizes: dict[str, int]) -> tuple[Any, list[Any]]:
    tokenizer = _llama_tokenizer()
    model = LlavaNextForConditionalGeneration(
        LlavaNextConfig(**_llava_parts(tokenizer, sizes), image_grid_pinpoints=_GRIDS)
    )
    images = LlavaNextImageProcessor(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}, image_grid_pinpoints=_GRIDS
    )
    return _ends(model), [LlavaNextProcessor(images, tokenizer, **_processor_settings())]


def _llava_parts(tokenizer: Any, sizes: dict[str, int]) -> dict[str, Any]:
    return {
        "vision_config": CLIPVisionConfig(
            hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
            image_size=56, patch_size=14, projection_dim=32,
        ),
        "text_config": LlamaConfig(
            bos_token_id=1, eos_token_id=2, pad_token_id=3, max_position_embeddings=_CONTEXT,
            **{
                "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
                "num_attention_heads": 4, "num_key_value_heads": 2, **sizes,
            },
        ),
        "image_token_index": tokenizer.convert_tokens_to_ids("<image>"),
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
    }  # fmt: skip


def _processor_settings() -> dict[str, Any]:
    return {
        "patch_size": 14,
        "vision_feature_select_strategy": "default",
        "num_additional_image_tokens": 1,
        "chat_template": _VICUNA,
    }


def _ends(model: Any) -> Any:
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=3)
    return model


def _qwen2_vl(_: dict[str, int]) -> tuple[Any, list[Any]]:
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
                "<|video_pad|>"]  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_trained(specials), pad_token="<|endoftext|>", eos_token="<|im_end|>", padding_side="left",
        additional_special_tokens=specials[1:], model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip
    tokenizer.chat_template = _CHATML
    id_of = tokenizer.convert_tokens_to_ids
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": _CONTEXT,
            "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]}, "bos_token_id": 0, "eos_token_id": 2,
        },
        vision_config={
            "depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 4, "patch_size": 14, "mlp_ratio": 2,
            "spatial_merge_size": 2, "temporal_patch_size": 2,
        },
        image_token_id=id_of("<|image_pad|>"), video_token_id=id_of("<|video_pad|>"),
        vision_start_token_id=id_of("<|vision_start|>"), vision_end_token_id=id_of("<|vision_end|>"),
    )  # fmt: skip
    model = Qwen2VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(bos_token_id=0, eos_token_id=[2, 0], pad_token_id=0)
    return model, [tokenizer, Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=168 * 168)]


def _llama_tokenizer() -> Any:
    tokenizer = _trained(["<unk>", "<s>", "</s>", "<pad>", "<image>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        padding_side="left", additional_special_tokens=["<image>"],
        model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


def _trained(specials: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        _TEXTS, trainers.BpeTrainer(vocab_size=400, special_tokens=specials, initial_alphabet=alphabet)
    )
    return tokenizer


def generate(folder: Path, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns, of each request {images, prompt, max_new_tokens}, the prompt's ids and those generated."""
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    found = []
    for request in requests:
        inputs = _inputs(folder, request["prompt"], [_picture(path) for path in request["images"]])
        with torch.inference_mode():
            out = model.generate(**inputs, do_sample=False, max_new_tokens=request["max_new_tokens"])
        length = inputs["input_ids"].shape[1]
        ids = out[0, length:].tolist()
        found.append({"prompt_ids": inputs["input_ids"][0].tolist(), "ids": ids})
    return found


def _picture(path: str) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _inputs(folder: Path, prompt: str, images: list[Image.Image]) -> Any:
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    if kind != "qwen2_vl":
        maker = LlavaProcessor if kind == "llava" else LlavaNextProcessor
        return maker.from_pretrained(folder)(text=prompt, images=images, return_tensors="pt")
    # Its whole processor takes videos too, for which it wants torchvision.
    seen = Qwen2VLImageProcessor.from_pretrained(folder)(images=images, return_tensors="pt")
    first, *others = prompt.split("<|image_pad|>")
    tokens = [int(grid.prod()) // 4 for grid in seen["image_grid_thw"]]
    text = first + "".join("<|image_pad|>" * count + part for count, part in zip(tokens, others, strict=True))
    return {**AutoTokenizer.from_pretrained(folder)([text], return_tensors="pt"), **seen}


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4]) if len(sys.argv) > 4 else {})
    else:
        print(json.dumps(generate(Path(sys.argv[2]), json.load(sys.stdin))))
