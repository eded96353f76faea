"""The figures of a run, as people read them."""

from __future__ import annotations

from typing import Any


def shown(figures: dict[str, Any]) -> str:
    """Returns a Markdown table."""
    plan, broker, idle, waits = figures["plan"], figures["broker"], figures["idle"], figures["waits"]
    work, found, rows, workers = figures["work"], figures["found_again"], figures["rows"], figures["workers"]
    memory = broker["memory_mb"]
    lines = [
        ("workers, each of which takes an item in", f"{plan['workers']}, {plan['item_ms']:g} ms"),
        ("items in parts", f"{plan['items']:,} in {figures['parts']:,}"),
        ("rows missing, twice, failed", f"{rows['missing']}, {rows['twice']}, {rows['failed']}"),
        ("seconds, items a second", f"{figures['seconds']:.0f}, {figures['items_per_second']:,.0f}"),
        ("parts done, of them once more than needed", f"{work['done']:,}, {work['done_again']}"),
        ("workers killed, parts that they had in work", f"{found['killed']}, {found['parts_in_work']}"),
        ("these were begun anew after, s", f"{found['soonest_s']} to {found['latest_s']}"),
        ("a place for a part was free while parts waited", _spread(waits["place_free"])),
        ("a worker had no part while parts waited", _spread(waits["worker_idle"])),
        ("commands of Redis, an item and a part", f"{broker['commands_per_item']}, {broker['commands_per_part']}"),
        ("commands a second, share of a core", f"{broker['commands_per_second']:,}, {broker['share_of_a_core']:.1%}"),
        ("bytes to and from Redis, a part", "{received:,}, {sent:,}".format(**broker["bytes_per_part"])),
        ("memory of Redis: empty, workers at rest, most, MB", "{empty}, {with_idle_workers}, {peak}".format(**memory)),
        ("fields of the job's counters, at the most", f"{broker['counters_fields']}"),
        ("at rest: commands a second, of a worker", f"{idle['commands_per_worker_second']}"),
        ("at rest: share of a core, Redis and a worker", _shares(idle)),
        ("connections to Redis", f"{idle['clients']}"),
        ("memory of a worker: all, its share, MB", f"{workers['worker_rss_mb']}, {workers['worker_pss_mb']}"),
        ("processor of a worker, ms an item", f"{workers['processor_ms_per_item']}"),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in lines)])


def _spread(waits: dict[str, Any]) -> str:
    if not waits["count"]:
        return "never"
    return "{count:,} times: median {median_s:.3f} s, 99 % within {p99_s:.3f}, most {most_s:.3f}".format(**waits)


def _shares(idle: dict[str, Any]) -> str:
    return f"{idle['redis_share_of_a_core']:.2%}, {idle['worker_share_of_a_core']:.2%}"
