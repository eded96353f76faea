"""`python -m bench.blip`: see bench/README.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.blip.apart import FormFailedError
from bench.blip.checks import WrongTextError
from bench.blip.floors import FORMS
from bench.blip.machine import use_two_cores
from bench.blip.models import built
from bench.blip.pages import BLIP, MEMORY, update_pages
from bench.blip.results import Memory
from bench.blip.session import Session, say
from bench.blip.table import table
from bench.blip.tasks import OCCUPANCY, TASKS

_TASKS = (*TASKS, OCCUPANCY)


def main() -> None:
    options = _parser().parse_args()
    if options.redraw:
        update_pages()
        return
    use_two_cores()
    quick, whole = options.quick, not (options.quick or options.forms or options.only)
    try:
        models = built("small" if quick else "base", say)
        session = Session(
            models,
            [form for form in FORMS if form in (options.forms or FORMS)],
            options.only or _TASKS,
            rounds=options.rounds or (2 if quick else 5),
            images=options.images or (32 if quick else 96),
        )
        results = session.run()
    except (FormFailedError, WrongTextError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted, nothing was written")
    memory = Memory.read(MEMORY) if MEMORY.exists() else None
    print(table(results, memory))
    if output := options.output or (BLIP if whole else None):
        results.write(output)
        say(f"written: {output}")
    if output == BLIP:
        update_pages()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.blip",
        description="Measures askpix's BLIP beside what people would use instead. A whole run writes"
        " bench/results/blip.json and .svg, and the tables of README.md and bench/README.md.",
    )
    parser.add_argument("--rounds", type=int, help="turns of each form at each task (5)")
    parser.add_argument("--images", type=int, help="images a turn of the fast forms; the others take fewer (96)")
    parser.add_argument("--forms", nargs="+", choices=FORMS, help="only these; nothing is written without --output")
    parser.add_argument("--only", nargs="+", choices=_TASKS, metavar="TASK", help=f"only these of {', '.join(_TASKS)}")
    parser.add_argument("--quick", action="store_true", help="a small model and small turns: whether it all works")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the results go, as JSON")
    parser.add_argument("--redraw", action="store_true", help="only draw and tell anew what is in bench/results")
    return parser


if __name__ == "__main__":
    main()
