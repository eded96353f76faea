"""Results as a drawing for the README: bars, written as SVG by hand, readable on light and on dark."""

from __future__ import annotations

from html import escape

from bench.blip.figures import Spread, rates
from bench.blip.floors import CEILINGS, FORMS
from bench.blip.results import Results
from bench.blip.tasks import TASKS

_WIDTH, _LEFT, _RIGHT = 760, 230, 70
_BAR, _STEP, _HEAD, _GAP = 16, 22, 30, 14

_STYLE = """
  svg { font: 13px system-ui, sans-serif }
  .card { fill: #ffffff; stroke: #d0d7de } text { fill: #1f2328 } .head { font-weight: 600 }
  .other { fill: #8c959f } .own { fill: #0969da } .ceiling { fill: none; stroke: #57606a; stroke-dasharray: 4 3 }
  .spread { stroke: #1f2328 }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #30363d } text { fill: #e6edf3 }
    .other { fill: #6e7681 } .own { fill: #58a6ff } .ceiling { stroke: #8b949e } .spread { stroke: #e6edf3 }
  }
"""


def plot(results: Results) -> str:
    """Returns an SVG document: for each task, each form's median rate as a bar, with a line from lowest to highest."""
    parts: list[str] = []
    top = 16
    for task, forms in rates(results.rounds).items():
        parts.append(_text(20, top + 14, f"{TASKS[task].title}: {TASKS[task].unit} per second", "head"))
        top += _HEAD
        longest = max(spread.highest for spread in forms.values())
        for form, spread in forms.items():
            parts += _bar(top, form, spread, (_WIDTH - _LEFT - _RIGHT) / longest)
            top += _STEP
        top += _GAP
    size = f'width="{_WIDTH}" height="{top}" viewBox="0 0 {_WIDTH} {top}"'
    card = f'<rect class="card" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{top - 1}" rx="8"/>'
    title = f"<title>{escape(_summary(results))}</title>"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return "\n".join([head, title, f"<style>{_STYLE}</style>", card, *parts, "</svg>", ""])


def _bar(top: int, form: str, spread: Spread, scale: float) -> list[str]:
    kind = "ceiling" if form in CEILINGS else "own" if FORMS[form].title.startswith("askpix") else "other"
    middle, end = top + _BAR / 2, _LEFT + spread.median * scale
    low, high = (_LEFT + value * scale for value in (spread.lowest, spread.highest))
    return [
        _text(_LEFT - 8, top + 12, FORMS[form].title, "", anchor="end"),
        f'<rect class="{kind}" x="{_LEFT}" y="{top}" width="{end - _LEFT:.1f}" height="{_BAR}" rx="2"/>',
        f'<line class="spread" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>',
        _text(max(end, high) + 6, top + 12, f"{spread.median:.1f}", ""),
    ]


def _text(x: float, y: float, words: str, kind: str, *, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'


def _summary(results: Results) -> str:
    return "; ".join(
        f"{TASKS[task].title}: " + ", ".join(f"{FORMS[form].title} {one.median:.1f}/s" for form, one in forms.items())
        for task, forms in rates(results.rounds).items()
    )
