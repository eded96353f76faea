"""The figures of runs, as people read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Figures = dict[str, Any]


def shown(runs: Mapping[str, Figures]) -> str:
    """Returns a Markdown table with a column for each run."""
    lines = [f"| | {' | '.join(runs)} |", f"|---|{'---|' * len(runs)}"]
    lines += [f"| {what} | {' | '.join(told(run) for run in runs.values())} |" for what, told in _ROWS.items()]
    return "\n".join(lines)


_ROWS: dict[str, Callable[[Figures], str]] = {
    "workers; an item takes each of them": lambda run: "{workers}; {item_ms:g} ms".format(**run["plan"]),
    "items; parts; window": lambda run: f"{run['plan']['items']:,}; {run['parts']:,}; {run['plan']['window']:,}",
    "rows that are missing; twice; failed": lambda run: "{missing}; {twice}; {failed}".format(**run["rows"]),
    "workers killed, and replaced": lambda run: f"{run['found_again']['killed']}",
    "parts they had in work; begun anew after, s": lambda run: _found(run["found_again"]),
    "parts done; of them, once more than needed": lambda run: "{done:,}; {done_again}".format(**run["work"]),
    "seconds; items a second": lambda run: f"{run['seconds']:.0f}; {run['items_per_second']:,.0f}",
    "a slot was free while parts waited, s: median; 99 %; most": lambda run: _waits(run, "place_free"),
    "a worker had no part while parts waited, s: the same": lambda run: _waits(run, "worker_idle"),
    "Redis: commands an item; a part": lambda run: "{commands_per_item:.2f}; {commands_per_part:.0f}".format(
        **run["broker"]
    ),
    "Redis: bytes to it; from it, a part": lambda run: "{received:,}; {sent:,}".format(
        **run["broker"]["bytes_per_part"]
    ),
    "Redis: commands a second; % of a core": lambda run: (
        f"{run['broker']['commands_per_second']:,}; {run['broker']['share_of_a_core'] * 100:.1f}"
    ),
    "Redis: MB when empty; with workers at rest; at the most": lambda run: (
        "{empty:.1f}; {with_idle_workers:.1f}; {peak:.1f}".format(**run["broker"]["memory_mb"])
    ),
    "Redis: connections; fields of the job's counters": lambda run: (
        f"{run['idle']['clients']}; {run['broker']['counters_fields']}"
    ),
    "at rest: commands of a worker a second": lambda run: f"{run['idle']['commands_per_worker_second']:.1f}",
    "at rest: % of a core, Redis; a worker": lambda run: (
        f"{run['idle']['redis_share_of_a_core'] * 100:.1f}; {run['idle']['worker_share_of_a_core'] * 100:.1f}"
    ),
    "worker: MB in all; less what others share": lambda run: (
        f"{run['workers']['worker_rss_mb']:.0f}; {run['workers']['worker_pss_mb']:.0f}"
    ),
    "worker: ms of a processor an item": lambda run: f"{run['workers']['processor_ms_per_item']:.2f}",
    "S3: PUT; GET; HEAD; LIST; DELETE, a part": lambda run: _requests(run["s3_requests_per_part"]),
}


def _found(found: Figures) -> str:
    if not found["parts_in_work"]:
        return "none"
    return "{parts_in_work}; {soonest_s:.0f} to {latest_s:.0f}".format(**found)


def _spread(waits: Figures) -> str:
    return "{median_s:.2f}; {p99_s:.2f}; {most_s:.2f}".format(**waits) if waits["count"] else "never"


def _waits(run: Figures, which: str) -> str:
    # Where no part ever waited, nothing can be said.
    return _spread(run["waits"][which]) if run["waits"]["longest_queue"] else "no part waited"


def _requests(per_part: Mapping[str, float]) -> str:
    if not per_part:
        return ""
    kinds = ("PUT", "GET", "HEAD", "LIST", "DELETE")
    return "; ".join(f"{sum(count for what, count in per_part.items() if what.startswith(kind)):.1f}" for kind in kinds)
