"""A job that is being followed, as lines of a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from askpix.cli.console import printable
from askpix.cli.durations import duration, rate
from askpix.cli.following import Seen, WorkerPace
from askpix.producer.live import Glimpse
from askpix.producer.pace import Estimate

_WORKERS = 4
_CODES = 4
_ANSWERS = 4
_REASONS = 3
"""Lines of each, or codes in their line."""

_WIDEST = 110
"""Columns beyond which lines get no easier to read."""

_LABEL = 10
_CONFIDENCE = 6
_GAP = "  "
_CUT = "\N{HORIZONTAL ELLIPSIS}"


def panel(seen: Seen, width: int) -> list[Text]:
    """Returns what is shown of a job, in lines of up to `width` columns."""
    wide = min(width, _WIDEST)
    lines = [
        _bar(seen, wide),
        *_counts(seen),
        *_unserved(seen, wide),
        *_workers(seen.workers, wide),
        *_codes(seen.progress.codes, wide),
        *_answers(seen.latest, wide),
    ]
    for told in lines:
        told.truncate(wide, overflow="ellipsis")
    return lines


def line(seen: Seen) -> str:
    """Returns the same in one line, for a log."""
    progress = seen.progress
    told = [f"{progress.done:,} of {progress.items:,} items, {progress.failures:,} failed"]
    if progress.cached:
        told.append(f"{progress.cached:,} from the cache")
    if progress.state not in ("running", "done"):
        told.append(progress.state)
    elif seen.estimate.rate:
        told.append(rate(seen.estimate.rate))
        if left := _left(seen.estimate):
            told.append(f"{left} left")
    if seen.unserved is not None:
        told.append(printable(seen.unserved.short))
    told += _top(progress.codes)
    return ", ".join(told)


def _bar(seen: Seen, width: int) -> Text:
    progress = seen.progress
    head = f"{_doing(seen):<{_LABEL}}"
    share = progress.done / progress.items if progress.items else 1.0
    # Never 100 % before all is done.
    tail = f" {int(share * 100):>3} %"
    room = max(10, width - 1 - len(head) - len(tail))
    filled = int(room * share)
    bar = Text(head)
    bar.append("\N{BOX DRAWINGS HEAVY HORIZONTAL}" * filled, style="green" if not progress.error else "red")
    bar.append("\N{BOX DRAWINGS LIGHT HORIZONTAL}" * (room - filled), style="bright_black")
    return bar.append(tail)


def _doing(seen: Seen) -> str:
    progress = seen.progress
    if progress.state == "running":
        if seen.unserved is not None:
            return "waiting"
        return "answering" if progress.workers or progress.done > seen.before else "starting"
    return progress.state


def _counts(seen: Seen) -> Iterator[Text]:
    progress, estimate = seen.progress, seen.estimate
    done = _labelled("items", f"{progress.done:,} of {progress.items:,}")
    if progress.failures:
        done.append(", ").append(f"{progress.failures:,} failed", style="red")
    if progress.cached:
        done.append(f", {progress.cached:,} from the cache")
    yield done
    if progress.round:
        yield _labelled("round", f"{progress.round}: failed items again")
    if estimate.rate:
        pace = f"{rate(estimate.rate)}"
        left = _left(estimate)
        yield _labelled("pace", f"{pace}, {left} left" if left and not progress.finished else pace)


def _unserved(seen: Seen, width: int) -> Iterator[Text]:
    if seen.unserved is None:
        return
    lines = wrap(printable(seen.unserved.text), max(20, width - _LABEL), max_lines=_REASONS, placeholder=f" {_CUT}")
    for number, text in enumerate(lines):
        yield _labelled("" if number else "nobody", text, style="yellow")


def _left(estimate: Estimate) -> str:
    if estimate.seconds is None:
        return ""
    middle = duration(estimate.seconds)
    if estimate.soonest is None:
        return middle
    low = duration(estimate.soonest)
    if estimate.latest is None:
        return f"{middle} ({low} or more)"
    high = duration(estimate.latest)
    return f"{middle} ({low} to {high})" if low != high else middle


def _workers(workers: Sequence[WorkerPace], width: int) -> Iterator[Text]:
    shown, others = workers[:_WORKERS], workers[_WORKERS:]
    name_width = max(16, min(width - _LABEL - 30, max((cell_len(worker.name) for worker in shown), default=0)))
    for number, worker in enumerate(shown):
        told = _labelled("workers" if number == 0 else "", _fit(worker.name, name_width))
        told.append(
            f"{_GAP}{_fit(worker.device or '-', 6)}{rate(worker.rate) if worker.rate else '':>9}{worker.items:>10,}"
        )
        yield told
    if others:
        yield _labelled("", f"and {len(others)} more: {rate(sum(worker.rate for worker in others))}")


def _codes(codes: Mapping[str, int], width: int) -> Iterator[Text]:
    for shown in range(min(_CODES, len(codes)), 0, -1):
        told = ", ".join(_top(codes)[:shown])
        more = len(codes) - shown
        text = f"{told}, and {more} more" if more else told
        if shown == 1 or len(text) <= width - _LABEL:
            yield _labelled("errors", text, style="red")
            return


def _top(codes: Mapping[str, int]) -> list[str]:
    known = sorted(codes.items(), key=lambda pair: (-pair[1], pair[0]))
    return [f"{count:,} x {printable(code)}" for code, count in known[:_CODES]]


def _answers(latest: Sequence[Glimpse], width: int) -> Iterator[Text]:
    room = width - _LABEL - _CONFIDENCE - len(_GAP)
    id_width = max(12, min(28, room // 3))
    for number, glimpse in enumerate(latest[:_ANSWERS]):
        told = _labelled("answers" if number == 0 else "", _end_of(glimpse.id, id_width))
        text = f"{glimpse.code}: {glimpse.text}" if glimpse.code else glimpse.text
        told.append(f"{_GAP}{_fit(text, room - id_width)}", style="red" if glimpse.code else "")
        if glimpse.confidence is not None:
            told.append(f"{glimpse.confidence:>{_CONFIDENCE}.2f}")
        yield told


def _labelled(label: str, text: str, style: str = "") -> Text:
    return Text().append(f"{label:<{_LABEL}}", style="bright_black").append(text, style=style)


def _fit(text: str, width: int) -> str:
    """Returns a text of just so many columns, without what a terminal would act on."""
    shown = printable(text)
    return set_cell_size(shown, width) if cell_len(shown) <= width else f"{set_cell_size(shown, width - 1)}{_CUT}"


def _end_of(text: str, width: int) -> str:
    """Returns the same with the end of what is too long: of a path or URL it is that which tells it from others."""
    return _fit(text if len(text) <= width else f"{_CUT}{text[1 - width :]}", width)
