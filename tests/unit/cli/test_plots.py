"""Drawings: what they say, that names of strangers stay names, and that those in bench/results are of its figures."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench.plots import DRAWINGS, RESULTS
from PIL import Image

from askpix.cli.plots import Bar, Panel, drawing, form_of, in_words
from askpix.producer.errors import AskpixError

HOSTILE = [
    r"$\frac{1}{0}$",
    "<script>alert(1)</script>",
    "]]><x>&amp;",
    "$unclosed",
    "模型 мир עברית",
    "a\nb\x1b[31m\x00",
    "%(x)s {y}",
    "",
]


def panel(*labels: str) -> Panel:
    bars = [Bar(label=label, value=number, text=f"{number}.0") for number, label in enumerate(labels)]
    return Panel(title="how many", bars=bars)


def texts(svg: bytes) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_an_svg_has_titles_labels_and_values_as_text_and_all_of_it_in_words() -> None:
    # When
    svg = drawing([panel("first", "second"), Panel(title="nothing yet", bars=[])], "svg")

    # Then
    assert set(texts(svg)) == {"how many", "first", "second", "0.0", "1.0", "nothing yet"}
    title = ElementTree.fromstring(svg).find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == "how many: first: 0.0; second: 1.0. nothing yet: "


def test_names_are_drawn_as_they_are_whatever_they_look_like() -> None:
    # When
    svg = drawing([panel(*HOSTILE)], "svg")

    # Then: what cannot be shown is marked, all else stands there
    shown = texts(svg)
    assert set(HOSTILE[:5]) <= set(shown)
    assert "a\ufffdb\ufffd[31m\ufffd" in shown
    assert not list(ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}script"))
    assert Image.open(io.BytesIO(drawing([panel(*HOSTILE)], "png"))).size[0] == 2 * 760


def test_of_a_long_name_beginning_and_end_are_kept() -> None:
    (label,) = [text for text in texts(drawing([panel("model-" + "x" * 300 + ", bf16")], "svg")) if "…" in text]
    assert label.startswith("model-x")
    assert label.endswith("x, bf16")
    assert len(label) < 50


def test_the_longest_bar_takes_all_of_the_room_and_a_spread_counts() -> None:
    # Given: a spread that goes to twice the longest bar
    bars = [Bar(label="a", value=1, text="1"), Bar(label="b", value=2, text="2", spread=(1, 4))]

    # When
    picture = Image.open(io.BytesIO(drawing([Panel(title="", bars=bars)], "png"))).convert("RGB")

    # Then: in the rows of the bars, blue is twice as wide for b, and half of what b's line takes
    blue = [sum(picture.getpixel((x, y)) == (9, 105, 218) for x in range(picture.width)) for y in range(picture.height)]
    widths = sorted({width for width in blue if width > 10})
    assert widths[-1] == pytest.approx(2 * widths[0], abs=4)


@pytest.mark.parametrize("form", ["svg", "png"])
def test_the_same_figures_give_the_same_bytes_in_another_process(form: str) -> None:
    program = f"""if True:
        import sys
        from askpix.cli.plots import Bar, Panel, drawing
        bars = [Bar(label="a", value=1, text="1", spread=(0.5, 2)), Bar(label="b", value=2, text="2", kind="ceiling")]
        sys.stdout.buffer.write(drawing([Panel(title="t", bars=bars)], {form!r}))
    """
    first, second = (
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout for _ in range(2)
    )
    assert first == second
    assert len(first) > 1000


@pytest.mark.parametrize(("name", "form"), [("a.svg", "svg"), ("a.PNG", "png")])
def test_the_ending_says_what_it_is_drawn_as(name: str, form: str) -> None:
    assert form_of(Path(name)) == form


def test_another_ending_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(AskpixError, match=r"a\.pdf is no name for a drawing: let it end in \.svg or \.png"):
        form_of(Path("a.pdf"))


def test_without_matplotlib_all_but_drawing_works_and_the_message_names_the_extra() -> None:
    # Given: a process in which it cannot be imported
    program = """if True:
        import sys
        sys.modules["matplotlib"] = None
        import askpix.cli.model_compare
        from askpix.cli.plots import needed
        needed()
    """

    # When
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    # Then
    assert ended.returncode == 1
    assert "drawing needs the package matplotlib: run `pip install 'askpix[plots]'`" in ended.stderr


def test_matplotlib_is_imported_only_to_draw() -> None:
    program = "import sys, askpix.cli.model_compare; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_drawings_that_are_kept_show_the_figures_that_are_kept(name: str) -> None:
    # Anew with `make plots`.
    drawn = texts(DRAWINGS[name](RESULTS / f"{name}.json", "svg"))
    assert len(drawn) > 4
    assert texts((RESULTS / f"{name}.svg").read_bytes()) == drawn


def test_in_words_is_what_the_bars_show() -> None:
    assert in_words([panel("a")]) == "how many: a: 0.0"
