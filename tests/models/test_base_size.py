"""A model of the real base size, with random weights, against transformers. It takes 3 GB of memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from catalogue import picture
from helpers.engine_calls import opened, png
from helpers.photographs import photographs
from helpers.random_blip import BASE, Built, built
from models.blip_reference import Expected, Reference
from models.parity import QUESTIONS, assert_same, engine_texts, expected_texts

from askpix.producer.client import Job
from askpix.producer.rows import Status

pytestmark = [
    pytest.mark.timeout(900),
    # Conversion, where the model is not in the cache: OpenVINO's converter traces with what torch wants to replace.
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
]

NEW_TOKENS = 6
"""Random models ramble on to the end."""

QUESTION = "what is in the picture?"


@pytest.fixture(scope="module")
def model() -> Built:
    return built(BASE)


@pytest.fixture(scope="module")
def reference(model: Built) -> Reference:
    return Reference(model.checkpoint, max_new_tokens=NEW_TOKENS, threads=2)


@pytest.fixture(scope="module")
def expected(reference: Reference) -> list[Expected]:
    """Each photograph's caption and its answer, by transformers."""
    return expected_texts(reference, photographs().values(), (None, QUESTION))


def test_drawn_pictures_are_captioned_and_answered_as_transformers_does(model: Built, reference: Reference) -> None:
    # Given
    files, texts = [png(picture(6161, number)[0]) for number in range(2)], (None, *QUESTIONS)
    expected = expected_texts(reference, files, texts)

    # When
    with opened(model.folder) as engine:
        answers = engine_texts(engine, files, texts, NEW_TOKENS)

    # Then
    assert_same(answers, expected)


def test_photographs_are_captioned_and_answered_as_transformers_does(model: Built, expected: list[Expected]) -> None:
    # When
    with opened(model.folder) as engine:
        answers = engine_texts(engine, photographs().values(), (None, QUESTION), NEW_TOKENS)

    # Then
    assert_same(answers, expected)


def test_photographs_go_the_whole_path_from_files_to_rows(
    model: Built, expected: list[Expected], tmp_path: Path
) -> None:
    # Given
    folder, job = tmp_path / "photographs", tmp_path / "job"
    folder.mkdir()
    for name, file in photographs().items():
        (folder / f"{name}.jpg").write_bytes(file)
    command = [
        str(Path(sys.executable).parent / "askpix"), "run", str(folder), "--output", str(job),
        "--model", str(model.folder), "--question", QUESTION, "--max-new-tokens", str(NEW_TOKENS),
        "--precision", "f32",
    ]  # fmt: skip

    # When
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, cwd=tmp_path)

    # Then
    assert ended.returncode == 0, ended.stderr
    rows = list(Job.open(str(job)).results())
    assert [Path(row.image).stem for row in rows] == list(photographs())
    assert {row.status for row in rows} == {Status.OK}
    assert {len(row.answers) for row in rows} == {1}
    assert [(row.width, row.height) for row in rows][:3] == [(512, 512), (512, 512), (451, 300)]
    assert {row.answers[0].question for row in rows} == {QUESTION}
    assert_same([row.answers[0] for row in rows], expected[1::2])
