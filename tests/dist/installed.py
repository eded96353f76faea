"""The wheel, in an empty environment, does what the tutorial says; called by `make test-dist`, for it fills that
environment from the package index.

`ASKPIX_TESTS_VERSIONS` says with which versions: `pinned`, as constraints.txt has them (the default), `newest`, or
`oldest`, the first ones that pyproject.toml allows.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import doc_blocks
from helpers.doc_blocks import Block, blocks
from helpers.processes import wait_until
from helpers.s3_server import S3Server
from helpers.system import RedisServer

from askpix.producer import Client

pytestmark = pytest.mark.timeout(1_800)

ROOT = Path(__file__).parents[2]
TUTORIAL = list(blocks(ROOT / "docs" / "tutorial.md"))
VERSIONS = os.environ.get("ASKPIX_TESTS_VERSIONS", "pinned")

def _limits(folder: Path) -> list[str]:
    """Returns what tells pip which versions to take."""
    if VERSIONS == "pinned":
        return ["-c", str(ROOT / "constraints.txt")]
    if VERSIONS == "newest":
        return []
    assert VERSIONS == "oldest", f"ASKPIX_TESTS_VERSIONS is pinned, newest or oldest, not {VERSIONS}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["local"]]
    lowest = (re.match(r"([\w.-]+)(?:\[[^\]]*\])?\s*>=\s*([\w.]+)", line) for line in wanted)
    (folder / "oldest.txt").write_text("".join(f"{found[1]}=={found[2]}\n" for found in lowest if found))
    return ["-c", str(folder / "oldest.txt")]


def _installed(folder: Path, extra: str) -> Path:
    """Returns the programs of an environment that has the wheel and what it needs, and nothing else."""
    (wheel,) = (ROOT / "dist").glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_limits(folder)]
    subprocess.run([*command, f"{wheel}{extra}"], check=True, cwd=folder)
    return python.parent


def _environment(programs: Path, more: dict[str, str]) -> dict[str, str]:
    """Returns one in which nothing of the checkout is found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ASKPIX_", "VIRTUAL"))}
    # Nor are answers that were kept on this machine before.
    alone = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "ASKPIX_ANSWER_CACHE": "off"}
    return {**kept, **alone, **more}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of an install with what the tutorial needs."""
    return _installed(tmp_path_factory.mktemp("local"), "[local]")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's folder, which is empty at first."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def service(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisServer, dict[str, str]]]:
    """A broker, and what tells of it and of the page's bucket."""
    s3.client.create_bucket(Bucket="shop")
    for name in ("000-bottle.jpg", "001-mug.jpg"):
        s3.put(f"s3://shop/photos/{name}", (ROOT / "demo" / "images" / name).read_bytes())
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server, {**s3.environment, **server.environment}
    server.close()


@pytest.fixture(scope="module")
def worker(programs: Path, place: Path, service: tuple[RedisServer, dict[str, str]]) -> Iterator[None]:
    """The worker that the page starts."""
    (block,) = [block for block in TUTORIAL if block.mark == "a worker"]
    server, more = service
    with doc_blocks.worker(block, url=server.url, cwd=place, env=_environment(programs, more)):
        yield


def test_the_checkout_is_not_there(programs: Path, place: Path) -> None:
    done = subprocess.run(
        [programs / "python", "-c", "import askpix.producer, askpix.worker; print(askpix.worker.__path__)"],
        cwd=place,
        env=_environment(programs, {}),
        capture_output=True,
        text=True,
        check=True,
    )

    assert str(programs.parent) in done.stdout
    assert str(ROOT / "worker") not in done.stdout


@pytest.mark.parametrize("block", [block for block in TUTORIAL if "worker" not in block.mark], ids=str)
def test_what_the_tutorial_says_works(block: Block, programs: Path, place: Path) -> None:
    doc_blocks.run(block, block.text, python=programs / "python", cwd=place, env=_environment(programs, {}))


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("block", [block for block in TUTORIAL if block.mark == "with a worker"], ids=str)
def test_what_the_tutorial_says_of_workers_elsewhere_works(
    block: Block, programs: Path, place: Path, service: tuple[RedisServer, dict[str, str]]
) -> None:
    doc_blocks.run(block, block.text, python=programs / "python", cwd=place, env=_environment(programs, service[1]))
