"""What a fleet of many workers costs, and whether any of it stands idle: run `make bench-fleet [ARGS="--workers 64"]`.

So many worker processes (`askpix worker`, whose engine is a stand-in that sleeps for 5 ms an item) do one job with a
real Redis server and a real job folder, while some of them are killed and others come. Told are: whether each item has
one row; Redis' memory, commands and processor time; how long a place for a part stood empty while parts waited; what
the workers cost at rest; and how parts of killed workers were found.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bench.blip.machine import described
from bench.fleet.measure import Plan, measure
from bench.fleet.table import shown

RESULTS = Path(__file__).parents[1] / "results" / "fleet.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=Plan.workers)
    parser.add_argument("--items", type=int, default=Plan.items)
    parser.add_argument("--part-size", type=int, default=Plan.part_size)
    parser.add_argument("--item-ms", type=float, default=Plan.item_ms, help="what the stand-in takes for an item")
    parser.add_argument("--window", type=int, default=Plan.window, help="parts that may wait in the broker")
    parser.add_argument("--kills", type=int, default=Plan.kills, help="workers that are killed, and replaced")
    parser.add_argument("--idle-seconds", type=float, default=Plan.idle_seconds)
    parser.add_argument("--s3", action="store_true", help="the job folder is on S3, which moto's server stands for")
    parser.add_argument("--output", type=Path, default=None, help="where figures go as JSON")
    parser.add_argument("--save", action="store_true", help=f"write them to {RESULTS.name}")
    options = parser.parse_args()
    names = ("workers", "items", "part_size", "item_ms", "window", "kills", "idle_seconds", "s3")
    plan = Plan(**{name: getattr(options, name) for name in names})
    figures = measure(plan)
    print(shown(figures))
    output = RESULTS if options.save else options.output
    if output is not None:
        output.write_text(json.dumps({"machine": described(), **figures}, indent=1) + "\n")
    rows = figures["rows"]
    if rows["missing"] or rows["twice"] or rows["failed"] or not rows["in_order"]:
        raise SystemExit(f"not every item has one row: {rows}")


if __name__ == "__main__":
    main()
