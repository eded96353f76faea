"""The export environment, given an order: its own Python runs `export_script`, and says what became of it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from askpix.producer.errors import ModelError
from askpix.worker.converting import export_script

_TAIL = 2_000


def ordered(python: Path, order: dict[str, Any], told: Callable[[str], None]) -> dict[str, Any]:
    """Has the export environment do its part; returns what it reports."""
    reader, writer = os.pipe()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        with os.fdopen(reader, encoding="utf-8") as said:
            # -P: modules beside the script, or in the user's current folder, must not stand in for installed ones.
            process = subprocess.Popen(
                [str(python), "-P", export_script.__file__, str(writer)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(writer,),
                text=True,
                env={**os.environ, "PYTHONPATH": "", "TOKENIZERS_PARALLELISM": "false"},
            )
            os.close(writer)
            try:
                assert process.stdin is not None
                with process.stdin:
                    json.dump(order, process.stdin)
                report, error = _heard(said, told)
                process.wait()
            finally:
                process.kill()
                process.wait()
        if report is None:
            log.seek(0)
            lines = [line.strip() for line in log.read()[-_TAIL:].splitlines() if line.strip()]
            how = error or f"the export ended with code {process.returncode}: {(lines or ['it said nothing'])[-1]}"
            raise ModelError(f"{order['source']} cannot be exported: {how[:600]}")
        return report


def _heard(said: Any, told: Callable[[str], None]) -> tuple[dict[str, Any] | None, str | None]:
    report, error = None, None
    for line in said:
        what = json.loads(line)
        if "stage" in what:
            told(what["stage"])
        report, error = what.get("report", report), what.get("error", error)
    return report, error
