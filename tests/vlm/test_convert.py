"""Checkpoints to model folders: what is looked at, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import openvino_genai
import pytest
from helpers.conversions import converted
from helpers.processes import askpix
from helpers.vlm import EXPORT_ENV, TinyVlms

from askpix.producer.errors import ModelError
from askpix.worker.converting.conversion import Conversion
from askpix.worker.converting.export_env import make_export_env, python_of
from askpix.worker.converting.vlm_checks import check_files, check_tokens, check_weights, template_of
from askpix.worker.converting.vlm_convert import check_family
from askpix.worker.converting.weights import Weights
from askpix.worker.models.folder import load_manifest, load_vlm

ENV = {"ASKPIX_EXPORT_ENV": str(EXPORT_ENV)}


@pytest.fixture
def copied(tiny: TinyVlms, tmp_path: Path) -> Path:
    """A copy of a model folder, to be damaged."""
    return shutil.copytree(tiny.folder("llava"), tmp_path / "copied")


def _without_settings(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


def _without_mean(folder: Path) -> None:
    path = folder / "preprocessor_config.json"
    settings = json.loads(path.read_text())
    del settings["image_mean"]
    path.write_text(json.dumps(settings))


def _without_detokenizer(folder: Path) -> None:
    (folder / "openvino_detokenizer.xml").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_without_settings, "no preprocessor_config.json: without it the model would answer differently"),
        (_without_mean, "does not say how images are normalised"),
        (_without_detokenizer, "no openvino_detokenizer.xml"),
    ],
)
def test_an_export_that_lacks_what_answers_depend_on_is_refused(
    damage: Callable[[Path], None], words: str, copied: Path
) -> None:
    check_files(copied)
    damage(copied)
    with pytest.raises(ModelError, match=words):
        check_files(copied)


def test_a_model_folder_that_lost_its_image_settings_is_refused(copied: Path) -> None:
    _without_settings(copied)
    with pytest.raises(ModelError, match=r"damaged, preprocessor_config\.json is missing"):
        load_manifest(copied)


def test_weights_that_were_to_be_small_and_are_not_are_refused(tiny: TinyVlms) -> None:
    check_weights(tiny.folder("llava"), Weights(precision="f32"))
    check_weights(tiny.folder("llava", "int4"), Weights(precision="int4"))
    check_weights(tiny.folder("llava", "int8"), Weights(precision="int8"))
    for precision in ("int8", "int4"):
        with pytest.raises(ModelError, match=f"was to have {precision} weights, and has 0% of them so"):
            check_weights(tiny.folder("llava"), Weights(precision=precision))


def test_tokens_other_than_the_checkpoints_are_refused(tiny: TinyVlms) -> None:
    """Without the first one, which the pipeline's own way leaves out, answers are others."""
    folder = tiny.folder("llava")
    text = "USER: <image>\nwhat is it? ASSISTANT:"
    ids = openvino_genai.Tokenizer(folder).encode(text).input_ids.data[0].tolist()
    assert ids[0] == 1

    check_tokens(folder, [{"text": text, "ids": ids}])

    with pytest.raises(ModelError, match="the exported tokenizer makes"):
        check_tokens(folder, [{"text": text, "ids": ids[1:]}])


def _rendered(prompt: str | None) -> list[dict[str, object]]:
    said = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what is it?"}]}]
    return [{"messages": said, "prompt": prompt}]


def test_the_template_is_the_one_that_writes_as_the_checkpoint_does() -> None:
    assert template_of(_rendered("USER: <image>\nwhat is it? ASSISTANT:"), None) == "vicuna"
    assert template_of(_rendered("[INST] <image>\nwhat is it? [/INST]"), None) == "mistral"
    assert template_of(_rendered(None), "chatml") == "chatml"
    with pytest.raises(ModelError, match="name one with --template"):
        template_of(_rendered(None), None)
    with pytest.raises(ModelError, match="as none of chatml, chatml_direct"):
        template_of(_rendered("Q: <image> what is it? A:"), None)
    with pytest.raises(ModelError, match="not as the template vicuna does"):
        template_of(_rendered("[INST] <image>\nwhat is it? [/INST]"), "vicuna")


