"""A page that shows what a calibration is good for: figures and reliability diagrams, before and after."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator, Sequence
from importlib.resources import files

from askpix.producer.calibrating.calibrate import Figures, Found
from askpix.producer.calibrating.measures import BINS, Measures
from askpix.producer.calibrating.writing import written

_SIDE = 240
_LEFT, _TOP, _BELOW = 34, 8, 30


def calibration_page(job: str, found: Sequence[Found], precision: float) -> str:
    """Returns an HTML page that needs nothing else, and in which nothing runs.

    Args:
        job: what the examples are from.
        precision: the share that is to be right of what goes unchecked.
    """
    style = (files(__package__) / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    sections = "\n".join(_section(each) for each in found)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="askpix calibrate">
<title>Calibration by {_text(job)}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>Calibration</h1>
<p class="muted">by labelled answers of <bdi>{_text(job)}</bdi></p>
</header>
<main>
<p class="lead">A diagram has the answers by how sure they are. Bars that end on the line are of answers whose
confidence is the share that is right; below it, the model is too sure of itself. What is told of <i>after</i> was
measured on answers that the calibration was not fitted to.</p>
{_summary(found, precision)}
{sections}
</main>
</body>
</html>
"""


def _summary(found: Sequence[Found], precision: float) -> str:
    rows = "\n".join(
        f'<tr><th scope="row"><bdi>{_text(name)}</bdi></th><td>{each.examples:,}</td>{_cells(before, after)}</tr>'
        for each in found
        for name, before, after in lines_of(each)
    )
    unchecked = f"unchecked at {precision * 100:.4g}% right"
    return f"""<div class="card scroll" role="region" aria-label="Figures" tabindex="0"><table>
<thead><tr><th scope="col">attribute</th><th scope="col">examples</th><th scope="col">right</th>
<th scope="col">calibration error</th><th scope="col">{unchecked}</th><th scope="col">from confidence</th></tr></thead>
<tbody>
{rows}
</tbody></table></div>"""


def lines_of(found: Found) -> Iterator[tuple[str, Measures | None, Measures | None]]:
    """Yields what is shown of an attribute: its answers, and of choices judged one by one, each judgement too."""
    before, after = found.before, found.after
    if before is None or after is None:
        yield found.title, None, None
        return
    yield found.title, before.answers, after.answers
    if before.judgements is not None:
        yield f"{found.title}: each", before.judgements, after.judgements


def _cells(before: Measures | None, after: Measures | None) -> str:
    if before is None or after is None:
        return "<td></td>" * 4
    above = "" if after.above is None else f"{after.above:.2f}"
    return (
        f"<td>{before.accuracy:.1%} → {after.accuracy:.1%}</td><td>{before.ece:.3f} → {after.ece:.3f}</td>"
        f"<td>{before.coverage:.0%} → {after.coverage:.0%}</td><td>{above}</td>"
    )


def _section(found: Found) -> str:
    calibration = found.calibration
    what = "left as it is" if calibration is None else f"<code>{_text(written(calibration))}</code>"
    notes = "".join(f"<li>{_text(note)}</li>" for note in found.notes)
    counts = ", ".join(f"{_text(term)} {count:,}" for term, count in found.by_term.items())
    pairs = "" if found.before is None or found.after is None else _pairs(found.before, found.after)
    return f"""<section class="card">
<h2><bdi>{_text(found.title)}</bdi></h2>
<p>{what}</p>
<p class="muted">{found.examples:,} examples{f": {counts}" if counts else ""}</p>
{f'<ul class="notes">{notes}</ul>' if notes else ""}
{pairs}
</section>"""


def _pairs(before: Figures, after: Figures) -> str:
    drawn = _pair("", before.answers, after.answers)
    if before.judgements is not None and after.judgements is not None:
        drawn += f"<h3>Each choice by itself</h3>{_pair('each choice ', before.judgements, after.judgements)}"
    return drawn


def _pair(what: str, before: Measures, after: Measures) -> str:
    return f'<div class="pair">{_diagram(f"{what}before", before)}{_diagram(f"{what}after", after)}</div>'


def _diagram(name: str, measures: Measures) -> str:
    """Returns a reliability diagram: accuracy by confidence; below it, how many answers are so sure."""
    width = _SIDE / BINS
    most = max((each.count for each in measures.bins if each is not None), default=1)
    bars = []
    for place, each in enumerate(measures.bins):
        if each is None:
            continue
        x, height = _LEFT + place * width + 1, each.accuracy * _SIDE
        told = f"{each.count:,} answers, sure by {each.confidence:.2f}: {each.accuracy:.1%} right"
        gap_top, gap = _y(max(each.confidence, each.accuracy)), abs(each.confidence - each.accuracy) * _SIDE
        kind = "over" if each.confidence > each.accuracy else "under"
        deep = each.count / most * _BELOW
        bars.append(
            f'<g><title>{told}</title><rect class="bar" x="{x:.1f}" y="{_y(each.accuracy):.1f}" '
            f'width="{width - 2:.1f}" height="{height:.1f}"/>'
            f'<rect class="{kind}" x="{x:.1f}" y="{gap_top:.1f}" width="{width - 2:.1f}" height="{gap:.1f}"/>'
            f'<rect class="count" x="{x:.1f}" y="{_y(0) + 4:.1f}" width="{width - 2:.1f}" height="{deep:.1f}"/></g>'
        )
    said = (
        f"{name}: {measures.accuracy:.1%} right, sure by {measures.confidence:.2f} on average, "
        f"calibration error {measures.ece:.3f}"
    )
    ticks = "".join(
        f'<text x="{_LEFT - 6}" y="{_y(share) + 4:.1f}" class="left">{share:.1f}</text>'
        f'<text x="{_LEFT + share * _SIDE:.1f}" y="{_y(0) + _BELOW + 20}" class="middle">{share:.1f}</text>'
        for share in (0.0, 0.5, 1.0)
    )
    tall = _TOP + _SIDE + _BELOW + 28
    return f"""<figure><figcaption>{said}</figcaption>
<svg viewBox="0 0 {_LEFT + _SIDE + 14} {tall}" role="img" aria-label="{said}">
<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}"/>
{"".join(bars)}
<line class="ideal" x1="{_LEFT}" y1="{_y(0)}" x2="{_LEFT + _SIDE}" y2="{_y(1)}"/>
{ticks}
</svg></figure>"""


def _y(share: float) -> float:
    return _TOP + (1 - share) * _SIDE


def _text(text: str) -> str:
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return html.escape(shown.encode("utf-8", "replace").decode()[:300])
