"""What it costs a worker to count, an item and a scrape: run `python bench/metrics.py`.

Times what is counted for one item that is captioned in full batches, and answering /metrics, both alone in a loop on
one thread; and the same counts from four threads at a time, which then wait for each other's locks.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from blip.machine import described

from askpix.producer.rows import Answer, Kind, Row, Status
from askpix.worker.engine.base import Ability, Engine, EngineInfo, ImageHandle, Measures, Request
from askpix.worker.engine.ticket import Ticket
from askpix.worker.engines import Engines
from askpix.worker.error_codes import USUAL_CODES
from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.instruments import StageHistograms
from askpix.worker.metrics.exposition import told
from askpix.worker.metrics.known import Known
from askpix.worker.metrics.queues import Waiting
from askpix.worker.tallies import Tallies

ITEMS, ROUNDS, SCRAPES = 20_000, 7, 50
CAPTION_STEPS = 10
"""Of a decoder, for a caption."""

WAVE, LANE = 4, 32
"""Items that share what is counted of a batch of the vision encoder, and of a step of the decoder."""

RESULTS = Path(__file__).parent / "results" / "metrics.json"


class Counted(Engine):
    """An engine of which only the counts are there: as many as a BLIP engine has."""

    def __init__(self) -> None:
        self.info = EngineInfo(model="blip-vqa-base-int8", fingerprint="0" * 64, device="CPU", precision="int8")
        self.abilities = frozenset({Ability.CAPTION})
        self.image_form = ImageForm(width=None, height=None)
        names = ("vision_encoder", "question_encoder", "choices", "answer_decoder", "caption_decoder")
        self.tallies = {name: StageHistograms() for name in names}

    def open_image(self, pixels: Pixels) -> ImageHandle:
        raise NotImplementedError

    def submit(self, request: Request) -> Ticket:
        raise NotImplementedError

    @property
    def stopped(self) -> bool:
        return False

    def stuck(self) -> float:
        return 0.0

    def counters(self) -> Mapping[str, int]:
        return {"images": 0, "answers": 0}

    def measures(self) -> Measures:
        lanes = ("answer_decoder", "caption_decoder")
        return Measures(stages=self.tallies, rows=dict.fromkeys(lanes, (0, LANE)), under_way=0, reused=0)

    def close(self) -> None:
        """Has nothing to close."""


class _Queues:
    def read(self) -> Mapping[str, Waiting]:
        return {name: Waiting(messages=3, oldest=1.5) for name in ("m", "m.cpu", "m.ask", "m.cpu.ask")}


def row(engine: Counted) -> Row:
    answer = Answer(name="caption", kind=Kind.CAPTION, text="a cat", confidence=0.5, tokens=4)
    own = engine.info
    return Row(
        id="1",
        image="1.jpg",
        status=Status.OK,
        answers=(answer,),
        attempts=1,
        model=own.model,
        fingerprint=own.fingerprint,
        precision=own.precision,
        device=own.device,
        seconds=0.5,
    )


def count_items(tallies: Tallies, engine: Counted, items: int) -> None:
    """Counts what a worker does of so many captions."""
    own, vision, decoder = row(engine), engine.tallies["vision_encoder"], engine.tallies["caption_decoder"]
    for number in range(items):
        with tallies.loading.one_more():
            with tallies.fetch_seconds.timing():
                pass
            with tallies.decode_seconds.timing():
                pass
        if number % WAVE == 0:
            vision.add(-time.perf_counter() + time.perf_counter(), WAVE)
        if number % LANE == 0:
            for _ in range(CAPTION_STEPS):
                decoder.add(-time.perf_counter() + time.perf_counter(), LANE)
        tallies.made([own], source="part")


def microseconds(what: Callable[[], object], times: int) -> float:
    """Returns the median over some rounds of what one of so many takes of a processor."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        what()
        rounds.append((time.process_time() - began) / times * 1e6)
    return round(statistics.median(rounds), 2)


def together(threads: int, what: Callable[[], None]) -> None:
    all_ = [threading.Thread(target=what) for _ in range(threads)]
    for one in all_:
        one.start()
    for one in all_:
        one.join()


def measure() -> dict[str, Any]:
    tallies, engine = Tallies(), Counted()
    known = Known(engines=Engines([engine]), tallies=tallies, queues=_Queues(), ready=dict)
    alone = microseconds(lambda: count_items(tallies, engine, ITEMS), ITEMS)
    four = microseconds(lambda: together(4, lambda: count_items(tallies, engine, ITEMS // 4)), ITEMS)
    for code in sorted(USUAL_CODES)[:30]:
        # As many codes as a bad day has.
        tallies.items.add(engine.info.model, "CPU", "part", "error", code)
    scrape = microseconds(lambda: [told(known) for _ in range(SCRAPES)], SCRAPES)
    return {
        "microseconds_per_item": alone,
        "microseconds_per_item_of_four_threads": four,
        "milliseconds_per_scrape": round(scrape / 1_000, 2),
        "bytes_per_scrape": len(told(known)),
    }


def main() -> None:
    figures = measure()
    for name, figure in figures.items():
        print(f"{name.replace('_', ' ')}: {figure:,}")
    RESULTS.write_text(json.dumps({"machine": described(), **figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
