"""Real photographs, through the whole path, with a model of the real base size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from models.blip_reference import Reference
from models.random_blip import BASE, built
from PIL import Image
from sklearn.datasets import load_sample_images

from askpix.producer.client import Job
from askpix.producer.rows import Status

# Conversion, where the model is not in the cache: OpenVINO's converter traces with what torch wants to replace.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("base-size"),
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
]

QUESTION = "what is in the picture?"


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of JPEG files, of several sizes and shapes."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    bundled = (skimage.data.astronaut, skimage.data.coffee, skimage.data.chelsea, skimage.data.rocket)
    found = {load.__name__: load() for load in bundled}
    found.update(zip(("china", "flower"), load_sample_images().images, strict=True))
    for name, pixels in found.items():
        Image.fromarray(np.asarray(pixels)).save(folder / f"{name}.jpg", quality=90)
    return folder


def test_photographs_are_answered_as_transformers_answers_them(photographs: Path, tmp_path: Path) -> None:
    # given
    model, job = built(BASE), tmp_path / "job"
    command = [
        str(Path(sys.executable).parent / "askpix"), "run", str(photographs), "--output", str(job),
        "--model", str(model.folder), "--question", QUESTION, "--max-new-tokens", "6", "--precision", "f32",
    ]  # fmt: skip

    # when
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, cwd=tmp_path)

    # then
    assert ended.returncode == 0, ended.stderr
    rows = list(Job.open(str(job)).results())
    assert [Path(row.image).stem for row in rows] == ["astronaut", "chelsea", "china", "coffee", "flower", "rocket"]
    assert {row.status for row in rows} == {Status.OK}
    assert [(row.width, row.height) for row in rows][:2] == [(512, 512), (451, 300)]
    reference = Reference(model.checkpoint, max_new_tokens=6, threads=2)
    for row in rows:
        with Image.open(row.image) as image:
            expected = reference.answer(image, QUESTION)
        (answer,) = row.answers
        assert (answer.question, answer.text, answer.tokens) == (QUESTION, expected.text, expected.tokens)
        assert answer.confidence == pytest.approx(expected.confidence, abs=1e-3)
