"""Job folders to look at: real result files with rows of all kinds, of pictures that are really there."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from helpers.rows import failed_row, ok_row

from askpix.producer import Answer, Choice, Job, Kind, Options, Row
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_spec import JobSpec
from askpix.producer.report.pictures import Picture, Thumbnail
from askpix.producer.storage_opening import open_storage

COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "black")
PRODUCTS = ("mug", "bottle", "bag", "shoe", "hat", "shirt")
CODES = ("http_404", "timeout", "image_damaged", "file_not_found")
_TEXT = "a the small large old new shiny plain striped dotted on in of with beside table wall floor wood"
_WORDS = tuple(_TEXT.split())


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureFile:
    """An image file that a worker could have read."""

    path: str
    sha256: str
    width: int
    height: int


def picture_file(path: Path, size: tuple[int, int] = (240, 240)) -> PictureFile:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return PictureFile(path=str(path), sha256=digest, width=size[0], height=size[1])


def write_job(folder: Path | str, rows: Iterable[Row], *, items: int, part_size: int = 256) -> Job:
    """Writes a job folder with these results; it is unfinished where there are fewer rows than items."""
    made = JobFolder(open_storage(str(folder)))
    spec = JobSpec(
        id="0" * 32,
        model="m",
        questions=None,
        options=Options(),
        items=items,
        parts=-(-items // part_size),
        part_size=part_size,
        fingerprint="f",
    )
    made.write_spec(spec)
    left = iter(rows)
    for part in range(spec.parts):
        if held := list(islice(left, part_size)):
            made.write_result(part, held)
    return Job.open(str(folder))


def shown(row: Row, file: PictureFile) -> Row:
    """Returns a row of that picture."""
    return replace(row, image=file.path, sha256=file.sha256, width=file.width, height=file.height)


def choice(name: str, text: str, of: Sequence[str], probability: float) -> Answer:
    """Returns the answer to a question with choices, of which the others share what is left."""
    rest = (1 - probability) / (len(of) - 1)
    choices = tuple(Choice(text=one, probability=probability if one == text else rest) for one in of)
    question = f"what {name} is it?"
    return Answer(
        name=name, question=question, kind=Kind.CHOICE, text=text, confidence=probability, tokens=0, choices=choices
    )


def shop_rows(count: int, files: Sequence[PictureFile], seed: int = 1) -> Iterator[Row]:
    """Yields rows of a shop: a product, a color and a caption each; every fiftieth failed."""
    chance = random.Random(seed)
    for number in range(count):
        name = f"item-{number:06d}"
        if number % 50 == 49:
            code = CODES[number // 50 % len(CODES)]
            yield replace(failed_row(name, code), error_message=f"what came of {name} was {code}", seconds=0.5)
            continue
        caption = " ".join(chance.choices(_WORDS, k=9))
        answers = (
            choice("product", PRODUCTS[number % 6], PRODUCTS, chance.uniform(0.5, 1)),
            choice("color", COLORS[number % 8], COLORS, chance.uniform(0.2, 1)),
            Answer(
                name="caption", kind=Kind.CAPTION, text=f"{caption} {number}", confidence=chance.random(), tokens=11
            ),
        )
        row = replace(
            ok_row(name),
            answers=answers,
            seconds=round(chance.uniform(0.05, 2), 3),
            extra=json.dumps({"price": number % 97}),
        )
        yield shown(row, files[number % len(files)]) if files else row


class Maker:
    """Makes thumbnails of nothing, and tells which were asked for."""

    def __init__(self, **problems: str) -> None:
        self.asked: list[str] = []
        self._problems = problems

    def __call__(self, pictures: Iterable[Picture]) -> Iterator[Thumbnail]:
        for picture in pictures:
            self.asked.append(picture.reference)
            problem = self._problems.get(Path(picture.reference).stem)
            data = None if problem else picture.reference.encode()
            yield Thumbnail(picture=picture, data=data, problem=problem)


def no_file(name: str) -> PictureFile:
    """Returns an image file that is not there."""
    return PictureFile(path=f"/shop/{name}", sha256=hashlib.sha256(name.encode()).hexdigest(), width=8, height=6)
