"""The environment in which vision-language models are exported: a virtual environment of its own.

optimum-intel wants older versions of transformers and others than the rest of askpix does, and a torchvision that need
not fit the torch there is; it is installed without it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from askpix.producer.errors import ModelError

PINS = Path(__file__).with_name("export_pins.txt")

_WITHOUT_DEPENDENCIES = "optimum-intel==2.2.0"
_MARK = "askpix-pins.txt"
"""In an environment that is complete: what was installed."""


def python_of(folder: Path) -> Path:
    """Returns the Python of an export environment.

    Raises:
        ModelError: there is none, or one of another version of askpix.
    """
    python = folder / "bin" / "python"
    how = f"run `askpix model export-env` once, which makes it in {folder} (1.6 GB)"
    if not python.exists():
        raise ModelError(f"exporting this model needs an environment of its own: {how}")
    try:
        same = (folder / _MARK).read_text(encoding="utf-8") == _wanted()
    except OSError:
        same = False
    if not same:
        raise ModelError(f"the export environment in {folder} is of another version, or was not completed: {how}")
    return python


def make_export_env(folder: Path, told: Callable[[str], None]) -> None:
    """Makes an export environment, or completes one; one that is complete stays as it is.

    Args:
        told: is told what is being done.

    Raises:
        ModelError: a package cannot be installed.
    """
    try:
        python_of(folder)
    except ModelError:
        pass
    else:
        return
    if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        raise ModelError(f"{folder} holds something else: choose another folder with ASKPIX_EXPORT_ENV")
    shutil.rmtree(folder, ignore_errors=True)
    told("making the environment")
    _run([sys.executable, "-m", "venv", str(folder)], "the environment cannot be made")
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    told("installing torch, transformers, nncf and others: 1.6 GB")
    _run([*install, "-r", str(PINS)], "the packages cannot be installed")
    told("installing optimum-intel")
    _run([*install, "--no-deps", _WITHOUT_DEPENDENCIES], "optimum-intel cannot be installed")
    (folder / _MARK).write_text(_wanted(), encoding="utf-8")


def _wanted() -> str:
    return PINS.read_text(encoding="utf-8") + _WITHOUT_DEPENDENCIES + "\n"


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise ModelError(f"{what}: {' '.join((lines or ['no reason was given'])[-1].split())[:300]}")
