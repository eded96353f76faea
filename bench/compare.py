"""What quantizing a BLIP of the real base size gains: sizes, and speed one at a time and in batches.

Run as `python -m bench.compare`; other arguments go to `askpix model compare`. It takes some five minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bench.blip import ROOT
from bench.blip.models import built

from askpix.worker.converting.convert import convert

_RESULTS = ROOT / "bench" / "results"


def main() -> int:
    models = built("base", lambda text: print(text, file=sys.stderr))
    with tempfile.TemporaryDirectory() as temporary:
        half, int8 = Path(temporary) / "FP16", Path(temporary) / "INT8"
        convert(str(models.checkpoint), half, name="base", weights="f16")
        int8.symlink_to(models.int8)
        folders = [f"{half}@f32", f"{half}@bf16", f"{int8}@f32", str(int8)]
        written = ["--json", _RESULTS / "compare.json", "--plot", _RESULTS / "compare.svg", "--force"]
        command = [sys.executable, "-m", "askpix.cli.entry", "model", "compare", *folders]
        command += ["--images", ROOT / "demo" / "images", "--samples", "40", *map(str, written), *sys.argv[1:]]
        return subprocess.run([str(part) for part in command], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
