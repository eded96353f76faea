"""What an export of a vision-language checkpoint is looked at for, before it becomes a model folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openvino as ov
import pytest
from openvino import opset13 as ops

from askpix.producer.errors import ModelError
from askpix.producer.generation import Generation
from askpix.worker.converting.staging import staged
from askpix.worker.converting.vlm_checks import LANGUAGE_MODEL, check_weights
from askpix.worker.converting.vlm_facts import facts_of, generation_of
from askpix.worker.converting.weights import Weights
from askpix.worker.models.vlm_manifest import FixedTokens, Language

CONFIG = {
    "text_config": {
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "max_position_embeddings": 512,
    }
}
COUNTS = [{"width": 64, "height": 64, "tokens": 16}]


def write(folder: Path, **files: Any) -> None:
    """Writes JSON files, by their names without the ending."""
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))


def write_weights(folder: Path, **counts: int) -> None:
    """Writes a language model of so many weights of each type."""
    results = [
        ops.result(ops.convert(ops.constant([0] * count, dtype=getattr(ov.Type, kind)), "f32"))
        for kind, count in counts.items()
    ]
    ov.save_model(ov.Model(results, []), folder / LANGUAGE_MODEL, compress_to_fp16=False)


@pytest.mark.parametrize(
    ("weights", "counts"),
    [
        (Weights(precision="int4", ratio=0.38), {"i4": 380, "i8": 620}),
        (Weights(precision="int4", ratio=0.0), {"i8": 1_000}),
        (Weights(precision="int4"), {"u4": 800, "i8": 200}),
        (Weights(precision="int8"), {"u4": 800, "i8": 200}),
    ],
)
def test_weights_are_as_few_bits_as_was_asked_for(tmp_path: Path, weights: Weights, counts: dict[str, int]) -> None:
    write_weights(tmp_path, **counts)

    check_weights(tmp_path, weights)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (Weights(precision="int4"), r"int4 weights, and has 10% of them so: choose a --group-size .*int8$"),
        (Weights(precision="int4", ratio=0.4), r"int4 weights \(40% of them\), and has 10% of them so"),
        (Weights(precision="int8"), r"int8 weights, and has 20% of them so: .*--precision f16$"),
    ],
)
def test_where_they_are_not_it_is_told_what_to_do(tmp_path: Path, weights: Weights, words: str) -> None:
    write_weights(tmp_path, i4=100, i8=100, f32=800)

    with pytest.raises(ModelError, match=words):
        check_weights(tmp_path, weights)


def test_configurations_say_what_a_model_is(tmp_path: Path) -> None:
    write(tmp_path, config=CONFIG, preprocessor_config={"image_grid_pinpoints": [[56, 112]]})

    found = facts_of(tmp_path, COUNTS)

    assert found == (FixedTokens(tokens=16), Language(layers=2, kv_heads=4, head_size=16, context=512))
    assert json.loads((tmp_path / "preprocessor_config.json").read_text()) == {"image_grid_pinpoints": [[112, 56]]}


@pytest.mark.parametrize(
    ("config", "settings", "words"),
    [
        (None, {}, r"has no config\.json$"),
        ([], {}, r"config\.json is no JSON object$"),
        (CONFIG, None, r"has no preprocessor_config\.json$"),
        ({**CONFIG, "image_grid_pinpoints": [[56, 56]]}, {}, r"there is no 'image_size'$"),
        ({**CONFIG, "image_grid_pinpoints": [[56, 56]], "vision_config": []}, {}, "there is no 'image_size'$"),
        ({**CONFIG, "image_grid_pinpoints": [[56, 56]], "vision_config": [1]}, {}, "cannot be used: list indices"),
        (
            {**CONFIG, "image_grid_pinpoints": [[0, 56]], "vision_config": {"image_size": 56, "patch_size": 14}},
            {},
            r"cannot be used: grids\.0\.0: ",
        ),
        (CONFIG, {"merge_size": 2}, "there is no 'patch_size'"),
        (CONFIG, {"merge_size": 2, "patch_size": 14}, "min_pixels: "),
        (CONFIG, {"image_grid_pinpoints": 5}, "cannot be used: 'int' object is not iterable"),
        (CONFIG, {"size": 5, "merge_size": 2}, "cannot be used: 'int' object has no attribute"),
        ({"text_config": {**CONFIG["text_config"], "num_hidden_layers": -1}}, {}, "cannot be used: layers: "),
        ({"text_config": {**CONFIG["text_config"], "num_attention_heads": 0}}, {}, "cannot be used: .*zero"),
        ({"text_config": {}}, {}, "does not say its text model's 'num_attention_heads'$"),
    ],
)
def test_mistakes_of_a_configuration_are_told_in_a_line(tmp_path: Path, config: Any, settings: Any, words: str) -> None:
    files = {"config": config, "preprocessor_config": settings}
    write(tmp_path, **{name: value for name, value in files.items() if value is not None})

    with pytest.raises(ModelError, match=words) as caught:
        facts_of(tmp_path, COUNTS)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"repetition_penalty": "much"}, r"generation_config\.json cannot be used: repetition_penalty: "),
        ([], r"generation_config\.json is no JSON object"),
    ],
)
def test_mistakes_of_a_checkpoints_defaults_are_told_as_theirs(tmp_path: Path, own: Any, words: str) -> None:
    assert generation_of(tmp_path, Generation(max_new_tokens=9), 512).max_new_tokens == 9
    write(tmp_path, generation_config=own)

    with pytest.raises(ModelError, match=words):
        generation_of(tmp_path, None, 512)


def _missing(folder: Path) -> None:
    (folder / "config.json").read_text()


def _full(folder: Path) -> None:
    with Path("/dev/full").open("w") as file:
        file.write(str(folder))


@pytest.mark.parametrize(
    ("step", "error", "words"),
    [
        (_missing, FileNotFoundError, r"config\.json"),
        (_full, ModelError, r"/model cannot be written: no space left on device"),
    ],
)
def test_only_what_is_about_writing_a_folder_is_told_of_as_that(
    tmp_path: Path, step: Callable[[Path], None], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words), staged(tmp_path / "model") as folder:
        step(folder)

    assert list(tmp_path.iterdir()) == []
