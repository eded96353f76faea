"""What reading an answer while it is generated costs: run `python bench/stream.py [--model FOLDER]`.

Asks for texts of equal length through a broker, to a worker process: one at a time, and 16 at a time, each read while
it comes and then not, by turns in each round. Says how many seconds the first piece and the whole text take, from the
ask's being sent. Without a model folder, a LLaVA of the tests is taken, whose weights are random: what it says makes no
sense, how long that takes is measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blip.machine import described

from askpix.producer.items import Options
from askpix.worker.local import LocalSystem

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "stream.json"
TOGETHER = 16


@dataclass(frozen=True)
class Read:
    """How one answer came, in seconds from its ask; for one that was not streamed, all at once."""

    first: float
    end: float
    pieces: int


def tiny() -> Path:
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers.vlm import SLOW, TinyVlms

    return TinyVlms().folder("llava", sizes=SLOW)


def read(local: LocalSystem, picture: str, length: int, *, stream: bool) -> Read:
    options = Options(max_new_tokens=length, min_new_tokens=length)
    began = time.monotonic()
    asked = local.client.ask(picture, "What is it?", model=local.model, options=options, stream=stream, cache=False)
    first, text, pieces = 0.0, "", 0
    for piece in asked.pieces(600):
        first = first or time.monotonic() - began
        text += piece
        pieces += 1
    end = time.monotonic() - began
    row = asked.get(60)
    assert row.answers, row.error_message
    assert (row.answers[0].text, row.answers[0].tokens) == (text, length)
    return Read(first, end, pieces)


def turn(local: LocalSystem, pictures: list[str], length: int, *, stream: bool) -> list[Read]:
    """Has all pictures asked about at once."""
    with ThreadPoolExecutor(len(pictures)) as pool:
        return list(pool.map(lambda picture: read(local, picture, length, stream=stream), pictures))


def summary(turns: list[list[Read]]) -> dict[str, Any]:
    """Returns the median of the rounds: of each round the median text, and the last one to end."""
    return {
        "first_piece_seconds": statistics.median(statistics.median(one.first for one in turn) for turn in turns),
        "last_first_piece_seconds": statistics.median(max(one.first for one in turn) for turn in turns),
        "end_seconds": statistics.median(statistics.median(one.end for one in turn) for turn in turns),
        "all_seconds": statistics.median(max(one.end for one in turn) for turn in turns),
        "pieces": statistics.median(statistics.median(one.pieces for one in turn) for turn in turns),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a model folder; by default a small one with random weights")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tokens", type=int, default=400, help="of each text")
    options = parser.parse_args()
    images = ROOT / "demo" / "images"
    pictures = [str(path) for path in sorted(images.glob("*.jpg"))[:TOGETHER]]
    kinds = [(at_a_time, stream) for at_a_time in (1, TOGETHER) for stream in (True, False)]
    found: dict[tuple[int, bool], list[list[Read]]] = {kind: [] for kind in kinds}
    model = options.model or tiny()
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalSystem(model, storage_root=folder, files_roots=[images]) as local,
    ):
        turn(local, pictures, options.tokens, stream=False)
        for number in range(options.rounds):
            for at_a_time, stream in kinds if number % 2 else reversed(kinds):
                reads = turn(local, pictures[:at_a_time], options.tokens, stream=stream)
                found[at_a_time, stream].append(reads)
                last = max(one.end for one in reads)
                print(f"{at_a_time} {'streamed' if stream else 'plain'}: {last:.2f} s", file=sys.stderr)
    result: dict[str, Any] = {
        "machine": described(),
        "model": model.name,
        "tokens": options.tokens,
        "rounds": options.rounds,
        "at_a_time": TOGETHER,
    }
    for name, at_a_time in (("alone", 1), ("together", TOGETHER)):
        ratios = [
            max(one.end for one in streamed) / max(one.end for one in plain)
            for streamed, plain in zip(found[at_a_time, True], found[at_a_time, False], strict=True)
        ]
        streamed, plain = summary(found[at_a_time, True]), summary(found[at_a_time, False])
        # All at once: the first piece is the last.
        plain = {key: plain[key] for key in ("end_seconds", "all_seconds")}
        result[name] = {"streamed": streamed, "plain": plain, "ratio": statistics.median(ratios), "ratios": ratios}
        print(
            f"{name}: first piece after {streamed['first_piece_seconds']:.3f} s, the end after"
            f" {streamed['end_seconds']:.2f} s, not streamed {plain['end_seconds']:.2f} s; in all"
            f" {result[name]['ratio']:.2f} times as long ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    if options.model is None:
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
