"""Tracebacks in logs: cut and masked, and never a line that is none of ours."""

from __future__ import annotations

import pytest
from helpers.logs import HOSTILE, Log, json_log

from askpix.worker.logs.setup import LogForm

__all__ = ["json_log"]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_traceback_is_masked_and_forges_nothing(as_json: bool) -> None:
    log = Log(LogForm(json=as_json, secrets=("redis://:long-password@h/0",)))

    try:
        raise ValueError(f"https://h/a.jpg?sig=Xy7 long-password {HOSTILE}")
    except ValueError:
        log.logger.exception("it failed")

    assert "long-password" not in log.text
    assert "Xy7" not in log.text
    assert "\x1b" not in log.text
    if as_json:
        (line,) = log.objects
        assert "ValueError: https://h/a.jpg?***" in line["exception"]
    else:
        first, *others = log.text.splitlines()
        assert first.endswith("it failed")
        assert others
        assert all(line.startswith("    ") for line in others)


@pytest.mark.parametrize("said", ["m" * 1_000_000, "a line of a message\n" * 10_000, "\n" * 20_000])
def test_a_traceback_keeps_its_last_frames_and_what_was_raised_however_long_that_is(said: str, json_log: Log) -> None:
    def deeper(depth: int) -> None:
        if depth:
            deeper_still(depth - 1)
        raise ValueError(f"{said}")

    def deeper_still(depth: int) -> None:
        deeper(depth)

    try:
        deeper(200)
    except ValueError:
        json_log.logger.exception("it failed")

    (line,) = json_log.objects
    told = line["exception"].split("\n")
    assert told[0] == "..."
    assert ", in deeper_still" in line["exception"]
    assert [one for one in told if one.startswith("  File")][-1].endswith(", in deeper")
    assert f"\nValueError: {said[:3_000]}" in line["exception"]
    assert "... (" in told[-1]
    assert len(line["exception"]) < 12_100


@pytest.mark.parametrize("distance", range(3_960, 4_001, 8))
def test_no_half_of_a_secret_is_left_where_a_message_of_a_traceback_is_cut(distance: int) -> None:
    log = Log(LogForm(json=True, secrets=("redis://:long-password@h/0",)))

    try:
        raise ValueError(f"{'x' * (distance - len('ValueError: '))}long-password{'x' * 10_000}")
    except ValueError:
        log.logger.exception("it failed")

    assert "xlong" not in log.text
    assert "xlon" not in log.text


def test_a_chain_of_errors_is_told_from_its_end(json_log: Log) -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError:
        json_log.logger.exception("it failed")

    told = json_log.objects[0]["exception"]
    assert told.startswith("Traceback (most recent call last):\n  File")
    assert "KeyError: 'first'\n\nThe above exception was the direct cause" in told
    assert told.endswith("ValueError: second")
