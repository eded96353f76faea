"""The image: its Dockerfile is in order, and what it installs is enough to answer and no more.

There is no engine here to build it. Its steps are carried out in a folder instead, which then may not be written to.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.dockerfile import build_context, carry_out, ignored, lineage, stages
from helpers.processes import environment

ROOT = Path(__file__).parents[2]
STAGES = stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))
FINAL = ("runtime", "gpu", "convert", "flower")
HADOLINT = Path(sys.executable).with_name("hadolint")
REQUIREMENTS = ROOT / "deploy" / "requirements"


def test_the_linter_has_nothing_to_say() -> None:
    done = subprocess.run([HADOLINT, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", FINAL)
def test_every_image_ends_as_a_user_without_rights_or_a_name(name: str) -> None:
    users = [user for stage in lineage(STAGES, name) for user in stage.values("USER")]

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", users[-1])


@pytest.mark.parametrize("name", FINAL)
def test_no_image_holds_what_built_it(name: str) -> None:
    own = lineage(STAGES, name)

    assert not {"build", "build-runtime", "build-flower", "build-convert"} & {stage.name for stage in own}
    assert [
        copy for stage in own for copy in stage.values("COPY") if "/build" in copy and "deploy/gpu" not in copy
    ] == []


def test_every_base_is_a_release_and_the_same() -> None:
    bases = {stage.base for stage in STAGES.values()} - set(STAGES)

    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", bases.pop())


@pytest.mark.parametrize(
    ("name", "path"), [("runtime", ":8080/readyz"), ("gpu", ":8080/readyz"), ("flower", ":5555/h")]
)
def test_health_is_asked_over_http(name: str, path: str) -> None:
    (check,) = [check for stage in lineage(STAGES, name) for check in stage.values("HEALTHCHECK")]
    program = json.loads(check.partition(" CMD ")[2])

    assert f"http://127.0.0.1{path}" in program[-1]
    compile(program[-1], "health check", "exec")


def pinned(name: str) -> dict[str, str]:
    """Returns the packages of a lock file, with their versions."""
    text = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["build", "runtime", "flower", "convert"])
def test_every_package_is_told_by_its_hashes(name: str) -> None:
    text = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=[a-z])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)) if entry]

    assert [entry.split()[0] for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []
    assert len(entries) > 5
    assert "http" not in text.replace("httpcore", "").replace("httpx", ""), (
        "where packages come from is the builder's own"
    )


@pytest.mark.parametrize(
    ("name", "extras"), [("runtime", ("local", "vlm")), ("flower", ("flower",)), ("convert", ("convert",))]
)
def test_the_images_install_what_is_asked_for_in_the_versions_that_are_tested(
    name: str, extras: tuple[str, ...]
) -> None:
    tested = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    installed = pinned(name)
    asked = {package for extra in ("", *extras) for package in requirements(extra)} - {"torch"}

    missing = asked - set(installed)
    assert not missing, f"{missing} is in pyproject.toml and not in deploy/requirements/{name}.txt: run `make lock`"
    other = {each for each in set(tested) & set(installed) if tested[each] != installed[each]}
    assert not other, f"constraints.txt has other versions of {other}: run `make lock`"


def requirements(extra: str) -> set[str]:
    """Returns what pyproject.toml asks for, with the extras that an extra names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = set()
    for line in project["optional-dependencies"][extra] if extra else project["dependencies"]:
        name = re.split(r"[<>=\[;~! ]", line, maxsplit=1)[0].lower()
        if name == "askpix":
            found |= {each for own in re.findall(r"\[(.*)\]", line)[0].split(",") for each in requirements(own)}
        else:
            found.add(name)
    return found


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("deploy/secrets/redis_password", True),
        (".env", True),
        (".git/config", True),
        ("demo/images/001-mug.jpg", True),
        ("worker/askpix/worker/__pycache__/app.cpython-311.pyc", True),
        ("worker/askpix/worker/app.py", False),
        ("deploy/requirements/runtime.txt", False),
        ("pyproject.toml", False),
    ],
)
def test_no_secret_and_nothing_needless_reaches_a_builder(name: str, out: bool) -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()

    assert ignored(name, [rule for rule in rules if rule and not rule.startswith("#")]) is out


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder /opt/askpix of the runtime image, as its build makes it, closed to writing."""
    context = tmp_path_factory.mktemp("context")
    build_context(ROOT, context)
    with tempfile.TemporaryDirectory(prefix="image-") as root:
        for stage in lineage(STAGES, "build-runtime"):
            carry_out(stage, context, Path(root))
        shutil.rmtree(Path(root, "build"))
        folder = Path(root, "opt", "askpix")
        subprocess.run(["chmod", "-R", "a-w", folder], check=True)
        yield folder
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)


@pytest.fixture
def place(images: Path) -> Iterator[Path]:
    """A folder to work in, with two pictures."""
    # Broker and worker speak over a socket in it, whose path must be short.
    with tempfile.TemporaryDirectory(prefix="p-") as folder:
        place = Path(folder)
        (place / "two").mkdir()
        for name in ("003-mug.jpg", "009-shoe.jpg"):
            shutil.copy(images / name, place / "two")
        yield place


def ran(installed: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program of the image, without any of the rights that compose takes from it."""
    env = environment({"PYTHONDONTWRITEBYTECODE": "1", "ASKPIX_MODEL_CACHE": str(cwd / "cache"), "HOME": "/nowhere"})
    # Root with its rights may write everywhere, whatever the files say.
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    program = [*drop, str(installed / "bin" / command[0]), *command[1:]]
    return subprocess.run(program, cwd=cwd, env=env, capture_output=True, text=True, timeout=240)


