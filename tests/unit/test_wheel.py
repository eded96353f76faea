"""The wheel holds all that stands beside the code: pages, models, templates."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "producer/askpix", "worker/askpix"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    ours = {name.partition("/")[2] for name in listed.stdout.splitlines()}

    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )

    (wheel,) = tmp_path.glob("askpix-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert ours <= set(archive.namelist())
    assert "askpix/worker/vlm/templates/mpt.toml" in ours
