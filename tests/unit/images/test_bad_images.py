"""Over a thousand bad images: each becomes an error that a person can read, or is shown, and none does any harm."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from helpers import loading_program
from helpers.bad_images import BAD_IMAGES, BadImage
from helpers.pictures import jpeg

from askpix.worker.image_form import ImageForm
from askpix.worker.images.decode import Decoded
from askpix.worker.images.decoder import Decoder
from askpix.worker.images.fetch_rules import MAX_BYTES
from askpix.worker.item_errors import ImageError
from askpix.worker.stopwatch import Stopwatch

FORM = ImageForm(width=384, height=384)

SECONDS = 60
"""In which each image is dealt with, also while others are."""

THREADS = 16
MEGABYTES = 400
"""Of memory that a worker and its decoders together take for them."""


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    """Decodes as a worker does."""
    decoder = Decoder(1, None, stopwatch=Stopwatch())
    yield decoder
    decoder.close()


def test_there_are_many_and_each_has_its_name() -> None:
    assert len(BAD_IMAGES) > 300
    assert [name for name, times in Counter(case.name for case in BAD_IMAGES).items() if times > 1] == []
    assert all(case.codes for case in BAD_IMAGES)


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("case", BAD_IMAGES, ids=lambda case: case.name)
def test_a_bad_image_is_shown_or_gets_one_of_its_codes(case: BadImage, decoder: Decoder) -> None:
    # When
    decoded, problem = _decoded(decoder, case.data)

    # Then
    assert (problem and problem.code) in case.codes, problem
    if problem:
        assert problem.message.isprintable(), ascii(problem.message)
        assert 0 < len(problem.message) < 300
    if decoded:
        assert decoded.pixels.shape == (FORM.height, FORM.width, 3)
        assert decoded.pixels.dtype == np.uint8
        assert decoded.pixels.flags.c_contiguous
        assert min(decoded.width, decoded.height) > 0


def _decoded(decoder: Decoder, data: bytes) -> tuple[Decoded | None, ImageError | None]:
    try:
        return decoder.decode(data, FORM), None
    except ImageError as error:
        return None, error


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a process said that loaded all of them from many threads at once."""

    cases: dict[str, BadImage]
    """By the names of their files."""

    too_long: set[str]
    """Files that have more bytes than an image may have."""

    said: list[dict[str, Any]]
    """Of each file, and of itself at last."""


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    # The dear ones lie among the others.
    cases = {f"{number:05}": case for number, case in enumerate(random.Random(1).sample(BAD_IMAGES, len(BAD_IMAGES)))}
    too_long = set[str]()
    # Not pytest's own folder, which it would keep: they have half a gigabyte.
    with TemporaryDirectory(prefix="bad-images-") as folder:
        for name, case in cases.items():
            if Path(folder, name).write_bytes(case.data) > MAX_BYTES:
                too_long.add(name)
        Path(folder, loading_program.GOOD).write_bytes(jpeg())
        command = [sys.executable, "-P", loading_program.__file__, folder, str(THREADS), str(SECONDS)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    print(done.stderr, file=sys.stderr)
    return Loaded(cases=cases, too_long=too_long, said=[json.loads(line) for line in done.stdout.splitlines()])


@pytest.mark.timeout(600)
def test_all_are_dealt_with_at_once(loaded: Loaded) -> None:
    # Then: none keeps the others waiting
    assert [loaded.cases[name].name for name in loaded.said[-1]["late"]] == []
    codes = {said["name"]: said["code"] for said in loaded.said if said.get("name") in loaded.cases}
    assert len(codes) == len(loaded.cases)

    # And each becomes what it should be
    assert len(loaded.too_long) == 1
    assert {
        case.name: codes[name]
        for name, case in loaded.cases.items()
        if codes[name] not in ({"too_many_bytes"} if name in loaded.too_long else case.codes)
    } == {}


def test_a_good_image_is_loaded_as_before(loaded: Loaded) -> None:
    # Given: it is loaded first and last
    results = [said for said in loaded.said if said.get("name") == loading_program.GOOD]

    # Then
    assert [(said["code"], said["width"], said["height"]) for said in results] == [(None, 260, 240)] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory was in use")
def test_all_at_once_take_little_memory(loaded: Loaded) -> None:
    assert loaded.said[-1]["megabytes"] <= MEGABYTES
