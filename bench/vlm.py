"""What batching is worth with a vision-language model: run `python bench/vlm.py [--model FOLDER]`.

Texts of equal length, greedily: one at a time, and 16 at a time, by turns in each round, in one engine. Then a worker
that has a job of long texts in work is asked single questions, which overtake these. Without a model folder, the tiny
LLaVA of the tests is taken, whose weights are random: what it says makes no sense, how long that takes is measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from blip.machine import described
from PIL import Image

from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.worker.engine.base import Request
from askpix.worker.local import LocalSystem
from askpix.worker.vlm.engine import VlmEngine

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "vlm.json"
TOGETHER = 16
FLOOR = 2.5
"""How many times as many texts a second 16 at a time are to be, at least."""

ASKS = 20
QUESTION = Question("What is it, and what is it for?")


def tiny() -> Path:
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers.vlm import TinyVlms

    return TinyVlms().folder("llava")


def turn(engine: VlmEngine, pictures: list[np.ndarray], texts: int, at_a_time: int, length: int) -> float:
    """Has so many texts generated; returns how many tokens a second that were."""
    options = Options(max_new_tokens=length, min_new_tokens=length)
    room = threading.Semaphore(at_a_time)
    began = time.monotonic()
    tickets = []
    for number in range(texts):
        image = engine.open_image(pictures[number % len(pictures)])
        room.acquire()
        tickets.append(engine.submit(Request(images=(image,), question=QUESTION, options=options)))
        tickets[-1].add_done_callback(room.release)
    assert all(ticket.result(600).tokens == length for ticket in tickets)
    return texts * length / (time.monotonic() - began)


def asks(model: Path, length: int) -> tuple[list[float], list[float]]:
    """Returns for how many seconds single questions waited for their answers, at rest and under load."""
    images = ROOT / "demo" / "images"
    short = Options(max_new_tokens=5, min_new_tokens=5)
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalSystem(model, storage_root=folder, files_roots=[images]) as local,
    ):
        picture = str(min(images.glob("*.jpg")))

        def asked() -> float:
            began = time.monotonic()
            row = local.client.ask(picture, [QUESTION], model=local.model, options=short, cache=False).get(120)
            assert row.answers, row.error_message
            return time.monotonic() - began

        rest = [asked() for _ in range(ASKS + 1)][1:]
        paths = [str(path) for path in sorted(images.glob("*.jpg"))] * 40
        long = Options(max_new_tokens=length, min_new_tokens=length)
        job = local.client.submit(paths, output=f"{folder}/job", model=local.model, options=long, cache=False)
        while job.progress().done == 0:
            time.sleep(0.05)
        loaded = [asked() for _ in range(ASKS)]
        assert not job.progress().finished, "the job ended too soon"
        job.cancel()
    return rest, loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a model folder; by default a tiny one with random weights")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=96, help="in each turn")
    parser.add_argument("--tokens", type=int, default=64, help="of each text")
    options = parser.parse_args()
    model = options.model or tiny()
    engine = VlmEngine(model)
    pictures = []
    for path in sorted((ROOT / "demo" / "images").glob("*.jpg"))[:TOGETHER]:
        with Image.open(path) as image:
            pictures.append(np.asarray(image.convert("RGB")))
    for at_a_time in (1, TOGETHER):
        turn(engine, pictures, TOGETHER, at_a_time, options.tokens)
    rounds = []
    for number in range(options.rounds):
        order = (1, TOGETHER) if number % 2 else (TOGETHER, 1)
        rates = {one: turn(engine, pictures, options.texts, one, options.tokens) for one in order}
        rounds.append({"alone": rates[1], "together": rates[TOGETHER]})
        print(f"alone {rates[1]:,.0f} tokens/s, {TOGETHER} at a time {rates[TOGETHER]:,.0f}", file=sys.stderr)
    info = engine.info
    engine.close()
    ratios = [one["together"] / one["alone"] for one in rounds]
    rest, loaded = asks(model, 200)
    result = {
        "machine": described(),
        "model": info.model,
        "precision": info.precision,
        "texts": options.texts,
        "tokens": options.tokens,
        "rounds": rounds,
        "ratio": statistics.median(ratios),
        "ask_at_rest_seconds": statistics.median(rest),
        "ask_under_load_seconds": statistics.median(loaded),
        "ask_under_load_slowest_seconds": max(loaded),
    }
    print(
        f"{TOGETHER} at a time: {result['ratio']:.2f} times as fast as one ({min(ratios):.2f} to {max(ratios):.2f};"
        f" {FLOOR} at least)"
    )
    print(
        f"an ask takes {statistics.median(rest):.3f} s at rest, {statistics.median(loaded):.3f} s beside a job"
        f" ({max(loaded):.3f} s at the most)"
    )
    if options.model is None:
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
