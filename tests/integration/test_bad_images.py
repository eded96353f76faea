"""Among 100 items, the bad ones become rows with an error, and the unusual ones are answered."""

from __future__ import annotations

import json
import re
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import pictures
from helpers.http_server import Page, Server, closed_port
from helpers.processes import Ran, askpix

from askpix.producer import Job, Row, Status

ITEMS = 100
QUESTION = "what is it?"

# What only a programmer would understand.
_JARGON = re.compile(r"Traceback|\w+(Error|Exception)\b|\bErrno\b|object at 0x|urllib3|HTTPConnection|[(\[]'|\w+\(.*\)")

BAD = {
    "missing.jpg": "file_not_found",
    "truncated.jpg": "image_damaged",
    "text.jpg": "not_an_image",
    "empty.jpg": "empty_file",
    "folder.jpg": "not_a_file",
    "/etc/hostname": "not_allowed",
    "ftp://example.com/a.jpg": "scheme_not_supported",
    "data:image/png;base64,?": "bad_reference",
    "http://user:secret@127.0.0.1/a.jpg": "bad_url",
    "http://10.255.255.1/a.jpg": "not_allowed",
    "URL of a 404": "http_404",
    "URL of a 503": "http_503",
    "URL of a closed port": "connection_refused",
    "URL that hangs up": "connection_failed",
    "URL that breaks off": "cut_short",
    "URL that redirects for ever": "too_many_redirects",
    "URL of a web page": "not_an_image",
    "no question": "empty_question",
}
"""The code of each bad item, by its id."""

UNUSUAL = {
    "cmyk.jpg": pictures.cmyk_jpeg,
    "animated.gif": pictures.animated_gif,
    "transparent.png": pictures.transparent_palette_png,
    "on-its-side.jpg": pictures.exif_rotated_jpeg,
    "misnamed.png": pictures.jpeg,
}
"""Valid pictures of the same product."""


@dataclass(frozen=True)
class Outcome:
    ran: Ran
    rows: list[Row]
    order: list[str]

    def row(self, identity: str) -> Row:
        return next(row for row in self.rows if row.id == identity)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, server: Server, images: Path) -> Outcome:
    folder = tmp_path_factory.mktemp("bad-images")
    (folder / "truncated.jpg").write_bytes(pictures.truncated_jpeg())
    (folder / "text.jpg").write_text("this is a text, whatever its name says")
    (folder / "empty.jpg").touch()
    (folder / "folder.jpg").mkdir()
    (folder / "pixel.png").write_bytes(pictures.one_pixel_png())
    (folder / "gray.png").write_bytes(pictures.gray_png())
    (folder / "gray-16-bit.png").write_bytes(pictures.gray_16_bit_png())
    for name, data in UNUSUAL.items():
        (folder / name).write_bytes(data())
    with ExitStack() as stack:
        urls = {
            "URL of a 404": server.url("/gone.jpg"),
            "URL of a 503": server.put("/busy.jpg", Page(status=503)),
            "URL of a closed port": f"http://127.0.0.1:{stack.enter_context(closed_port())}/a.jpg",
            "URL that hangs up": server.put("/hang-up.jpg", Page(hang_up=True)),
            "URL that breaks off": server.put("/breaks-off.jpg", Page(pictures.jpeg(), missing_bytes=100)),
            "URL that redirects for ever": server.put("/loop.jpg", Page(status=302, headers={"Location": "/loop.jpg"})),
            "URL of a web page": server.put("/page.jpg", b"<!doctype html><title>Please log in</title>"),
            "no question": str(images / "000-bottle.jpg"),
        }
        special = [*BAD, *UNUSUAL, "pixel.png", "gray.png", "gray-16-bit.png"]
        plain = [path.name for path in sorted(images.glob("*.jpg"))] * 2
        items = [{"id": name, "image": urls.get(name, name), "question": QUESTION} for name in special]
        items[special.index("no question")]["question"] = ""
        items += [{"id": f"plain {n}", "image": str(images / name)} for n, name in enumerate(plain)]
        # Spread, so that bad items have good neighbours in every batch.
        items = sorted(items[:ITEMS], key=lambda item: hash_of(str(item["id"])))
        lines = [json.dumps(item) for item in items]
        (folder / "list.jsonl").write_text("\n".join(lines), encoding="utf-8")
        ran = askpix(
            "run", "list.jsonl", "--output", "job", "--allow-net", "127.0.0.0/8", "--files-root", images,
            "--question", "what color is it?", cwd=folder,
        )  # fmt: skip
    return Outcome(ran, list(Job.open(str(folder / "job")).results()), [str(item["id"]) for item in items])


def hash_of(text: str) -> int:
    """Returns a number that looks like chance and is the same each time."""
    return zlib.crc32(text.encode())


def test_a_run_with_bad_items_exits_with_1_and_says_what_failed(outcome: Outcome) -> None:
    assert outcome.ran.code == 1, outcome.ran.err
    assert f"{ITEMS} items: {ITEMS - len(BAD)} ok, {len(BAD)} failed" in outcome.ran.err
    assert all(code in outcome.ran.err for code in BAD.values())
    assert "Traceback" not in outcome.ran.err


def test_rows_are_in_the_order_of_the_input(outcome: Outcome) -> None:
    assert len(outcome.rows) == ITEMS
    assert [row.id for row in outcome.rows] == outcome.order


@pytest.mark.parametrize("identity", BAD)
def test_a_bad_item_has_its_own_code_and_a_message_for_a_person(outcome: Outcome, identity: str) -> None:
    row = outcome.row(identity)

    assert row.status is Status.ERROR
    assert row.error_code == BAD[identity]
    assert row.retryable is not None
    message = row.error_message or ""
    assert 10 < len(message) < 300
    assert not _JARGON.search(message), message
    assert "secret" not in message


def test_the_rest_is_answered(outcome: Outcome) -> None:
    bad = {row.id for row in outcome.rows if row.status is Status.ERROR}

    assert bad == set(BAD)
    assert all(len(row.answers) == 1 for row in outcome.rows if row.status is Status.OK)


@pytest.mark.parametrize("identity", UNUSUAL)
def test_an_unusual_picture_is_seen_as_a_person_sees_it(outcome: Outcome, identity: str) -> None:
    row = outcome.row(identity)

    assert row.answers[0].text == pictures.PRODUCT.kind
    assert (row.width, row.height) == ((300, 280) if identity == "transparent.png" else (260, 240))


def test_16_bits_of_gray_are_seen_as_8_are(outcome: Outcome) -> None:
    deep, plain = outcome.row("gray-16-bit.png").answers[0], outcome.row("gray.png").answers[0]

    assert deep.text == plain.text
    assert abs(deep.confidence - plain.confidence) < 0.02


def test_a_single_pixel_is_answered(outcome: Outcome) -> None:
    row = outcome.row("pixel.png")

    assert (row.width, row.height) == (1, 1)
    assert row.answers[0].text
