"""A sheet of six attributes, examined: as a job of fresh pictures through a worker, as right as promised."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from catalogue import Product, picture
from helpers.processes import askpix

from askpix.producer import Job
from askpix.producer.questions import SEPARATOR
from askpix.producer.rows import Kind, Row, Status

SHEET = Path(__file__).parents[2] / "demo" / "tags.yaml"
EXAM_SEED, EXAM = 6363, 2_000
PROMISED = 0.96
SHOPS_TERMS = {"gray": "grey", "wooden": "wood"}
"""Of the sheet, for backgrounds."""


def truth_of(product: Product) -> dict[str, str]:
    """Returns what a row should say: no sleeves of what is no shirt."""
    truth = {
        "kind": product.kind,
        "color": product.color,
        "pattern": product.pattern,
        "background": SHOPS_TERMS.get(product.background, product.background),
        "prints": SEPARATOR.join(product.prints),
    }
    return truth if product.sleeves is None else {**truth, "sleeves": product.sleeves}


pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Product, Row]]:
    """What each picture shows, and its row."""
    root = tmp_path_factory.mktemp("exam")
    pictures = root / "pictures"
    pictures.mkdir()
    products = {}
    for number in range(EXAM):
        image, product, _ = picture(EXAM_SEED, number)
        # Hardly packed, which is what takes longest.
        image.save(pictures / f"{number}.png", compress_level=1)
        products[f"{number}.png"] = product
    ran = askpix("run", pictures, "--questions", SHEET, "--output", "job", "--precision", "f32", cwd=root, timeout=600)
    assert ran.code == 0, ran.err
    rows = list(Job.open(str(root / "job")).results())
    assert len(rows) == EXAM
    return [(products[Path(row.image).name], row) for row in rows]


def test_each_attribute_of_a_sheet_is_right_for_96_percent_of_2000_fresh_pictures(
    examined: list[tuple[Product, Row]],
) -> None:
    right, asked = Counter[str](), Counter[str]()
    for product, row in examined:
        assert row.status is Status.OK, row.error_message
        truth, said = truth_of(product), {answer.name: answer.text for answer in row.answers}
        for name in truth:
            asked[name] += 1
            # No answer on the sleeves of a shirt, taken for something else, is wrong too; and so are prints that are
            # not all that there are.
            right[name] += said.get(name) == truth[name]
    shares = {name: right[name] / asked[name] for name in asked}
    print({name: round(share, 4) for name, share in shares.items()})
    assert asked["kind"] == asked["prints"] == EXAM
    assert asked["sleeves"] > EXAM / 10
    assert set(shares) == {"kind", "color", "pattern", "background", "sleeves", "prints"}
    assert min(shares.values()) >= PROMISED, shares


def test_a_condition_and_several_of_a_sheet_are_what_was_answered_before(examined: list[tuple[Product, Row]]) -> None:
    for _, row in examined:
        said = {answer.name: answer for answer in row.answers}
        assert ("sleeves" in said) == (said["kind"].text == "shirt")
        prints = said["prints"]
        assert prints.kind is Kind.MULTIPLE
        assert prints.choices is not None
        assert prints.text == SEPARATOR.join(one.text for one in prints.choices if one.probability >= 0.5)
