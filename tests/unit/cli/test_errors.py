"""Everything that a person can get wrong on the command line is one line and exit code 2."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from askpix.cli.main import main
from askpix.worker.local import demo_model

MODEL = str(demo_model())
Run = Callable[..., str]


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def refused(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in a folder with a picture; returns the one line with which it says no."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(images / "000-bottle.jpg", tmp_path / "one.jpg")

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["askpix", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        assert caught.value.code == 2
        assert out == ""
        (line,) = err.splitlines()
        assert line.startswith("askpix: ")
        assert len(line) < 600
        return line.removeprefix("askpix: ")

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--question", "q" * 2_001), "2000"),
        (("--prompt", "p" * 2_001), "--prompt"),
        (("--max-new-tokens", "0"), "--max-new-tokens"),
        (("--max-new-tokens", "1000000"), "--max-new-tokens"),
        (("--temperature", "0"), "--temperature: input should be greater"),
        (("--num-beams", "3", "--seed", "1"), "num_beams 3 and seed do not go together"),
        (("--num-return-sequences", "2"), "give num_beams 2 or more"),
        (("--match", "a mug", "--prompt", "a"), "--prompt is for captions"),
        (("--device", ""), "device"),
        (("--device", "GPU.7"), "GPU.7"),
        (("--device", "AUTO:CPU,TOASTER"), "TOASTER"),
        (("--questions", "nowhere.yaml"), "nowhere.yaml"),
        (("--questions", "."), "."),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_options_of_run(refused: Run, arguments: tuple[str, ...], words: str) -> None:
    assert words in refused("run", "one.jpg", "--output", "job", "--model", MODEL, *arguments)
    assert not Path("job").exists()


@pytest.mark.parametrize(("option", "name"), [("--json", "figures.json"), ("--plot", "figures.svg")])
def test_figures_that_are_there_already_are_not_written_over(
    option: str, name: str, refused: Run, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("mine")

    said = refused("model", "compare", MODEL, "--images", "one.jpg", option, name)

    assert said == f"{name} exists already: choose another name, or --force"
    assert (tmp_path / name).read_text() == "mine"


def test_a_drawing_that_nobody_can_make_is_refused_before_anything_is_measured(refused: Run) -> None:
    said = refused("model", "compare", MODEL, "--images", "one.jpg", "--plot", "figures.pdf")
    assert said == "figures.pdf is no name for a drawing: let it end in .svg or .png"


@pytest.mark.parametrize(
    "output", ["", "s3://shop/job", "file://host/job", "a\0b", "x" * 300, "one.jpg/job", "/proc/job", "/sys/job"]
)
def test_outputs_that_are_no_place_for_a_job(refused: Run, output: str) -> None:
    assert refused("run", "one.jpg", "--output", output, "--model", MODEL)


@pytest.mark.parametrize("source", ["", "nowhere", "a\0b", "x" * 300, "s3://shop/images", "one.jpg/more"])
def test_inputs_that_are_none(refused: Run, source: str) -> None:
    assert refused("run", source, "--output", "job", "--model", MODEL)
    assert not Path("job").exists()


@pytest.mark.parametrize("model", ["nowhere", ".", "one.jpg", "damaged", "changed", "foreign"])
def test_models_that_are_none(refused: Run, model: str) -> None:
    # Given: copies of a model folder, one with a file cut short, one with a byte changed, one of another kind.
    for name in ("damaged", "changed"):
        shutil.copytree(MODEL, name)
    tokenizer = Path("damaged/tokenizer.json")
    tokenizer.write_bytes(tokenizer.read_bytes()[:100])
    weights = Path("changed/text_decoder.bin")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x55")
    Path("foreign").mkdir()
    Path("foreign/manifest.json").write_text('{"format": 1, "kind": "other"}')

    assert model in refused("run", "one.jpg", "--output", "job", "--model", model)
    assert not Path("job").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("job.json", "{"),
        ("job.json", '{"format": 2}'),
        ("job.json/x", ""),
        ("results", ""),
        ("input", ""),
    ],
)
def test_outputs_that_hold_something_else(refused: Run, name: str, content: str) -> None:
    Path("job", name).parent.mkdir(parents=True)
    Path("job", name).write_text(content)

    assert "job" in refused("run", "one.jpg", "--output", "job", "--model", MODEL)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere", "--to", "out.csv"), "holds no job"),
        (("s3://shop/job", "--to", "out.csv"), "s3://shop/job"),
        (("one.jpg", "--to", "out.csv"), "one.jpg is a file"),
    ],
)
def test_exports_of_what_is_no_job(refused: Run, arguments: tuple[str, ...], words: str) -> None:
    assert words in refused("export", *arguments)


@pytest.mark.parametrize("arguments", [("nonsense",), ("run",), ("run", "a", "--nonsense"), ("export", "job"), ("-x",)])
def test_wrong_usage_is_explained_by_the_usage(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["askpix", *arguments])

    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("Usage: ")
