"""A list of a million rows is submitted in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.processes import environment

from askpix.producer.job_folder import JobFolder
from askpix.producer.storage import LocalStorage

ROWS = 1_000_000
PEAK_MB = 300

_SUBMIT = """
import json, re, sys
from pathlib import Path
from askpix.producer.inputs import Input
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.storage_opening import open_storage
from askpix.producer.submission import write_job

items = Input(sys.argv[1])
spec = write_job(items, JobFolder(open_storage(sys.argv[2])), Order(model="m"), base=items.base)
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(json.dumps([spec.id, spec.items, spec.parts, int(peak[1]) / 1024]))
"""


@pytest.mark.slow
def test_a_million_rows_are_submitted_in_little_memory(tmp_path: Path) -> None:
    # Given: a list in which every thousandth image is there twice.
    with (tmp_path / "list.csv").open("w", encoding="utf-8") as file:
        file.write("image,group,price\n")
        file.writelines(
            f"https://cdn.example.com/shop/{number - number % 1000 // 999:09d}.jpg,{number % 7},{number}.50\n"
            for number in range(ROWS)
        )

    # When
    done = subprocess.run(
        [sys.executable, "-P", "-c", _SUBMIT, str(tmp_path / "list.csv"), str(tmp_path / "job")],
        capture_output=True,
        text=True,
        env=environment(),
    )

    # Then
    assert done.returncode == 0, done.stderr
    job_id, items, parts, peak_mb = json.loads(done.stdout)
    assert (items, parts) == (ROWS, 3907)
    assert peak_mb < PEAK_MB
    folder = JobFolder(LocalStorage(tmp_path / "job"))
    assert len(list(folder.storage.names("input"))) == parts
    last = folder.read_input(parts - 1, job_id)[-1]
    assert last.image == f"https://cdn.example.com/shop/{ROWS - 2:09d}.jpg"
    assert (last.id, last.group, last.extra) == (f"{last.image}#2", f"{(ROWS - 1) % 7}", {"price": f"{ROWS - 1}.50"})
