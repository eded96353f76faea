"""Whatever a job's rows say stays text: nothing of it runs, leads elsewhere, or disturbs what is around it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.browser import browser
from helpers.galleries import picture_file, shown, write_job
from helpers.rows import failed_row, ok_row
from helpers.shown_galleries import Shown, opened, written
from playwright.sync_api import Browser, Page, expect

from askpix.producer import Alternative, Answer, Choice, Kind, Row

TEXTS = (
    "<script>window.ran = 1; alert(1)</script>",
    "<img src=x onerror='window.ran = 2'>",
    "<svg onload=window.ran=3><a xlink:href='javascript:window.ran=4'>x</a></svg>",
    "</script><script>window.ran = 5</script>",
    "<!-- --><!--<script>window.ran = 6</script>-->",
    "]]></style><iframe srcdoc='<script>parent.ran = 7</script>'></iframe>",
    "javascript:window.ran=8",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href='https://evil.example/'><link rel=stylesheet href='https://evil.example/x.css'>",
    '" onmouseover="window.ran = 9" style="background:url(https://evil.example/y)" x="\' onclick=\'window.ran = 10',
    "{script} {style} {policy} <!-- data --> ${window.ran = 11} `${window.ran = 12}`",
    "\u202egnirts desrever\u2066\u2067\u2069\u202d",
    "\u2028window.ran = 13\u2029\x07\x1b[31m",
    "__proto__",
    "constructor",
    "é\u0301\u0301\u0301 \U0001f468\u200d\U0001f469\u200d\U0001f467 日本語 עברית العربية",
)
LONG = "a very long caption of a picture " * 400
REFERENCES = (
    "javascript:window.ran=20",
    "JaVaScRiPt://shop.example/%0Awindow.ran=21",
    "data:text/html,<script>parent.ran = 22</script>",
    "vbscript:window.ran=23",
    "https:javascript:window.ran=24",
    " https://shop.example/space-before.jpg",
    "http://[broken",
    "file:///etc/passwd",
)


def hostile_row(text: str) -> Row:
    """Returns a row that says this wherever a row says anything."""
    choices = (Choice(text=text, probability=0.75), Choice(text="other", probability=0.25))
    answer = Answer(
        name=text,
        question=text,
        kind=Kind.CHOICE,
        text=text,
        confidence=0.75,
        tokens=1,
        choices=choices,
        alternatives=(Alternative(text=text, confidence=0.5),),
    )
    extra = json.dumps({text: text, "__proto__": {"polluted": True}, "deep": {text: [text]}})
    return replace(ok_row(text), answers=(answer,), image=text, group=text, model=text, device=text, extra=extra)


def rows(images: Path) -> list[Row]:
    mug = picture_file(images / "001-mug.jpg")
    caption = Answer(name="caption", kind=Kind.CAPTION, text=LONG, confidence=0.5, tokens=9)
    return [
        *map(hostile_row, TEXTS),
        *(replace(failed_row(f"failed {number}", text), error_message=text) for number, text in enumerate(TEXTS)),
        *(replace(ok_row(f"reference {number}"), image=text) for number, text in enumerate(REFERENCES)),
        shown(replace(ok_row("i" * 10_000), answers=(caption,)), mug),
        # A file of somebody's own, under the digest of another.
        replace(shown(ok_row("smuggled"), mug), image=str(images / "010-hat.jpg"), sha256="f" * 64),
        replace(ok_row("web"), image="https://shop.example/a.jpg?q=\"><b>'"),
    ]


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module", params=["gallery.html", "gallery"])
def gallery(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, images: Path) -> Shown:
    """A page, and a folder, of rows that mean harm."""
    folder = tmp_path_factory.mktemp("hostile")
    all_rows = rows(images)
    return written(write_job(folder / "<b>job<script>", all_rows, items=len(all_rows)), folder / request.param)


_CAUGHT = "try { %s; return 'done' } catch (error) { return error.name }"


def nothing_ran(page: Page) -> bool:
    return bool(page.evaluate("window.ran === undefined && ({}).polluted === undefined"))


def test_nothing_runs_wherever_it_is_shown(chrome: Browser, gallery: Shown) -> None:
    with opened(chrome, gallery) as seen:
        page = seen.page
        address = page.url
        expect(page.locator("h1")).to_have_text("<b>job<script>")
        # Cards, filters and their chips.
        closed = page.locator("details.facet:not([open]) summary")
        while closed.count():
            closed.first.click()
        for check in page.locator("details.facet input[type=checkbox]").all()[::5]:
            check.click()
        page.locator("#chips").hover()
        page.get_by_role("button", name="Clear all", exact=True).click()
        expect(page.locator("#chips li")).to_have_count(0)
        # Each item in full.
        page.locator(".card").first.click()
        for number, row in enumerate(gallery.rows()):
            expect(page.locator("#detail-place")).to_have_text(f"{number + 1} of {len(gallery.rows())}")
            expect(page.locator("dialog h2")).to_have_text(row.id[:3_999] + "…" if len(row.id) > 4_000 else row.id)
            if row.answers and row.answers[0].kind is Kind.CHOICE:
                expect(page.locator("dialog .answer h3")).to_have_text(row.answers[0].question or "")
                page.locator("dialog .answer").hover()
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Charts").click()
        expect(page.locator(".chart").first).to_be_visible()

        assert nothing_ran(page)
        assert page.url == address
        inserted = page.locator("main, aside, dialog").locator("script, iframe, object, embed, base, meta, link, style")
        assert inserted.count() == 0
        assert page.locator("b, [onerror], [onload], [onclick], [onmouseover], [srcdoc]").count() == 0


def test_hostile_words_are_found_as_words(chrome: Browser, gallery: Shown) -> None:
    with opened(chrome, gallery) as seen:
        page = seen.page
        page.locator("#search").fill("<img src=x onerror='window.ran = 2'>")
        expect(page.locator("#result")).to_have_text(f"2 of {len(gallery.rows())} items")
        expect(page.locator("#chips button").first).to_contain_text("<img src=x")
        assert nothing_ran(page)


def test_only_addresses_of_the_web_are_links(chrome: Browser, gallery: Shown) -> None:
    with opened(chrome, gallery) as seen:
        page = seen.page
        page.locator("#search").fill("web")
        expect(page.locator("#result")).to_have_text(f"1 of {len(gallery.rows())} items")
        page.locator(".card").first.click()
        link = page.locator("dialog a")
        expect(link).to_have_text("https://shop.example/a.jpg?q=\"><b>'")
        assert link.get_attribute("href") == "https://shop.example/a.jpg?q=%22%3E%3Cb%3E%27"
        assert (link.get_attribute("rel"), link.get_attribute("target")) == ("noopener noreferrer", "_blank")
        page.keyboard.press("Escape")

        page.locator("#search").fill("reference")
        expect(page.locator("#result")).to_have_text(f"{len(REFERENCES)} of {len(gallery.rows())} items")
        page.locator(".card").first.click()
        for reference in REFERENCES:
            # Spaces at the ends are not told apart here; they are shown.
            expect(page.locator("dialog .facts")).to_contain_text(reference.strip())
            assert page.locator("dialog a").count() == 0
            page.keyboard.press("ArrowRight")


def test_a_long_text_is_short_in_the_grid_and_whole_in_its_details(chrome: Browser, gallery: Shown) -> None:
    with opened(chrome, gallery) as seen:
        page = seen.page
        page.locator("#search").fill("very long caption")
        expect(page.locator("#result")).to_have_text(f"1 of {len(gallery.rows())} items")
        card = page.locator(".card").first
        box = card.bounding_box()
        assert box is not None
        assert box["height"] < 400
        card.click()
        assert page.locator("dialog .said-text").inner_text().strip() == LONG.strip()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_turned_text_turns_nothing_beside_it(chrome: Browser, gallery: Shown) -> None:
    with opened(chrome, gallery) as seen:
        page = seen.page
        page.locator("#search").fill("desrever")
        expect(page.locator("#result")).to_have_text(f"2 of {len(gallery.rows())} items")
        card = page.locator(".card").first
        assert card.locator("bdi").first.evaluate("(one) => getComputedStyle(one).unicodeBidi") == "isolate"
        # The number stays behind the id, and reads as it should.
        identity, confidence = card.locator(".id").bounding_box(), card.locator(".confidence").bounding_box()
        assert identity is not None
        assert confidence is not None
        assert identity["x"] < confidence["x"]
        expect(card.locator(".confidence")).to_have_text("0.75")
        # Labels cannot be isolated; so they do without.
        chip = page.locator("#chips button").first
        assert "\u202e" not in (chip.get_attribute("aria-label") or "")


def test_a_smuggled_picture_is_not_in_it(chrome: Browser, gallery: Shown) -> None:
    with opened(chrome, gallery) as seen:
        page = seen.page
        page.locator("#search").fill("smuggled")
        expect(page.locator("#result")).to_have_text(f"1 of {len(gallery.rows())} items")

        expect(page.locator(".card .absent")).to_have_text("image_changed")
        assert page.locator(".card img").count() == 0


def test_the_policy_stops_what_would_get_in(chrome: Browser, gallery: Shown) -> None:
    # Given: a fault of the page's own, by which markup and a script came to be in it.
    attempts = {
        "markup": "document.body.innerHTML = '<img src=x onerror=window.ran=30>'",
        "script": "const s = document.createElement('script'); s.text = 'window.ran = 31'; document.body.append(s)",
        "address": "const s = document.createElement('script'); s.src = 'https://evil.example/x.js'",
        "request": "await fetch('https://evil.example/')",
        "timer": "setTimeout('window.ran = 32')",
        "handler": "document.body.setAttribute('onclick', 'window.ran = 33'); document.body.click()",
        "policy": "trustedTypes.createPolicy('another', { createHTML: (text) => text })",
    }
    with opened(chrome, gallery) as seen:
        page = seen.page
        said = {name: page.evaluate(f"async () => {{ {_CAUGHT % attempt} }}") for name, attempt in attempts.items()}
        page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 50))")

        assert said == dict.fromkeys(attempts, "TypeError")
        assert nothing_ran(page)
        # Of these, the console tells.
        assert any("Content Security Policy" in line for line in seen.said)
        seen.said.clear()
