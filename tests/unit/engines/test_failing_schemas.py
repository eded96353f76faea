"""Schemas that the pipeline fails on are not tried for ever."""

from __future__ import annotations

from askpix.worker.vlm.failing import FailingSchemas


def test_a_schema_is_given_up_after_three_failures() -> None:
    failing = FailingSchemas()
    tried = []

    for _ in range(4):
        tried.append(failing.why("{}"))
        failing.failed("{}", "no lookbehind")

    assert tried == [None, None, None, "no lookbehind"]


def test_an_answer_shows_that_it_was_not_the_schema() -> None:
    failing = FailingSchemas()
    for _ in range(2):
        failing.failed("{}", "out of memory")

    failing.answered("{}")
    failing.failed("{}", "out of memory")

    assert failing.why("{}") is None


def test_what_failed_longest_ago_is_forgotten() -> None:
    failing = FailingSchemas()
    for number in range(300):
        for _ in range(3):
            failing.failed(str(number), "no lookbehind")

    assert failing.why("0") is None
    assert failing.why("299") == "no lookbehind"


def test_after_some_time_it_is_tried_once_more() -> None:
    now = 0.0
    failing = FailingSchemas(lambda: now)
    for _ in range(3):
        failing.failed("{}", "no lookbehind")

    now = 599.0
    assert failing.why("{}") == "no lookbehind"
    now = 601.0
    assert failing.why("{}") is None
    failing.failed("{}", "no lookbehind")
    assert failing.why("{}") == "no lookbehind"
