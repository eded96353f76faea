"""Images of a user's own, as models are prepared with them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from askpix.cli.model_compare import _probes
from askpix.producer.inputs import Input
from askpix.worker.access import Access
from askpix.worker.converting import samples as module
from askpix.worker.converting.readable import Readable
from askpix.worker.converting.samples import Samples
from askpix.worker.image_form import ImageForm
from askpix.worker.local import demo_model
from askpix.worker.models.folder import read_blip

FORM = ImageForm(width=120, height=120)


@pytest.fixture
def folder(images: Path, tmp_path: Path) -> Path:
    """Six different pictures, one of them twice, and two files that are none."""
    for index, path in enumerate(sorted(images.glob("*.jpg"))[:6]):
        shutil.copy(path, tmp_path / f"{index}.jpg")
    (tmp_path / "more").mkdir()
    shutil.copy(tmp_path / "0.jpg", tmp_path / "more" / "again.jpg")
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    return tmp_path


def _of(source: Path, root: Path | None = None) -> Samples:
    return Samples(Input(str(source)), FORM, Access(files_roots=(root or source,)))


def test_each_picture_comes_once_and_what_is_none_is_counted(folder: Path) -> None:
    samples = _of(folder)

    pixels = list(samples)

    assert len(pixels) == 6
    assert len({one.tobytes() for one in pixels}) == 6
    assert {(one.shape, one.dtype) for one in pixels} == {((120, 120, 3), np.dtype(np.uint8))}
    assert (samples.repeated, samples.unreadable) == (1, 2)
    assert samples.reason is not None
    assert samples.reason.startswith(("text.jpg: ", "empty.jpg: "))


def test_the_order_is_random_and_the_same_each_time(folder: Path) -> None:
    first, second = ([item.image for item, _ in _of(folder).pairs()] for _ in range(2))

    assert first == second
    assert first != sorted(first)


def test_a_long_list_is_drawn_from_all_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAWN", 50)
    (tmp_path / "list.txt").write_text("".join(f"{index}.jpg\n" for index in range(1_000)))

    drawn = [int(item.image.removesuffix(".jpg")) for item in _of(tmp_path / "list.txt").items()]

    assert len(drawn) == len(set(drawn)) == 50
    # Of 50 numbers below 1,000 without a pattern, the mean is further from 500 than this once in a million times.
    assert 300 < np.mean(drawn) < 700
    assert np.corrcoef(drawn, range(50))[0, 1] < 0.6


def test_a_lists_own_questions_are_found_once_each(tmp_path: Path) -> None:
    rows = [{"image": f"{index}.jpg", "questions": ["what is it?", f"is it {index % 3}?"]} for index in range(9)]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    samples = _of(tmp_path / "list.jsonl")

    assert set(samples.questions(10)) == {"what is it?", "is it 0?", "is it 1?", "is it 2?"}
    assert len(samples.questions(2)) == 2


def test_a_lists_question_about_each_of_its_choices_is_asked_once_for_each(folder: Path) -> None:
    several = {"text": "is there a {choice} on it?", "choices": ["star", "moon"], "multiple": True}
    (folder / "list.jsonl").write_text(json.dumps({"image": "0.jpg", "questions": [several]}))
    samples = _of(folder / "list.jsonl", folder)

    (probe,) = _probes(samples, (), Readable(demo_model(), read_blip(demo_model())))

    assert samples.questions(10) == probe.questions == ("is there a star on it?", "is there a moon on it?")


def test_what_must_not_be_read_is_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "list.txt").write_text("../0.jpg\n")
    samples = _of(tmp_path / "inside" / "list.txt", tmp_path / "inside")

    assert list(samples) == []
    assert samples.unreadable == 1
    assert "outside" in (samples.reason or "")
