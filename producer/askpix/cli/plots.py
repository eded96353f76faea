"""Drawings of measured figures, by matplotlib: bars as SVG or PNG, on a card that reads well on light and on dark.

SVG keeps text as text, in the reader's own sans-serif. The same figures give the same bytes. matplotlib is imported
only to draw.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from askpix.cli.console import printable
from askpix.cli.needing import needing
from askpix.producer.errors import AskpixError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 760
"""Of a drawing, in pixels."""

INK, FAINT, OWN, OTHER = "#1f2328", "#57606a", "#0969da", "#8c959f"

_RIGHT, _EDGE = 70, 20
_STEP, _HEAD, _GAP = 22, 30, 14
_DPI = 96
"""That of CSS, so that an SVG is as large as it says."""

_LONGEST = 40
"""Characters of a label; of longer ones the middle is left out."""

_LETTER = 7.6
"""Width of a letter of a label in pixels, on the wide side."""

_STYLE: dict[Any, Any] = {
    "axes.spines.bottom": False,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.dpi": _DPI,
    "font.family": "sans-serif",
    # Others would come from this machine, and their widths with them.
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 13 * 72 / _DPI,
    "svg.fonttype": "none",
    # Names within the file are drawn from it, else at random.
    "svg.hashsalt": "askpix",
    "text.color": INK,
    # `$` in the name of a folder begins no formula.
    "text.parse_math": False,
}

Form = Literal["svg", "png"]


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


def form_of(path: Path) -> Form:
    """Returns what a drawing of that name is; raises AskpixError where it is none."""
    match path.suffix.lower():
        case ".svg":
            return "svg"
        case ".png":
            return "png"
    raise AskpixError(f"{path} is no name for a drawing: let it end in .svg or .png")


def needed() -> None:
    """Raises AskpixError where matplotlib is missing: before the minutes of work that end in a drawing."""
    with card(1):
        pass


def in_words(panels: Sequence[Panel]) -> str:
    """Returns what the panels show, for those who cannot see them."""
    return ". ".join(
        f"{panel.title}: " + "; ".join(f"{bar.label}: {bar.text}" for bar in panel.bars) for panel in panels
    )


def drawing(panels: Sequence[Panel], form: Form) -> bytes:
    """Returns an SVG or PNG file of panels, one below the other."""
    height = sum(_HEAD + _STEP * len(panel.bars) + _GAP for panel in panels) + 16
    letters = max((len(_label(bar.label)) for panel in panels for bar in panel.bars), default=0)
    left = _EDGE + 8 + _LETTER * letters
    with card(height) as figure:
        top = 16
        for panel in panels:
            head(figure, top, panel.title)
            top += _HEAD
            deep = _STEP * len(panel.bars)
            if panel.bars:
                _bars(axes_at(figure, left, top, WIDTH - left - _RIGHT, deep), panel.bars)
            top += deep + _GAP
        return encoded(figure, form, in_words(panels))


@contextmanager
def card(height: float) -> Iterator[Figure]:
    """Gives an empty figure of so many pixels; raises AskpixError where matplotlib is missing."""
    with needing("drawing", extra="plots"):
        import matplotlib
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch

    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # Letters of other scripts, which the reader's own font has in an SVG.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure = Figure(figsize=(WIDTH / _DPI, height / _DPI))
        figure.patch.set_alpha(0)
        inches = (1 / _DPI, 1 / _DPI, (WIDTH - 2) / _DPI, (height - 2) / _DPI)
        figure.add_artist(
            FancyBboxPatch(
                inches[:2],
                *inches[2:],
                boxstyle=f"round,pad=0,rounding_size={8 / _DPI}",
                facecolor="#ffffff",
                edgecolor="#d0d7de",
                transform=figure.dpi_scale_trans,
                zorder=-1,
            )
        )
        yield figure


def head(figure: Figure, top: float, title: str) -> None:
    """Writes a panel's title at that height, in pixels from the upper edge."""
    height = figure.get_figheight() * _DPI
    figure.text(_EDGE / WIDTH, 1 - (top + 14) / height, printable(title), weight="bold", va="baseline")


def axes_at(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Returns axes without a background at that place, in pixels from the figure's upper left corner."""
    all_height = figure.get_figheight() * _DPI
    bottom = all_height - top - height
    box = (left / WIDTH, bottom / all_height, width / WIDTH, height / all_height)
    return figure.add_axes(box, facecolor="none")


def encoded(figure: Figure, form: Form, summary: str) -> bytes:
    """Returns a figure as a file; `summary` says the same in words."""
    file = BytesIO()
    title = {"Title": printable(summary)}
    unnamed: dict[str, str | None] = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    figure.savefig(file, format=form, metadata={**title, **unnamed}, dpi=_DPI if form == "svg" else 2 * _DPI)
    return file.getvalue()


def _bars(axes: Axes, bars: Sequence[Bar]) -> None:
    longest = max([bar.spread[1] if bar.spread else bar.value for bar in bars], default=0) or 1
    axes.set_xlim(0, longest)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks(range(len(bars)), [_label(bar.label) for bar in bars])
    axes.tick_params(length=0, labelcolor=INK)
    axes.margins(0)
    for place, bar in enumerate(bars):
        _bar(axes, place, bar)


def _bar(axes: Axes, place: int, bar: Bar) -> None:
    end = bar.value
    if bar.kind == "ceiling":
        axes.barh(place, bar.value, height=0.7, fill=False, edgecolor=FAINT, linestyle=(0, (4, 3)))
    else:
        axes.barh(place, bar.value, height=0.7, color=OWN if bar.kind == "own" else OTHER)
    if bar.spread is not None:
        axes.plot(bar.spread, (place, place), color=INK, linewidth=1, clip_on=False)
        end = max(end, bar.spread[1])
    axes.annotate(
        printable(bar.text), (end, place), xytext=(6 * 72 / _DPI, 0), textcoords="offset points", va="center_baseline"
    )


def _label(text: str) -> str:
    shown = printable(text)
    if len(shown) <= _LONGEST:
        return shown
    half = (_LONGEST - 1) // 2
    return f"{shown[:half]}…{shown[-half:]}"