ABSENT = "import importlib.util as u; print([n for n in ('torch', 'transformers', 'pip', 'pytest') if u.find_spec(n)])"


def test_it_answers_and_has_neither_torch_nor_a_way_to_install_it(installed: Path, place: Path) -> None:
    # Given
    before = set(installed.rglob("*"))

    # When
    version = ran(installed, "askpix", "--version", cwd=place)
    absent = ran(installed, "python", "-c", ABSENT, cwd=place)
    answered = ran(installed, "askpix", "run", "two", "--output", "job", "--question", "what is it?", cwd=place)
    answers = ran(installed, "askpix", "export", "job", "--to", "-", cwd=place)

    # Then
    assert version.stdout == f"askpix {importlib.metadata.version('askpix')}\n", version.stderr
    assert absent.stdout == "[]\n", absent.stderr
    assert answered.returncode == 0, answered.stderr
    rows = [json.loads(line) for line in answers.stdout.splitlines()]
    assert [row["answers"][0]["text"] for row in rows] == ["mug", "shoe"]
    assert set(installed.rglob("*")) == before


def test_it_is_small(installed: Path) -> None:
    files = [path for path in installed.rglob("*") if path.is_file() and not path.is_symlink()]

    # It is some 600 MB, bytecode included: a third of it OpenVINO, another Arrow.
    assert sum(path.stat().st_size for path in files) < 700e6


def test_its_bill_of_materials_names_every_package_with_a_licence_that_asks_for_little(
    installed: Path, tmp_path: Path
) -> None:
    # When
    program = Path(sys.executable).with_name("cyclonedx-py")
    (options,) = re.findall(r"cyclonedx-py (environment .*) --output-file", (ROOT / "Makefile").read_text())
    file = tmp_path / "sbom.json"
    subprocess.run([program, *options.split(), "--output-file", file, installed], check=True, capture_output=True)

    # Then
    bill = json.loads(file.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    listed = {re.sub("[._]", "-", one["name"].lower()): one for one in bill["components"]}
    named = {name: str(one.get("licenses")) for name, one in listed.items()}
    assert {"askpix", "openvino", "celery"} <= set(listed)
    assert set(listed) - {"askpix"} <= set(pinned("runtime"))
    assert {name for name, own in named.items() if not re.search("Apache|BSD|MIT|MPL|PSF", own)} == set()
    assert {name for name, own in named.items() if "GPL" in own} == set()


def test_stages_are_read_as_they_are_written() -> None:
    assert STAGES["runtime"].base == "user"
    assert STAGES["runtime"].values("COPY") == ["--from=build-runtime /opt/askpix /opt/askpix"]
