"""What a fleet of many workers costs, and whether any of it stands idle: run `make bench-fleet`.

So many worker processes (`askpix worker`, whose engine is a stand-in that sleeps for some milliseconds an item) do one
job with a real Redis server and a real job folder, while some of them are killed and others come. Told are: whether
each item has one row; Redis' memory, commands and processor time; for how long a slot for a part was free while parts
waited; what the workers cost at rest; and how soon parts of killed workers were found.

Without options, that is done three times: with 5 ms an item, which is more than two cores can keep up with; with 100 ms
and parts of the usual size, as real models have it; and with few workers and a job folder on S3.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench.blip.machine import described
from bench.fleet.fleet import ROOT
from bench.fleet.measure import Plan, measure
from bench.fleet.table import shown
from bench.marked import put_between_marks

RESULTS = ROOT / "bench" / "results" / "fleet.json"
PAGES = (ROOT / "bench" / "README.md", ROOT / "docs" / "scaling.md")

PLANS = {
    "5 ms an item": Plan(),
    "100 ms an item": Plan(items=65_536, part_size=256, item_ms=100, kills=8),
    "on S3": Plan(workers=4, items=10_240, part_size=256, item_ms=20, kills=0, s3=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int)
    parser.add_argument("--items", type=int)
    parser.add_argument("--part-size", type=int)
    parser.add_argument("--item-ms", type=float, help="what the stand-in takes for an item")
    parser.add_argument("--window", type=int, help="parts that may wait in the broker")
    parser.add_argument("--kills", type=int, help="workers that are killed, and replaced")
    parser.add_argument("--idle-seconds", type=float)
    parser.add_argument("--s3", action="store_const", const=True, help="the job folder is on S3: moto's server")
    parser.add_argument("--output", type=Path, help="where figures of a run of your own go as JSON")
    parser.add_argument("--redraw", action="store_true", help="only put the kept figures into the pages")
    given = {name: value for name, value in vars(parser.parse_args()).items() if value not in (None, False)}
    output = given.pop("output", None)
    if given.pop("redraw", False):
        _tell(json.loads(RESULTS.read_text()))
        return
    plans = {"": Plan(**given)} if given else PLANS
    runs = {name: measure(plan) for name, plan in plans.items()}
    print(shown(runs))
    figures = {"machine": described(), "runs": runs}
    if plans is PLANS:
        RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
        _tell(figures)
    elif output is not None:
        output.write_text(json.dumps(figures, indent=1) + "\n")
    for run in runs.values():
        rows = run["rows"]
        if rows["missing"] or rows["twice"] or rows["failed"] or not rows["in_order"]:
            raise SystemExit(f"not every item has one row: {rows}")


def _tell(figures: dict[str, Any]) -> None:
    machine = figures["machine"]
    where = f"{machine['cores']} cores of {machine['cpu']}, {machine['date'][:10]}"
    about = (
        f"Measured on {where}; workers, Redis and producer share them. At the end, {machine['load'][2]:.0f} processes"
    )
    about += " were ready to run, in the mean of 15 minutes."
    for page in PAGES:
        put_between_marks(page, "fleet", f"{shown(figures['runs'])}\n\n{about}")


if __name__ == "__main__":
    main()