def test_where_a_checkpoint_differs_from_the_nearest_template_is_told() -> None:
    """As an early mistral of llava-hf's does, in answers only."""
    turns = [("user", "what is it?"), ("assistant", "a mug"), ("user", "why?")]
    messages = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in turns]
    messages[0]["content"].insert(0, {"type": "image"})  # type: ignore[attr-defined]
    early = {"messages": messages, "prompt": "[INST] <image>\nwhat is it? [/INST] a mug<\\s> [INST] why? [/INST]"}

    with pytest.raises(ModelError) as caught:
        template_of([*_rendered("[INST] <image>\nwhat is it? [/INST]"), early], None)

    assert repr(early["prompt"]) in str(caught.value)
    assert "where mistral has '[INST] <image>\\nwhat is it? [/INST] a mug</s> [INST] why? [/INST]'" in str(caught.value)


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("internvl_chat", "runs code from the checkpoint: read that code, and give --trust-remote-code"),
        ("smolvlm", "a model of type smolvlm; askpix converts blip, llava, llava_next"),
    ],
)
def test_families_that_are_not_converted_are_named(family: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        check_family(Conversion(source="some/model", output=Path("made"), family=family, name="m"))


def test_the_command_converts_with_images_and_says_what_came_of_it(
    tiny: TinyVlms, images: Path, tmp_path: Path
) -> None:
    # When
    source = str(tiny.checkpoint("llava"))
    manifest = converted(source, "--seed", "4", images=images, group_size=32, cwd=tmp_path, env=ENV)

    # Then
    assert (manifest.name, manifest.precision, manifest.generation.seed) == ("mine", "int4", 4)
    assert manifest.compression is not None
    assert (manifest.compression.group_size, manifest.compression.ratio, manifest.compression.images) == (32, 1.0, 2)
    check_weights(tmp_path / "model", Weights(precision="int4"))
    info = askpix("model", "info", "model", cwd=tmp_path)
    assert info.code == 0
    assert "100% in groups of 32, scales estimated on 2 images" in info.out
    assert "as vicuna writes them; an answer ends before </s>" in " ".join(info.out.split())

    # And a folder that is taken stays as it is.
    again = askpix("model", "convert", source, "--output", "model", cwd=tmp_path, env=ENV)
    assert (again.code, "model is not empty" in again.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--decoder", "int4"], "--decoder is for BLIP models"),
        (["--group-size", "32"], "--group-size is for --precision int4"),
        (["--samples", "4"], "--samples and --questions are for --images"),
        (["--precision", "int4", "--images", "nowhere"], "'nowhere' is not there"),
        (["--precision", "int4", "--group-size", "48"], "cannot be exported: InvalidGroupSizeError"),
        (["--no-repeat-ngram-size", "2"], "no_repeat_ngram_size is for searches here"),
        (["--max-new-tokens", "2000"], "more than the model's 1,024 tokens"),
        (["--template", "qwen"], "not as the template qwen does"),
    ],
)
def test_wrong_usage_is_told_in_a_line(options: list[str], words: str, tiny: TinyVlms, tmp_path: Path) -> None:
    source = str(tiny.checkpoint("llava"))
    told = askpix("model", "convert", source, "--output", "model", *options, cwd=tmp_path, env=ENV)
    assert told.code == 2
    assert words in told.err
    assert "Traceback" not in told.err
    assert not (tmp_path / "model").exists()
    assert list(tmp_path.glob(".model*")) == []


def test_a_checkpoint_that_says_nothing_of_conversations_takes_a_template(tiny: TinyVlms, tmp_path: Path) -> None:
    source = shutil.copytree(tiny.checkpoint("llava"), tmp_path / "checkpoint")
    (source / "chat_template.jinja").unlink()
    without = askpix("model", "convert", "checkpoint", "--output", "model", cwd=tmp_path, env=ENV)
    assert (without.code, "name one with --template" in without.err) == (2, True)
    told = askpix("model", "convert", "checkpoint", "--output", "model", "--template", "vicuna", cwd=tmp_path, env=ENV)
    assert told.code == 0, told.err
    assert load_vlm(tmp_path / "model").template == "vicuna"


def test_a_damaged_checkpoint_is_told_in_a_line(tiny: TinyVlms, tmp_path: Path) -> None:
    source = shutil.copytree(tiny.checkpoint("llava"), tmp_path / "checkpoint")
    (source / "model.safetensors").write_bytes(b"nonsense" * 100)
    told = askpix("model", "convert", "checkpoint", "--output", "model", cwd=tmp_path, env=ENV)
    assert told.code == 2
    assert "cannot be exported: " in told.err
    assert "Traceback" not in told.err


def test_without_the_environment_the_command_says_how_to_make_it(tiny: TinyVlms, tmp_path: Path) -> None:
    source = str(tiny.checkpoint("llava"))
    env = {"ASKPIX_EXPORT_ENV": str(tmp_path / "export")}
    told = askpix("model", "convert", source, "--output", "model", cwd=tmp_path, env=env)
    assert told.code == 2
    assert "run `askpix model export-env` once" in told.err


def test_an_environment_of_another_version_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / "askpix-pins.txt").write_text("torch==1.0\n")
    with pytest.raises(ModelError, match="is of another version"):
        python_of(tmp_path)
    with pytest.raises(ModelError, match="holds something else"):
        make_export_env(tmp_path, print)
