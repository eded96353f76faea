"""Bars as a drawing: SVG, written by hand, readable on light and on dark, without a font or script from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A value, 0 or more."""

    label: str
    value: float
    text: str
    """The value as it is written."""

    kind: Literal["own", "other", "ceiling"] = "own"
    spread: tuple[float, float] | None = None
    """From the lowest to the highest value that was seen, drawn as a line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """Bars that share a scale."""

    title: str
    bars: Sequence[Bar]


def drawing(panels: Sequence[Panel], summary: str) -> str:
    """Returns an SVG document of panels, one below the other; `summary` says the same in words."""
    parts: list[str] = []
    top = 16
    for panel in panels:
        parts.append(_text(20, top + 14, panel.title, "head"))
        top += _HEAD
        longest = max([bar.spread[1] if bar.spread else bar.value for bar in panel.bars], default=0) or 1
        for bar in panel.bars:
            parts += _drawn(top, bar, (_WIDTH - _LEFT - _RIGHT) / longest)
            top += _STEP
        top += _GAP
    size = f'width="{_WIDTH}" height="{top}" viewBox="0 0 {_WIDTH} {top}"'
    card = f'<rect class="card" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{top - 1}" rx="8"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return "\n".join(
        [head, f"<title>{escape(summary)}</title>", f"<style>{_STYLE}</style>", card, *parts, "</svg>", ""]
    )


def _drawn(top: int, bar: Bar, scale: float) -> list[str]:
    end = _LEFT + bar.value * scale
    parts = [
        _text(_LEFT - 8, top + 12, bar.label, "", anchor="end"),
        f'<rect class="{bar.kind}" x="{_LEFT}" y="{top}" width="{end - _LEFT:.1f}" height="{_BAR}" rx="2"/>',
    ]
    if bar.spread is not None:
        low, high = (_LEFT + value * scale for value in bar.spread)
        middle = top + _BAR / 2
        parts.append(f'<line class="spread" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>')
        end = max(end, high)
    return [*parts, _text(end + 6, top + 12, bar.text, "")]


def _text(x: float, y: float, words: str, kind: str, *, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'
