"""Each image's text file is called as the image is, and stays in its folder whatever a list holds."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from askpix.producer.export.names import SUFFIX, file_name, sidecar_path

WEB = "https://cdn.example"


@pytest.mark.parametrize(
    ("identity", "image", "path"),
    [
        # The id is the reference as the list has it, the image what it was completed to.
        ("mug.jpg", "/shop/mug.jpg", "mug"),
        ("1/front.jpg", "/shop/1/front.jpg", "1/front"),
        ("1/front.jpg#2", "/shop/1/front.jpg", "1/front"),
        ("../old/./mug.jpg", "/shop/../old/mug.jpg", "old/mug"),
        ("/shop/1/front.jpg", "/shop/1/front.jpg", "front"),
        ("photo#2.jpg", "/shop/photo#2.jpg", "photo#2"),
        ("é ü.jpeg", "/shop/é ü.jpeg", "é ü"),
        ("photo:1.JPG", "/shop/photo:1.JPG", "photo:1"),
        ("1/a b.jpg", f"{WEB}/1/a%20b.jpg", "1/a b"),
        ("1/a%20b.jpg?w=3", f"{WEB}/1/a%20b.jpg?w=3", "1/a b"),
        ("1/a.jpg", "s3://shop/photos/1/a.jpg", "1/a"),
        ("s3://shop/photos/1/a.jpg", "s3://shop/photos/1/a.jpg", "a"),
        ("s3://shop/a%20b?.jpg", "s3://shop/a%20b?.jpg", "a%20b?"),
        (f"{WEB}/1/a.jpg", f"{WEB}/1/a.jpg", "a"),
        (f"{WEB}/a.jpg?size=3&n=b/c.png#top", f"{WEB}/a.jpg?size=3&n=b/c.png#top", "a"),
        ("file:///shop/a%20b.jpg", "file:///shop/a%20b.jpg", "a b"),
        # The caller's own ids name the item, not the image.
        ("sku-1", "/shop/mug.jpg", "mug"),
        ("sku-1", f"{WEB}/1/mug.jpg", "mug"),
        ("shelf/sku-1", f"{WEB}/get.php?id=1", "shelf/sku-1"),
        ("sku-1", WEB, "sku-1"),
        ("sku-1", "data:image/png;base64,AAAA", "sku-1"),
        ("data:0123456789abcdef#2", "data:image/png;base64,AA/AA", "data-0123456789abcdef#2"),
        # Suffixes of images, and what only looks like one.
        ("model-1.5", "/shop/model-1.5", "model-1.5"),
        ("a.b.tiff", "/shop/a.b.tiff", "a.b"),
        (".jpg", "/shop/.jpg", ".jpg"),
        ("mug", "/shop/mug", "mug"),
    ],
)
def test_the_name_is_that_of_the_image(identity: str, image: str, path: str) -> None:
    assert "/".join(sidecar_path(identity, image)) == path


@pytest.mark.parametrize(
    ("identity", "image", "path"),
    [
        ("../../etc/passwd.jpg", "../../etc/passwd.jpg", "etc/passwd"),
        ("/../../etc/passwd", "/../../etc/passwd", "passwd"),
        ("..", "..", "image"),
        ("", "", "image"),
        ("/", "https://[broken", "image"),
        (f"{WEB}/%2e%2e%2f%2e%2e%2fetc", f"{WEB}/%2e%2e%2f%2e%2e%2fetc", "etc"),
        ("%2e%2e/%2e%2e/a.jpg", f"{WEB}/%2e%2e/%2e%2e/a.jpg", "a"),
        (f"{WEB}/%00%1b[2J.jpg", f"{WEB}/%00%1b[2J.jpg", "__[2J"),
        ("..\\..\\a.jpg", "/x/..\\..\\a.jpg", ".._.._a"),
        ("a\nb\x9b\u2028\u202egpj.jpg", "/a\nb\x9b\u2028\u202egpj.jpg", "a_b___gpj"),
        ("CON.jpg", "/shop/CON.jpg", "CON_"),
        ("lpt1.tar.jpg", "/shop/lpt1.tar.jpg", "lpt1_.tar"),
        ("nul/aux.jpg", "/shop/nul/aux.jpg", "nul_/aux_"),
        ("console.jpg", "/shop/console.jpg", "console"),
        ("mug.txt/a.jpg", "/shop/mug.txt/a.jpg", "mug.txt_/a"),
        ("mug.TXT", "/shop/mug.TXT", "mug"),
        ("...jpg", "/shop/...jpg", ".."),
    ],
)
def test_no_name_leads_out_of_its_folder_or_is_another_program_s(identity: str, image: str, path: str) -> None:
    assert "/".join(sidecar_path(identity, image)) == path


@pytest.mark.parametrize(
    "name", ["x" * 5_000, "é" * 3_000, f"{'d' * 300}/a", "/".join("ab" * 2_000), f"{'y' * 200}/" * 20 + "z"]
)
def test_a_name_is_no_longer_than_file_systems_take(name: str) -> None:
    path = sidecar_path(f"{name}.jpg", f"/shop/{name}.jpg")

    assert len(path) <= 33
    assert all(0 < len(segment.encode()) <= 255 for segment in path)
    assert len(f"{path[-1]}{SUFFIX}".encode()) <= 255
    assert len("/".join(path).encode()) <= 1_000


@pytest.mark.parametrize(
    ("stem", "ending", "name"),
    [("mug", "", "mug"), ("mug", "-2", "mug-2"), ("x" * 251, "-2", "x" * 249 + "-2"), ("é" * 200, "", "é" * 125)],
)
def test_a_name_is_cut_before_its_ending(stem: str, ending: str, name: str) -> None:
    assert file_name(stem, ending) == name


def test_no_segment_is_one_that_a_path_acts_on() -> None:
    hostile = ["..", ".", "", "...", " ", "\0", "a/../..", "~", "-rf", "%2e%2e", "//x", "..%2f..", "a//b", "C:\\x"]
    for identity in hostile:
        for image in (identity, f"/shop/{identity}", f"{WEB}/{identity}", f"s3://shop/{identity}", "data:,"):
            path = sidecar_path(identity, image)
            assert path
            assert not {"", ".", ".."} & set(path[:-1])
            assert not any(c in segment for segment in path for c in "/\0\\")
            assert not PurePosixPath(*path).is_absolute()
