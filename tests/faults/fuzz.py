"""Ten minutes of damaged images through the decoder's door: run `make fuzz`.

Each must come to pixels or to an error with a code, in time and within bounded memory. `bench/results/fuzz.json` says
how many there were. One that ends the process, or that does not end, stays in the folder that is named then.
"""

from __future__ import annotations

import faulthandler
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from helpers.damage import come_to, damaged
from hypothesis import HealthCheck, Phase, given, seed, settings

from askpix.worker.image_form import ImageForm
from askpix.worker.images.quiet import quiet_decoders
from askpix.worker.process_limits import give_memory_back

SECONDS = float(os.environ.get("ASKPIX_TESTS_FUZZ_SECONDS", "600"))
PROCESSES = 2
HANG_SECONDS = 30
MEMORY_MB = 400

FORMS = (
    ImageForm(width=384, height=384, resample="bicubic"),
    ImageForm(width=33, height=47, resample="lanczos"),
    ImageForm(width=None, height=None, resample="bicubic"),
)
RESULTS = Path(__file__).parents[2] / "bench" / "results" / "fuzz.json"
_BATCH = 1_000


def test_no_image_ends_its_process_hangs_or_takes_too_much_memory(tmp_path: Path) -> None:
    # When
    command = [sys.executable, __file__, str(SECONDS), str(tmp_path)]
    path = os.pathsep.join(path for path in sys.path if path)
    running = [
        subprocess.Popen(
            [*command, str(number)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
        )
        for number in range(PROCESSES)
    ]
    told = [process.communicate(timeout=SECONDS + 120)[0] for process in running]

    # Then
    assert [process.returncode for process in running] == [0] * PROCESSES, f"see the last images in {tmp_path}"
    facts = [json.loads(text) for text in told]
    codes = sum((Counter(fact["codes"]) for fact in facts), Counter())
    result = {
        "seconds": SECONDS,
        "images": sum(codes.values()),
        "codes": dict(codes.most_common()),
        "slowest_seconds": max(fact["slowest_seconds"] for fact in facts),
        "grown_mb": max(fact["grown_mb"] for fact in facts),
    }
    print(json.dumps(result, indent=1))
    assert result["grown_mb"] < MEMORY_MB
    # Damage that nothing sees, or that leaves nothing, would test nothing.
    assert codes["image_damaged"] > result["images"] / 10
    assert codes["decoded"] > result["images"] / 10
    if SECONDS >= 600:
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")


class Door:
    """The decoder's door, and what came of the images that were put through it.

    Args:
        last: where each image is kept while it is decoded.
    """

    def __init__(self, last: Path) -> None:
        self._last = last
        self._number = 0
        self.codes: Counter[str] = Counter()
        self.slowest = 0.0

    def put(self, data: bytes) -> None:
        form = FORMS[self._number % len(FORMS)]
        self._number += 1
        self._last.write_bytes(data)
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        began = time.monotonic()
        try:
            self.codes[come_to(data, form)] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()
        self.slowest = max(self.slowest, time.monotonic() - began)


def fuzz(put: Callable[[bytes], None], seconds: float, first: int) -> None:
    """Puts damaged images through a door for some seconds; raises what it raises, with the smallest image that does."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        batch = given(damaged())(put)
        batch = settings(
            max_examples=_BATCH,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )(batch)
        seed(first)(batch)()
        first += PROCESSES


def _memory_mb(what: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def main() -> None:
    seconds, folder, number = float(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    quiet_decoders()
    give_memory_back()
    door = Door(folder / f"last-{number}")
    fuzz(door.put, min(seconds, 1), number)
    before = _memory_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    fuzz(door.put, seconds, number)
    grown = _memory_mb("VmHWM") - before
    print(json.dumps({"codes": door.codes, "slowest_seconds": round(door.slowest, 2), "grown_mb": round(grown)}))


if __name__ == "__main__":
    main()
