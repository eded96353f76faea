"""Makes what is released, and looks at it as a package index would: `make dist`.

The source distribution is made of what is committed, and the wheel of that source distribution; whoever has but one of
the two has all of it. Ends with 1, and writes nothing, where something is wrong with them.
"""

from __future__ import annotations

import argparse
import email
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from trove_classifiers import classifiers

ROOT = Path(__file__).parents[1]
PACKAGES = ("producer/askpix", "worker/askpix")


def build(source: Path, kind: str, folder: Path) -> Path:
    """Builds the `sdist` or the `wheel` of a source tree into a folder of its own, and returns its file."""
    program = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
    subprocess.run(program, cwd=source, check=True, stdout=subprocess.DEVNULL)
    (file,) = folder.iterdir()
    return file


def committed(folder: Path) -> Path:
    """Writes the tree of HEAD into a folder, and returns it."""
    program = ["git", "archive", "HEAD"]
    tree = subprocess.run(program, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(tree)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def unpacked(sdist: Path, folder: Path) -> Path:
    """Unpacks a source distribution, and returns its folder."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    return top


def problems(tree: Path, sdist: Path, wheel: Path, other: Path) -> Iterator[str]:
    """Yields what is wrong, in words.

    Args:
        tree: what is committed.
        sdist: made of it.
        wheel: made of the source distribution.
        other: a wheel that was made of the tree itself.
    """
    if wheel.read_bytes() != other.read_bytes():
        yield f"{wheel.name} from the source distribution is not the one from the repository"
    ours = {
        str(file.relative_to(tree / package).as_posix())
        for package in PACKAGES
        for file in (tree / package).rglob("*")
        if file.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        (about,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(about))
    inside = {name.removeprefix("askpix/") for name in inside}
    yield from (f"{wheel.name} lacks {name}" for name in sorted(ours - inside))
    yield from (f"{wheel.name} has {name}, which is of no package" for name in sorted(inside - ours))
    yield from (
        f"there is no classifier {name!r}" for name in metadata.get_all("Classifier", ()) if name not in classifiers
    )
    version = metadata["Version"]
    if not re.search(rf"^## {re.escape(version)}( |$)", (tree / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE):
        yield f"CHANGELOG.md has no heading for {version}"
    twine = [sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel)]
    said = subprocess.run(twine, capture_output=True, text=True)
    if said.returncode:
        yield f"twine: {said.stdout}{said.stderr}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="the folder that they are written into")
    output: Path = parser.parse_args().output
    with tempfile.TemporaryDirectory(prefix="askpix-dist-") as name:
        work = Path(name)
        tree = committed(work / "tree")
        sdist = build(tree, "sdist", work / "sdist")
        wheel = build(unpacked(sdist, work / "unpacked"), "wheel", work / "wheel")
        found = list(problems(tree, sdist, wheel, build(tree, "wheel", work / "other")))
        for problem in found:
            print(problem, file=sys.stderr)
        if found:
            return 1
        output.mkdir(parents=True, exist_ok=True)
        for file in (sdist, wheel):
            shutil.copy(file, output)
            print(output / file.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
