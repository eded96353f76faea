"""Cells of tables: none of them runs as a formula, and what people get back is what was written."""

from __future__ import annotations

import pytest

from askpix.producer.cells import cell, unguarded


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("\n=1+1", "'\n'=1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("\uff0b1+A1", "'\uff0b1+A1"),
        ("\uff0d1+A1", "'\uff0d1+A1"),
        ("\uff20SUM(A1)", "'\uff20SUM(A1)"),
        ("x;=1+1;y", "x;'=1+1;y"),
        ("x,@SUM(A1)", "x,'@SUM(A1)"),
        ("x\t-A1", "x\t'-A1"),
        ('x;"=1+A1&";y', 'x;"\'=1+A1&";y'),
        ("x\r\n=1+1", "x\r\n'=1+1"),
        ("x;-1+A1", "x;'-1+A1"),
    ],
)
def test_no_part_of_a_cell_runs_as_a_formula_and_the_text_comes_back(text: str, written: str) -> None:
    assert cell(text) == written
    assert unguarded(written) == text


@pytest.mark.parametrize("text", ["52.1,-0.3", "1;-2;+3e-1", "It shows:\n- a mug\n- a hat", "a; b, =c", "-3", "a=b;c"])
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    assert cell(text) == unguarded(text) == text
