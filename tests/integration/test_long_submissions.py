"""What submitting takes does not grow with the list; `make bench-submit-many` shows it with ten million rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bench.submit_many import measure
from helpers.system import need_redis_server

FEW, MANY = 100_000, 300_000

GROWTH_MB = 30
"""Of the command's memory. Items that were held would take 60 and more."""

JOB_BYTES = 1_000
"""More in Redis for 782 more parts: two bits for each, and what Redis rounds up to."""


@pytest.mark.slow
def test_neither_the_command_nor_redis_holds_more_for_three_times_the_rows(tmp_path: Path) -> None:
    need_redis_server()
    few, many = (_measured(tmp_path / str(rows), rows) for rows in (FEW, MANY))

    # The command
    assert (few["parts"], many["parts"]) == (391, 1172)
    assert many["peak_mb"] - few["peak_mb"] < GROWTH_MB
    # Redis: what waits is the window, and a reading is one command.
    assert few["queued"] == many["queued"] == 300
    assert sum(many["redis_mb"]["keys"].values()) - sum(few["redis_mb"]["keys"].values()) < JOB_BYTES
    assert few["reading_commands"] == many["reading_commands"] == {"hgetall": 1}


def _measured(folder: Path, rows: int) -> dict[str, Any]:
    folder.mkdir()
    return measure("csv", rows, folder, watched=False, results=False, window=300)
