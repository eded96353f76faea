"""Computes what many images take: cores, workers, Redis, requests to S3, hours and money.

    python examples/scaling.py --images 100_000_000 --days 7

Rates are those that `bench/README.md` measured; everything else is a number of its own that can be given. Prices are
examples, of the order of Amazon's list prices for us-east-1 in 2025, in US dollars: put in your own.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

PART_SIZE = 256
DAY_HOURS = 24


@dataclass(frozen=True, kw_only=True)
class Model:
    """What a model does on one core: as measured, fetching and decoding included."""

    name: str
    images_per_second: float


MODELS = (
    Model(name="BLIP base INT8, a caption", images_per_second=8.37 / 2),
    # The engine's own rate, by what the whole worker reaches of it in INT8.
    Model(name="BLIP base bf16, a caption", images_per_second=6.17 / 2 * 0.96),
    Model(name="BLIP base INT8, one question", images_per_second=9.51 / 2),
    Model(name="BLIP base INT8, ten questions", images_per_second=62.63 / 10 / 2),
    # Computed, not measured: 1,275 tokens of an image take two cores 4 s at best, of which 58 % were reached.
    Model(name="Qwen2-VL 2B INT4, a caption", images_per_second=0.58 / 4 / 2),
)


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a part, a worker and a request cost. The first block was measured by `make bench-fleet`."""

    redis_core_per_worker: float = 0.0008
    """Share of a core of Redis that a worker at work takes, with parts of half a minute."""

    redis_core_per_part: float = 0.0002
    """Seconds of a core of Redis for a part, beside that."""

    redis_mb_per_worker: float = 0.1
    connections_per_worker: float = 7
    message_kb: float = 1.4
    window: int = 2_000

    core_hour: float = 0.045
    """Of a virtual machine, on demand."""
    spot_core_hour: float = 0.018
    put_per_1000: float = 0.005
    """PUT and LIST; DELETE is free."""
    get_per_1000: float = 0.0004
    """GET and HEAD."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done."""

    images: int
    days: float
    cores_per_worker: int
    images_on_s3: bool
    image_kb: float


def parts(plan: Plan) -> int:
    return math.ceil(plan.images / PART_SIZE)


def cores(plan: Plan, model: Model) -> float:
    """Returns how many cores do it in time."""
    return plan.images / model.images_per_second / 3600 / (plan.days * DAY_HOURS)


def workers(plan: Plan, model: Model) -> int:
    return math.ceil(cores(plan, model) / plan.cores_per_worker)


def part_seconds(plan: Plan, model: Model) -> float:
    """Returns for how long a part is in work: a worker has two at a time."""
    return 2 * PART_SIZE / (model.images_per_second * plan.cores_per_worker)


def requests(plan: Plan, model: Model) -> dict[str, int]:
    """Returns how many requests S3 gets for a job folder there, and for images there."""
    seconds = part_seconds(plan, model)
    images = plan.images if plan.images_on_s3 else 0
    return {
        # Its input and its result; finished rows every 30 s.
        "PUT": round(parts(plan) * (2 + seconds // 30)),
        # Whether the job is paused: when a part begins, and every 30 s.
        "LIST": round(parts(plan) * (1 + seconds // 30)),
        "GET": parts(plan) * 3 + images,
        "HEAD": parts(plan) * 3,
    }


def redis_share(plan: Plan, model: Model, costs: Costs) -> float:
    """Returns the share of one core that Redis takes of its processor."""
    per_second = parts(plan) / (plan.days * DAY_HOURS * 3600)
    return workers(plan, model) * costs.redis_core_per_worker + per_second * costs.redis_core_per_part


def redis_megabytes(plan: Plan, model: Model, costs: Costs) -> float:
    bits = 2 * parts(plan) / 8 / 1e6
    return 2 + workers(plan, model) * costs.redis_mb_per_worker + costs.window * costs.message_kb / 1000 + bits


def dollars(plan: Plan, model: Model, costs: Costs) -> tuple[float, float, float]:
    """Returns what the cores cost on demand, what they cost as spot instances, and what the requests cost."""
    hours = cores(plan, model) * plan.days * DAY_HOURS
    asked = requests(plan, model)
    puts, gets = asked["PUT"] + asked["LIST"], asked["GET"] + asked["HEAD"]
    s3 = puts / 1000 * costs.put_per_1000 + gets / 1000 * costs.get_per_1000
    return hours * costs.core_hour, hours * costs.spot_core_hour, s3


def rounded(value: float) -> str:
    """Returns a number in two figures: nothing here is known any better."""
    if value <= 0:
        return "0"
    places = 1 - math.floor(math.log10(value))
    return f"{round(value, places):,.{max(0, places)}f}"


def table(plan: Plan, costs: Costs) -> list[str]:
    """Returns the lines of a table in Markdown, one for each model."""
    lines = [
        "| model | core-hours | cores | workers | Redis: a core, MB | PUT + LIST, GET + HEAD, millions "
        "| cores, $ | spot, $ | requests, $ |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for model in MODELS:
        needed = cores(plan, model)
        asked = requests(plan, model)
        on_demand, spot, s3 = dollars(plan, model, costs)
        redis = f"{redis_share(plan, model, costs):.0%}, {rounded(redis_megabytes(plan, model, costs))}"
        millions = [(asked["PUT"] + asked["LIST"]) / 1e6, (asked["GET"] + asked["HEAD"]) / 1e6]
        cells = (
            model.name,
            rounded(needed * plan.days * DAY_HOURS),
            rounded(needed),
            rounded(workers(plan, model)),
            redis,
            ", ".join(map(rounded, millions)),
            *map(rounded, (on_demand, spot, s3)),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=100_000_000)
    parser.add_argument("--days", type=float, default=7, help="in which it is to be done")
    parser.add_argument("--cores-per-worker", type=int, default=2)
    parser.add_argument("--image-kb", type=float, default=100)
    parser.add_argument("--images-elsewhere", action="store_true", help="images are not on S3")
    parser.add_argument("--core-hour", type=float, default=Costs.core_hour, help="price, in dollars")
    parser.add_argument("--spot-core-hour", type=float, default=Costs.spot_core_hour)
    parser.add_argument("--put-per-1000", type=float, default=Costs.put_per_1000)
    parser.add_argument("--get-per-1000", type=float, default=Costs.get_per_1000)
    given = parser.parse_args()
    plan = Plan(
        images=given.images,
        days=given.days,
        cores_per_worker=given.cores_per_worker,
        images_on_s3=not given.images_elsewhere,
        image_kb=given.image_kb,
    )
    costs = Costs(
        core_hour=given.core_hour,
        spot_core_hour=given.spot_core_hour,
        put_per_1000=given.put_per_1000,
        get_per_1000=given.get_per_1000,
    )
    print("\n".join(table(plan, costs)))
    gigabits = plan.images * plan.image_kb * 8 / 1e6 / (plan.days * DAY_HOURS * 3600)
    print(f"{rounded(plan.images * plan.image_kb / 1e9)} TB of images, {rounded(gigabits)} Gbit/s in the mean")


if __name__ == "__main__":
    main()
