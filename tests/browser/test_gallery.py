"""Galleries in a browser, opened from the disk as people open them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from helpers.browser import browser, watched
from helpers.galleries import COLORS, picture_file, shop_rows, write_job
from helpers.shown_galleries import Shown, opened, written
from playwright.sync_api import Browser, Page, expect

from askpix.producer import Item, Question
from askpix.worker.local import LocalSystem

LARGE = 20_000

FOCUSED = "document.activeElement.querySelector('.id')?.textContent"
PICTURES_ARE_THERE = "[...document.images].slice(0, 4).every((one) => one.complete && one.naturalWidth === 240)"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def small(system: LocalSystem, workplace: Path, images: Path) -> Shown:
    """A page of 200 items that the demo model has answered, one of which could not be read."""
    pictures = sorted(images.glob("*.jpg"))
    items = [
        Item(image=str(pictures[n % len(pictures)]), id=f"sku-{n:03d}", group=f"shelf {n % 7}", extra={"price": n})
        for n in range(199)
    ]
    items.append(Item(image=str(images / "none.jpg"), id="sku-199"))
    questions = [
        Question("what color is it?", name="color", choices=COLORS),
        Question("what kind of product is this?", name="product"),
    ]
    output = workplace / "gallery-job"
    job = system.client.submit(items, output=str(output), model=system.model, questions=questions)
    system.wait(job, timeout=120)
    return written(job, workplace / "gallery.html")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Shown:
    """A folder of 20,000 items."""
    folder = tmp_path_factory.mktemp("large")
    files = [picture_file(path) for path in sorted(images.glob("*.jpg"))]
    job = write_job(folder / "job", shop_rows(LARGE, files), items=LARGE)
    # A part of 256 items every ten seconds.
    for number, path in enumerate(sorted((folder / "job" / "results").iterdir())):
        os.utime(path, (number * 10, number * 10))
    return written(job, folder / "gallery")


def ids(page: Page) -> list[str]:
    return page.locator("#grid .id").all_text_contents()


def result(page: Page, text: str) -> None:
    expect(page.locator("#result")).to_have_text(text)


def facet(page: Page, name: str) -> Any:
    return page.locator("details.facet").filter(has=page.locator("summary", has_text=name)).first


def choose(page: Page, name: str, value: str) -> None:
    facet(page, name).get_by_role("checkbox", name=value).click()


# What is shown. ----------------------------------------------------------------------------------


def test_a_page_of_a_real_job_shows_its_items_and_pictures(chrome: Browser, small: Shown) -> None:
    with opened(chrome, small) as seen:
        page = seen.page

        result(page, "200 items")
        expect(page.locator("#subtitle")).to_contain_text("200 items, 1 failed · askpix-demo")
        assert ids(page) == [f"sku-{n:03d}" for n in range(60)]
        expect(page.locator("#page")).to_have_text("Page 1 of 4")
        page.wait_for_function(
            "() => [...document.images].slice(0, 4).every((one) => one.complete && one.naturalWidth === 240)"
        )
        first = small.rows()[0]
        card = page.locator(".card").first
        for answer in first.answers:
            expect(card).to_contain_text(f"{answer.name}{answer.text}")
        expect(card.locator(".confidence")).to_have_text(f"{min(one.confidence for one in first.answers):.2f}")

        page.get_by_role("button", name="Next").click()
        expect(page.locator("#page")).to_have_text("Page 2 of 4")
        assert ids(page)[0] == "sku-060"


def test_a_folder_of_20_000_items_holds_a_page_at_a_time(chrome: Browser, large: Shown) -> None:
    with opened(chrome, large) as seen:
        page = seen.page

        result(page, "20,000 items")
        expect(page.locator("#page")).to_have_text("Page 1 of 334")
        assert page.locator(".card").count() == 60
        assert page.locator("*").count() < 2_500
        page.wait_for_function(
            "() => [...document.images].slice(0, 4).every((one) => one.complete && one.naturalWidth === 240)"
        )
        # No details before somebody asks for them.
        assert not [url for url in seen.requests if "details-" in url]
        page.locator("#grid").focus()
        page.keyboard.press("PageDown")
        expect(page.locator("#page")).to_have_text("Page 2 of 334")
        assert ids(page)[0] == "item-000060"


@pytest.mark.parametrize("which", ["small", "large"])
def test_every_filter_finds_what_the_rows_hold(chrome: Browser, which: str, request: pytest.FixtureRequest) -> None:
    gallery: Shown = request.getfixturevalue(which)
    rows = gallery.rows()
    all_items = f"{len(rows):,}"

    def count(fits: Any) -> str:
        return f"{sum(map(fits, rows)):,} of {all_items} items"

    def has(row: Any, name: str, *texts: str) -> bool:
        return any(answer.name == name and answer.text in texts for answer in row.answers)

    with opened(chrome, gallery) as seen:
        page = seen.page
        # When: one value, a second of the same question, one of another.
        choose(page, "color", "red")
        result(page, count(lambda row: has(row, "color", "red")))
        choose(page, "color", "blue")
        result(page, count(lambda row: has(row, "color", "red", "blue")))
        choose(page, "product", "mug")
        both = count(lambda row: has(row, "color", "red", "blue") and has(row, "product", "mug"))
        result(page, both)
        # Then: other colors say how many there would be.
        pink = sum(has(row, "color", "pink") and has(row, "product", "mug") for row in rows)
        line = facet(page, "color").locator("li").filter(has=page.get_by_role("checkbox", name="pink"))
        expect(line.locator(".count")).to_have_text(f"{pink:,}")

        # When: they are taken back, one by one and all.
        page.get_by_role("button", name="Remove the filter product: mug").click()
        result(page, count(lambda row: has(row, "color", "red", "blue")))
        page.get_by_role("button", name="Clear all", exact=True).click()
        result(page, f"{all_items} items")

        # Status and error codes.
        code = next(row.error_code for row in rows if row.error_code)
        choose(page, "Status", "failed")
        result(page, count(lambda row: row.error_code is not None))
        choose(page, "Error", code)
        result(page, count(lambda row: row.error_code == code))
        expect(page.locator(".card .code").first).to_have_text(code)
        choose(page, "Error", code)
        choose(page, "Status", "failed")

        # Confidence.
        page.get_by_label("At most").fill("5000")
        result(page, count(lambda row: min((round(one.confidence, 4) for one in row.answers), default=2) <= 0.5))
        expect(page.get_by_role("button", name="Remove the filter confidence 0.00 to 0.50")).to_be_visible()
        page.get_by_label("Whose confidence").select_option(label="of color")
        result(page, count(lambda row: any(a.name == "color" and round(a.confidence, 4) <= 0.5 for a in row.answers)))
        page.get_by_role("button", name="Remove the filter confidence").click()
        result(page, f"{all_items} items")


def test_the_search_finds_words_of_all_that_is_said(chrome: Browser, large: Shown) -> None:
    rows = large.rows()
    captions = {row.id: next((one.text for one in row.answers if one.name == "caption"), "") for row in rows}

    with opened(chrome, large) as seen:
        page, search = seen.page, seen.page.locator("#search")
        search.press_sequentially("SHINY wall")
        found = [name for name, text in captions.items() if "shiny" in text and "wall" in text]
        result(page, f"{len(found):,} of 20,000 items")
        assert ids(page) == found[:60]

        # An id, a path, a message, and nothing at all.
        search.fill("item-012345")
        result(page, "1 of 20,000 items")
        search.fill("001-mug.jpg")
        result(page, f"{sum(row.image.endswith('001-mug.jpg') for row in rows):,} of 20,000 items")
        search.fill("what came of item-000049 was")
        result(page, "1 of 20,000 items")
        search.fill("no such words")
        result(page, "0 of 20,000 items")
        expect(page.locator("#empty")).to_be_visible()
        page.locator("#empty-clear").click()
        result(page, "20,000 items")
        expect(search).to_have_value("")


def test_texts_are_searched_while_they_are_still_read(chrome: Browser, large: Shown) -> None:
    with watched(chrome) as seen:
        page = seen.page
        # Given: somebody who types as soon as there is a page.
        page.goto(large.address, wait_until="commit")
        page.wait_for_selector("html[data-ready]")
        page.locator("#search").fill("item-019999")

        result(page, "1 of 20,000 items")
        assert ids(page) == ["item-019999"]
        assert seen.errors == []


def test_items_are_sorted(chrome: Browser, large: Shown) -> None:
    rows = large.rows()

    def lowest(row: Any) -> float:
        return round(min((one.confidence for one in row.answers), default=9), 4)

    expected = {
        "least certain first": sorted(rows, key=lowest),
        "most certain first": sorted(rows, key=lambda row: -lowest(row) if row.answers else 9),
        "slowest first": sorted(rows, key=lambda row: -round(row.seconds * 1_000)),
        "failed first": sorted((row for row in rows if row.error_code == "http_404"), key=lambda row: row.id),
        "by id": sorted(rows, key=lambda row: row.id),
    }
    with opened(chrome, large) as seen:
        for name, order in expected.items():
            seen.page.locator("#sort").select_option(label=name)
            expect(seen.page.locator("#grid .id").first).to_have_text(order[0].id)
            assert ids(seen.page) == [row.id for row in order[:60]], name


# One item. ---------------------------------------------------------------------------------------


def test_the_details_of_an_item_are_all_there(chrome: Browser, small: Shown) -> None:
    row = small.rows()[3]
    with opened(chrome, small) as seen:
        page, dialog = seen.page, seen.page.locator("dialog")
        page.locator(".card").nth(3).click()
        expect(dialog).to_be_visible()

        expect(dialog.locator("h2")).to_have_text("sku-003")
        color, product = row.answers
        expect(dialog.locator(".answer h3")).to_have_text([color.question or "", product.question or ""])
        expect(dialog.locator(".said-text")).to_have_text([color.text, product.text])
        # The likeliest choice first, each with a bar as long as it is likely.
        assert color.choices is not None
        likely = sorted(color.choices, key=lambda choice: -choice.probability)
        lines = dialog.locator(".answer").first.locator(".bar-line")
        expect(lines.locator(".bar-number")).to_have_text([f"{choice.probability:.2f}" for choice in likely])
        expect(lines.locator(".bar-text").first).to_have_text(likely[0].text)
        track, fill = (lines.first.locator(f".{part}").bounding_box() for part in ("track", "fill"))
        assert track is not None
        assert fill is not None
        assert fill["width"] / track["width"] == pytest.approx(likely[0].probability, abs=0.02)
        facts = dialog.locator(".facts").inner_text()
        for text in (
            row.image,
            "shelf 3",
            "240 \N{MULTIPLICATION SIGN} 240",
            row.model,
            row.device,
            row.precision,
            "price",
            row.sha256 or "",
        ):
            assert text in facts
        assert dialog.locator("img").evaluate("(image) => image.naturalWidth") == 240


def test_a_failed_item_says_what_happened(chrome: Browser, small: Shown) -> None:
    with opened(chrome, small) as seen:
        page = seen.page
        choose(page, "Status", "failed")
        page.locator(".card").first.click()

        error = page.locator("dialog .error")
        expect(error).to_contain_text("file_not_found")
        expect(error).to_contain_text("there is no file")
        expect(error).to_contain_text("Trying again can help.")
        expect(page.locator("dialog .large")).to_have_text("file_not_found")


def focused(page: Page) -> str:
    """Returns the id of the item whose card has the focus, or else that of the element."""
    return str(page.evaluate(f"{FOCUSED} ?? document.activeElement.id"))


def wait_for_focus(page: Page, id_: str) -> None:
    # A function: the page's policy forbids that an expression is read again for each look.
    page.wait_for_function(f"id => {FOCUSED} === id", arg=id_)


def test_the_keyboard_alone_does_everything(chrome: Browser, small: Shown) -> None:
    with opened(chrome, small) as seen:
        page, press = seen.page, seen.page.keyboard.press
        columns = page.locator("#grid").evaluate(
            "(grid) => getComputedStyle(grid).gridTemplateColumns.split(' ').length"
        )

        # The search, and from there to the cards.
        press("/")
        assert focused(page) == "search"
        page.keyboard.type("/")
        expect(page.locator("#search")).to_have_value("/")
        press("Backspace")
        result(page, "200 items")
        press("ArrowDown")
        assert focused(page) == "sku-000"

        # Along the grid, and over the ends of pages.
        for key, at in (("ArrowRight", 1), ("ArrowDown", 1 + columns), ("ArrowLeft", columns), ("ArrowUp", 0)):
            press(key)
            assert focused(page) == f"sku-{at:03d}", key
        press("ArrowLeft")
        assert focused(page) == "sku-000"
        press("End")
        assert focused(page) == "sku-059"
        press("ArrowRight")
        expect(page.locator("#page")).to_have_text("Page 2 of 4")
        wait_for_focus(page, "sku-060")
        assert page.evaluate("document.activeElement.matches(':focus-visible')")
        press("PageUp")
        wait_for_focus(page, "sku-000")

        # Into an item, on to the next, around within it and out again.
        press("Enter")
        expect(page.locator("dialog h2")).to_have_text("sku-000")
        press("ArrowRight")
        expect(page.locator("dialog h2")).to_have_text("sku-001")
        for _ in range(12):
            press("Tab")
            # Past its last element, the focus goes to the browser's own, and not to what lies below.
            assert page.evaluate("document.activeElement.matches('body, dialog *')")
        press("/")
        expect(page.locator("dialog")).to_be_visible()
        press("Escape")
        expect(page.locator("dialog")).to_be_hidden()
        wait_for_focus(page, "sku-001")

        # One stop for all cards: the next is what comes behind them.
        press("Tab")
        assert focused(page) == "next"


# Figures. ----------------------------------------------------------------------------------------


def test_charts_are_of_the_items_that_are_shown(chrome: Browser, large: Shown) -> None:
    rows = [row for row in large.rows() if any(one.name == "product" and one.text == "mug" for one in row.answers)]
    with opened(chrome, large) as seen:
        page = seen.page
        choose(page, "product", "mug")
        page.get_by_role("button", name="Charts").click()

        charts = page.locator("#charts")
        product = charts.locator(".chart").filter(has=page.locator("h2", has_text="product"))
        expect(product.locator(".bar-line")).to_have_text([f"mug{len(rows):,}"])
        color = charts.locator(".chart").filter(has=page.locator("h2", has_text="color"))
        counts = {text: sum(row.answers[1].text == text for row in rows) for text in COLORS}
        shown = [f"{text}{count:,}" for text, count in counts.items() if count]
        assert sorted(color.locator(".bar-line").all_text_contents()) == sorted(shown)
        confidence = charts.get_by_role("img", name="Confidence in 20 steps")
        heights = [float(one.get_attribute("height") or 0) for one in confidence.locator("rect").all()]
        assert len(heights) == 20
        assert max(heights) == 120
        speed = charts.locator(".chart").filter(has=page.locator("h2", has_text="Speed"))
        parts = -(-LARGE // 256)
        mean = (LARGE - 256) / (10 * (parts - 1))
        expect(speed).to_contain_text(f"{mean:.1f} items a second in the mean")
        expect(speed.get_by_role("img")).to_have_attribute("aria-label", re.compile("over 13 min: 25.3 in the mean"))
        # None failed among mugs.
        errors = charts.locator(".chart").filter(has=page.locator("h2", has_text="Errors"))
        expect(errors).to_have_count(0)
        choose(page, "product", "mug")
        expect(errors.locator(".bar-line")).to_have_count(4)


# Accessibility, and small windows. ---------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("which", ["small", "large"])
def test_axe_finds_no_serious_fault(chrome: Browser, which: str, dark: bool, request: pytest.FixtureRequest) -> None:
    with opened(chrome, request.getfixturevalue(which), dark=dark) as seen:
        page = seen.page
        faults = {"grid": serious(page)}
        choose(page, "color", "red")
        choose(page, "Status", "answered")
        page.locator(".card").first.click()
        expect(page.locator("dialog")).to_be_visible()
        faults["details"] = serious(page)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Charts").click()
        expect(page.locator(".chart").first).to_be_visible()
        faults["charts"] = serious(page)
        choose(page, "Status", "answered")
        choose(page, "Status", "failed")
        page.get_by_role("button", name="Remove the filter color: red").click()
        page.get_by_role("button", name="Pictures").click()
        page.locator(".card").first.click()
        faults["error"] = serious(page)

    assert faults == {where: [] for where in faults}


def serious(page: Page) -> list[str]:
    violations = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {node['html']}"
        for fault in violations
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("which", ["small", "large"])
def test_nothing_is_wider_than_a_phone(chrome: Browser, which: str, request: pytest.FixtureRequest) -> None:
    wide = "document.documentElement.scrollWidth > 360"
    with opened(chrome, request.getfixturevalue(which), width=360, height=740, mobile=True) as seen:
        page = seen.page
        assert not page.evaluate(wide)
        expect(page.locator("#filters")).to_be_hidden()
        page.get_by_role("button", name="Filters").click()
        choose(page, "color", "red")
        assert not page.evaluate(wide)
        page.get_by_role("button", name="Filters").click()
        page.locator(".card").first.click()
        expect(page.locator("dialog")).to_be_visible()
        assert not page.evaluate(wide)
        assert page.evaluate("document.getElementById('detail-body').scrollWidth <= 360")
        page.locator("#detail-close").click()
        page.get_by_role("button", name="Charts").click()
        assert not page.evaluate(wide)
