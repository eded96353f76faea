"""What a terminal shows, as a drawing: SVG that needs no font and no script from elsewhere."""

from __future__ import annotations

import io
import itertools
from typing import Any

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

# As pyte calls them.
_COLORS = {
    "brown": "yellow",
    **{f"bright{name}": f"bright_{name}" for name in ("black", "red", "green", "blue", "magenta", "cyan", "white")},
    "brightbrown": "bright_yellow",
}

_THEME = TerminalTheme(
    (24, 27, 33),
    (214, 220, 228),
    [
        *[(60, 66, 77), (240, 113, 120), (126, 211, 133), (229, 192, 123)],
        *[(97, 175, 239), (198, 146, 233), (86, 182, 194), (214, 220, 228)],
    ],
    [
        *[(139, 148, 161), (255, 135, 141), (150, 230, 158), (245, 213, 150)],
        *[(130, 195, 255), (215, 170, 245), (110, 205, 215), (255, 255, 255)],
    ],
)

# As rich's own, without the fonts that it would have browsers fetch.
_FORMAT = """<svg class="{unique_id}" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 18px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def drawn(screen: pyte.Screen, title: str) -> str:
    """Returns an SVG document of what is shown, down to the last line that is not empty."""
    lines = [_text(screen, row) for row in range(screen.lines)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    console = Console(
        record=True, file=io.StringIO(), width=screen.columns, force_terminal=True, color_system="truecolor"
    )
    for line in lines:
        console.print(line, no_wrap=True, overflow="crop")
    svg = console.export_svg(title=title, theme=_THEME, code_format=_FORMAT, unique_id="t")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def _text(screen: pyte.Screen, row: int) -> Text:
    characters = (screen.buffer[row][column] for column in range(screen.columns))
    text = Text()
    # Together where they look alike: each run becomes an element of its own.
    for style, run in itertools.groupby(characters, _style):
        text.append("".join(character.data for character in run), style)
    return text


def _style(character: Any) -> Style:
    color = None if character.fg == "default" else _COLORS.get(character.fg, character.fg)
    if color is not None and len(color) == 6 and all(digit in "0123456789abcdef" for digit in color):
        color = f"#{color}"
    return Style(color=color, bold=character.bold)
