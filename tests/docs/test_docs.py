"""Every command of the README and of the documentation runs as it is written, and prints what stands below it.

Those of a page run in their order, in a folder of the page's own that holds what a clone holds; those that need workers
elsewhere run after all others.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from helpers import doc_blocks
from helpers.doc_blocks import ROOT, Block, blocks, shown
from helpers.mpt import TinyMpt
from helpers.random_blip import MATCHING, built
from helpers.s3_server import S3Server
from helpers.system import RedisServer
from helpers.tiny_mpt import Sizes
from helpers.vlm import EXPORT_ENV, TinyVlms

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_DEMO = re.search(r"^\t\$\(BIN\)/(askpix run .*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
"""What `make demo` runs when all is set up."""


BLOCKS = [block for page in PAGES for block in blocks(page)]
WORKERS = [block for block in BLOCKS if block.mark == "a worker"]


@pytest.fixture(scope="module")
def clone_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives each page a folder with the clone's pictures and examples, and photographs such as a user has."""

    @cache
    def clone(page: str) -> Path:
        folder = tmp_path_factory.mktemp("clone")
        shutil.copytree(ROOT / "demo" / "images", folder / "demo" / "images")
        shutil.copy(ROOT / "demo" / "tags.yaml", folder / "demo")
        shutil.copytree(ROOT / "examples", folder / "examples")
        (folder / "photos").mkdir()
        shutil.copy(ROOT / "demo" / "images" / "003-mug.jpg", folder / "photos")
        (folder / "photos.csv").write_text("image,caption\nphotos/003-mug.jpg,a mug\n")
        return folder

    return clone


@pytest.fixture(scope="module")
def clone(clone_of: Callable[[str], Path]) -> Path:
    """The folder of the README."""
    return clone_of("README.md")


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def service(redis_server: RedisServer, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine with a broker, and with the pages' bucket on S3."""
    s3.client.create_bucket(Bucket="shop")
    for name in ("000-bottle.jpg", "001-mug.jpg"):
        s3.put(f"s3://shop/photos/{name}", (ROOT / "demo" / "images" / name).read_bytes())
    return {**s3.environment, **redis_server.environment}


@pytest.fixture(scope="module")
def worker(service: dict[str, str], redis_server: RedisServer, clone: Path) -> Iterator[None]:
    """The worker that the README starts."""
    with doc_blocks.worker(WORKERS[0], url=redis_server.url, cwd=clone, env=environment(service)):
        yield


def environment(more: dict[str, str]) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "ASKPIX_EXPORT_ENV": str(EXPORT_ENV), **more}


_MPT = tempfile.TemporaryDirectory(prefix="askpix-mpt-")


def _checkpoint(hub_id: str) -> Path:
    if "MPT" in hub_id:
        return TinyMpt(Path(_MPT.name)).checkpoint(sizes=Sizes(layers=4), max_seq_len=2_048)
    if "llava" in hub_id:
        return TinyVlms().checkpoint("llava")
    return built(MATCHING).checkpoint if "-itm-" in hub_id else ROOT / "demo" / "checkpoint"


def run(block: Block, folder: Path, more: dict[str, str]) -> None:
    assert _DEMO is not None
    lines = [
        _DEMO[1].replace("$(JOB)", "demo-job") if line == "make demo" else line for line in block.text.splitlines()
    ]
    text = "\n".join(line for line in lines if not line.startswith("make "))
    if block.mark.startswith("hub: "):
        # Hub ids stand for a checkpoint that is here.
        hub_id = block.mark.removeprefix("hub: ")
        text = text.replace(hub_id, str(_checkpoint(hub_id)))
        # What divides the sizes of a small one.
        text = text.replace("--group-size 128", "--group-size 16")
    doc_blocks.run(block, text, python=Path(sys.executable), cwd=folder, env=environment(more))


@pytest.mark.parametrize("block", [block for block in BLOCKS if "worker" not in block.mark], ids=str)
def test_what_the_pages_say_works(block: Block, clone_of: Callable[[str], Path]) -> None:
    run(block, clone_of(block.page), {})


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("block", [block for block in BLOCKS if block.mark == "with a worker"], ids=str)
def test_what_the_pages_say_of_workers_elsewhere_works(
    block: Block, service: dict[str, str], clone_of: Callable[[str], Path]
) -> None:
    run(block, clone_of(block.page), service)


@pytest.mark.parametrize(
    ("line", "printed", "same"),
    [
        ("M-02   what is it?  mug  0.89", "M-02   what is it?  mug  0.94", True),
        ("M-02   what is it?  mug  0.89", "M-02   what is it?  hat  0.89", False),
        ("no file …/a.jpg (x)", "no file /tmp/1/a.jpg (x)", True),
        ("4 items", "14 items", False),
    ],
)
def test_of_what_is_shown_only_decimals_and_what_is_left_out_may_differ(line: str, printed: str, same: bool) -> None:
    assert bool(shown(line).fullmatch(printed)) is same


def test_every_output_that_is_shown_is_that_of_a_block() -> None:
    marks = sum(page.read_text(encoding="utf-8").count("<!-- output -->") for page in PAGES)
    assert marks == sum(bool(block.output) for block in BLOCKS) > 10


def test_all_pages_start_their_worker_in_the_same_way() -> None:
    assert len({block.text for block in WORKERS}) == 1
    assert doc_blocks.MODEL in WORKERS[0].text


@pytest.mark.usefixtures("worker")
def test_the_examples_work(service: dict[str, str], redis_server: RedisServer, clone: Path) -> None:
    # Given: one picture here, two on S3, of which one is missing.
    local = str(clone / "photos" / "003-mug.jpg")
    ask = ["examples/ask_with_celery.py", redis_server.url, "askpix-demo"]
    submit = ["examples/submit_and_retry.py", "s3://shop/jobs/example"]
    submit += ["s3://shop/photos/000-bottle.jpg", "s3://shop/photos/none.jpg"]

    # When
    answers = [
        subprocess.run([sys.executable, *command], cwd=clone, env=environment(service), capture_output=True, text=True)
        for command in ([*ask, local, "what is it?"], [*ask, "s3://shop/photos/001-mug.jpg"], submit)
    ]

    # Then
    assert [answer.returncode for answer in answers] == [0, 0, 0], [answer.stderr for answer in answers]
    assert answers[0].stdout == "mug\n"
    assert "mug" in answers[1].stdout
    assert answers[2].stdout.splitlines() == ["picture-1 orange", "picture-2 object_not_found"]


def test_every_make_target_of_the_readme_is_run_by_ci_or_by_one_that_is() -> None:
    said = set(re.findall(r"^make (\w+)", PAGES[0].read_text(encoding="utf-8"), re.MULTILINE))
    run = set(re.findall(r"^make (\w+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE))

    # `make setup` is the first half of `make test`.
    assert said - {"setup"} <= run


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_page_and_heading_that_a_page_names_is_there(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", page.read_text(encoding="utf-8")):
        there = (page.parent / target) if target else page
        assert there.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings]
