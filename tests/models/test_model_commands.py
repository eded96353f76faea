"""`askpix model quantize`, `compare` and `info`, as a person uses them, on the demo model."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from catalogue import picture
from helpers.engine_calls import png
from helpers.processes import ASKPIX, Ran, askpix, environment, the_complaint, wait_until
from helpers.random_blip import DEMO_CHECKPOINT, MATCHING, ODD, built
from safetensors.torch import load_file, save_file

from askpix.worker.local import demo_model
from askpix.worker.models.folder import load_manifest

SEED = 77
PICTURES = 48
GRAPHS = ("vision_encoder", "text_encoder", "text_decoder")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of the demo's kind, with what is asked of them and what is right."""
    folder = tmp_path_factory.mktemp("pictures")
    rows = []
    for index in range(PICTURES):
        image, product, asked = picture(SEED, index)
        (folder / f"{index}.png").write_bytes(png(image))
        question, answer = asked[index % len(asked)]
        rows.append({"image": f"{index}.png", "questions": [question], "answer": answer, "caption": product.caption})
    (folder / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def int8(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """The demo model, quantized by the command, and what the command said."""
    place = tmp_path_factory.mktemp("models")
    shutil.copy(folder / "0.png", folder / "again.png")
    ran = askpix("model", "quantize", demo_model(), "--images", folder, "--output", "int8", cwd=place, timeout=240)
    (folder / "again.png").unlink()
    return place / "int8", ran


def test_quantize_says_what_it_was_calibrated_on_and_what_it_cost(int8: tuple[Path, Ran]) -> None:
    place, ran = int8

    assert (ran.code, ran.out) == (0, "")
    assert "not used: 1 image there more than once" in ran.err
    assert "calibrated on 36 images; of 12 others" in ran.err
    assert [path.name for path in place.parent.iterdir()] == ["int8"]
    manifest = load_manifest(place)
    assert manifest.quantization is not None
    assert manifest.quantization.components == dict.fromkeys(("vision_encoder", "text_encoder", "text_decoder"), "int8")
    assert manifest.quantization.agreement is not None
    assert manifest.quantization.agreement.images == 12
    assert manifest.quantization.agreement.least >= 0.97


def test_a_lists_own_questions_are_what_it_is_calibrated_with(folder: Path, tmp_path: Path) -> None:
    ran = askpix(
        "model", "quantize", demo_model(), "--images", folder / "list.jsonl", "--samples", "6", "--output", "int8",
        "--name", "mine", cwd=tmp_path, timeout=240,
    )  # fmt: skip

    assert ran.code == 0, ran.err
    manifest = load_manifest(tmp_path / "int8")
    assert manifest.name == "mine"
    assert manifest.quantization is not None
    assert manifest.quantization.images == 6
    asked = {json.loads(line)["questions"][0] for line in (folder / "list.jsonl").read_text().splitlines()}
    assert set(manifest.quantization.questions) == asked


def test_int4_stores_the_decoder_in_less_and_says_so(folder: Path, int8: tuple[Path, Ran], tmp_path: Path) -> None:
    ran = askpix(
        "model", "quantize", demo_model(), "--images", folder, "--decoder", "int4", "--group-size", "32",
        "--ratio", "1", "--min-agreement", "0.5", "--output", "int4", cwd=tmp_path, timeout=240,
    )  # fmt: skip

    assert ran.code == 0, ran.err
    manifest = load_manifest(tmp_path / "int4")
    assert manifest.name.endswith("-int4")
    assert manifest.quantization is not None
    assert manifest.quantization.components["text_decoder"] == "int4"
    sizes = [(one / "text_decoder.bin").stat().st_size for one in (tmp_path / "int4", int8[0])]
    assert sizes[0] < 0.8 * sizes[1]


def test_convert_quantizes_too_where_it_is_told_to(folder: Path, tmp_path: Path) -> None:
    ran = askpix(
        "model", "convert", DEMO_CHECKPOINT, "--precision", "int8", "--images", folder, "--samples", "12",
        "--name", "small", "--output", "int8", cwd=tmp_path, timeout=240,
    )  # fmt: skip

    assert ran.code == 0, ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["int8"]
    manifest = load_manifest(tmp_path / "int8")
    assert (manifest.name, manifest.precision) == ("small", "int8")


@pytest.fixture
def brittle(tmp_path: Path) -> Path:
    """The demo model, saying the same, whose image encoder loses everything in INT8.

    One of each head's query numbers is a thousand times what it was, the key number that it is multiplied with a
    thousandth. So their products are as before, and of one scale for all, the others come to nothing.
    """
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(DEMO_CHECKPOINT, checkpoint)
    weights = load_file(checkpoint / "model.safetensors")
    heads = json.loads((checkpoint / "config.json").read_text())["vision_config"]["num_attention_heads"]
    for name, values in weights.items():
        if ".self_attn.qkv." in name:
            hidden = len(values) // 3
            first = [head * (hidden // heads) for head in range(heads)]
            values[first] *= 3_000
            values[[hidden + place for place in first]] /= 3_000
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    ran = askpix("model", "convert", checkpoint, "--output", "whole", cwd=tmp_path)
    assert ran.code == 0, ran.err
    shutil.rmtree(checkpoint)
    return tmp_path / "whole"


def test_a_component_that_would_cost_too_much_is_left_as_it_was(brittle: Path, folder: Path, tmp_path: Path) -> None:
    ran = askpix("model", "quantize", brittle, "--images", folder, "--output", "int8", cwd=tmp_path, timeout=280)

    assert ran.code == 0, ran.err
    assert "left as it was, for it cost too much: the vision encoder" in ran.err
    manifest = load_manifest(tmp_path / "int8")
    assert manifest.quantization is not None
    assert manifest.quantization.components == {
        "vision_encoder": "f32",
        "text_encoder": "int8",
        "text_decoder": "int8",
    }
    assert manifest.quantization.agreement is not None
    assert manifest.quantization.agreement.least >= 0.97
    assert (tmp_path / "int8" / "vision_encoder.bin").read_bytes() == (brittle / "vision_encoder.bin").read_bytes()


def test_compare_tells_sizes_speeds_agreement_and_accuracy(
    folder: Path, int8: tuple[Path, Ran], tmp_path: Path
) -> None:
    # When
    ran = askpix(
        "model", "compare", f"{demo_model()}@f32", int8[0], "--images", folder / "list.jsonl", "--samples", "24",
        "--reference", DEMO_CHECKPOINT, "--json", "figures.json", "--plot", "picture.svg", cwd=tmp_path, timeout=240,
        env={"COLUMNS": "80"},
    )  # fmt: skip

    # Then
    assert ran.code == 0, ran.err
    figures = json.loads((tmp_path / "figures.json").read_text())
    original, whole, quantized = figures["models"]
    assert figures["images"] == 24
    assert [one["name"] for one in figures["models"]] == ["checkpoint, PyTorch", "demo_model", "int8"]
    assert (original["precision"], whole["precision"]) == ("f32", "f32")
    assert original["images_per_second"] is None
    assert (original["same_captions"], whole["same_captions"], whole["same_answers"]) == (1, 1, 1)
    assert quantized["same_captions"] >= 0.95
    assert whole["right_answers"] >= 0.95
    assert whole["right_captions"] >= 0.95
    assert whole["mb"] == pytest.approx(_bytes(demo_model()) / 1e6)
    for one in figures["models"]:
        assert one["seconds_per_caption"] > 0
        assert one["caption_speed_up"] == pytest.approx(original["seconds_per_caption"] / one["seconds_per_caption"])
    assert {one["name"]: one["stored"] for one in quantized["components"]} == {
        "vision_encoder": "int8",
        "text_encoder": "int8",
        "text_decoder": "int8",
    }
    for words in ("vision encoder", "seconds a caption", "speed-up", "same answers", "right answers", "100.0%"):
        assert words in ran.out
    drawn = ET.parse(tmp_path / "picture.svg").getroot()
    said = [text.text for text in drawn.findall(".//{*}text")]
    for name in ("checkpoint, PyTorch, f32", "demo_model, f32"):
        assert said.count(name) >= 5


def _bytes(folder: Path) -> int:
    return sum((folder / f"{name}{suffix}").stat().st_size for name in GRAPHS for suffix in (".xml", ".bin"))


def test_questions_that_a_model_cannot_be_asked_end_no_comparison(folder: Path, tmp_path: Path) -> None:
    # Given: a model whose own way is to draw, and rows with a blank question and one that is too long
    shutil.copy(folder / "0.png", tmp_path)
    shutil.copy(folder / "1.png", tmp_path)
    rows = [{"image": "0.png", "questions": [""]}, {"image": "1.png", "questions": ["what " * 100, "what is it?"]}]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    drawing = askpix(
        "model", "convert", DEMO_CHECKPOINT, "--output", "drawing", "--temperature", "9", "--top-k", "0", cwd=tmp_path
    )

    # When
    ran = askpix(
        "model", "compare", "drawing@f32", f"{demo_model()}@f32", "--images", "list.jsonl", "--json", "figures.json",
        cwd=tmp_path, timeout=240,
    )  # fmt: skip

    # Then: compared is what is likeliest
    assert (drawing.code, ran.code) == (0, 0), ran.err
    models = json.loads((tmp_path / "figures.json").read_text())["models"]
    assert [(one["same_captions"], one["same_answers"]) for one in models] == [(1, 1), (1, 1)]
    assert load_manifest(tmp_path / "drawing").fingerprint != load_manifest(demo_model()).fingerprint


def test_info_tells_what_a_folder_holds_and_where_it_runs(int8: tuple[Path, Ran], tmp_path: Path) -> None:
    # When
    shown, written = (
        askpix("model", "info", int8[0], cwd=tmp_path),
        askpix("model", "info", int8[0], "--json", cwd=tmp_path),
    )

    # Then
    assert (shown.code, written.code) == (0, 0)
    facts = json.loads(written.out)
    manifest = load_manifest(int8[0])
    assert facts["fingerprint"] == manifest.fingerprint
    assert facts["damage"] is None
    assert {one["device"] for one in facts["devices"] if one["problem"] is None} >= {"CPU"}
    for words in ("int8", "agreement", manifest.fingerprint, "whole", "CPU", "runs in"):
        assert words in shown.out


def test_info_tells_of_damage(tmp_path: Path) -> None:
    # Given
    shutil.copytree(demo_model(), tmp_path / "model")
    with (tmp_path / "model" / "text_decoder.bin").open("r+b") as file:
        file.write(b"other")

    # When
    ran = askpix("model", "info", "model", cwd=tmp_path)

    # Then
    assert ran.code == 1
    assert "damaged, text_decoder.bin is not what was converted" in " ".join(ran.out.split())


QUANTIZE = "model quantize {demo} --output new"
COMPARE = "model compare {demo} --images {folder}"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (QUANTIZE, "--images"),
        (f"{QUANTIZE} --images nowhere", "nowhere' is not there"),
        (f"{QUANTIZE} --images {{few}}", "8 different images"),
        (f"{QUANTIZE} --images {{spoilt}}", "9 images that cannot be read, the first being"),
        (f"{QUANTIZE} --images {{folder}} --ratio 0.5", "--decoder int4"),
        (f"{QUANTIZE} --images {{folder}} --name a/b", "a/b"),
        ("model quantize nowhere --output new --images {folder}", "no model folder nowhere"),
        ("model quantize {demo} --output {folder} --images {folder}", "not empty"),
        ("model convert {demo} --output new --precision int8", "--images"),
        ("model convert {demo} --output new --images {folder}", "--images is for --precision int8"),
        ("model convert {demo} --output new --decoder int4", "--decoder is for --precision int8"),
        ("model convert {checkpoint} --output new --precision int8 --images nowhere", "nowhere' is not there"),
        ("model convert {checkpoint} --output new --max-new-tokens 512", "up to 64 tokens"),
        ("model convert {checkpoint} --output new --num-beams 3 --seed 1", "do not go together"),
        ("model convert {matching} --output new --num-beams 3", "generates no texts"),
        ("model convert nothing[/there] --output new", "no checkpoint folder"),
        (f"{QUANTIZE} --images {{folder}} --questions {{blank}}", "a question is empty: write a text there"),
        (f"{COMPARE} nowhere", "no model folder nowhere"),
        (f"{COMPARE} --device TOASTER", "TOASTER"),
        (f"{COMPARE} --json nowhere/figures.json --samples 1", "nowhere/figures.json cannot be written"),
        ("model compare {demo} --images {spoilt}", "no image of"),
        (f"{COMPARE} --reference {{matching}}", "generates no texts"),
        (f"{COMPARE} --reference {{odd}}", "60x60 pixels"),
        ("model info nowhere", "no model folder nowhere"),
    ],
)
def test_wrong_usage_is_told_in_one_line(line: str, words: str, folder: Path, tmp_path: Path) -> None:
    # Given
    few, spoilt = tmp_path / "few", tmp_path / "spoilt"
    few.mkdir()
    spoilt.mkdir()
    for index in range(5):
        shutil.copy(folder / f"{index}.png", few)
    for index in range(9):
        (spoilt / f"{index}.png").write_text(f"no picture {index}")

    # When
    blank = tmp_path / "blank.yaml"
    blank.write_text(f'["", " ", "{"what " * 100}"]')
    places = {"demo": demo_model(), "folder": folder, "few": few, "spoilt": spoilt, "blank": blank}
    checkpoints = {"matching": built(MATCHING).checkpoint, "odd": built(ODD).checkpoint, "checkpoint": DEMO_CHECKPOINT}
    ran = askpix(*line.format(**places, **checkpoints).split(), cwd=tmp_path)

    # Then
    assert words in the_complaint(ran)
    assert {path.name for path in tmp_path.iterdir()} == {"few", "spoilt", "blank.yaml"}


@pytest.mark.parametrize("option", ["--min-agreement", "--ratio"])
def test_a_share_that_is_no_number_is_refused_with_what_it_may_be(tmp_path: Path, option: str) -> None:
    ran = askpix("model", "quantize", demo_model(), "--images", ".", "--output", "new", option, "nan", cwd=tmp_path)

    assert ran.code == 2
    assert f"Invalid value for '{option}': nan is not in the range 0<=x<=1." in ran.err


def _there(folder: Path, name: str) -> bool:
    return any(path.name == name for path in folder.rglob("*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_leaves_nothing(number: signal.Signals, folder: Path, tmp_path: Path) -> None:
    # Given
    command = [ASKPIX, "model", "quantize", demo_model(), "--images", folder, "--output", "int8"]
    process = subprocess.Popen(
        [str(word) for word in command], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: _there(tmp_path, "images"), within=60, what="reading images")

    # When
    process.send_signal(number)
    _, said = process.communicate(timeout=60)

    # Then
    assert process.returncode not in (0, 1)
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_killed_command_leaves_no_folder_that_a_worker_would_load(folder: Path, tmp_path: Path) -> None:
    # Given
    command = [ASKPIX, "model", "quantize", demo_model(), "--images", folder, "--output", "int8"]
    process = subprocess.Popen([str(word) for word in command], cwd=tmp_path, env=environment())
    wait_until(lambda: _there(tmp_path, "vision_encoder.bin"), within=120, what="a quantized graph")

    # When
    process.kill()
    process.wait()

    # Then
    assert not (tmp_path / "int8").exists()
    assert not list(tmp_path.rglob("manifest.json"))


def test_a_full_disk_is_told_in_one_line(folder: Path, tmp_path: Path) -> None:
    """No file may grow beyond what the first ones take: what a full disk does, without filling one."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    ran = subprocess.run(
        [str(word) for word in (ASKPIX, "model", "quantize", demo_model(), "--images", folder, "--output", "int8")],
        cwd=tmp_path,
        env=environment(),
        preexec_fn=limited,
        capture_output=True,
        text=True,
        timeout=240,
    )

    # A machine that is busy tells how far it is before.
    told = "".join(line for line in ran.stderr.splitlines(keepends=True) if not line.startswith("reading images: "))
    assert "cannot be written" in the_complaint(Ran(ran.returncode, ran.stdout, told))
    assert list(tmp_path.iterdir()) == []
