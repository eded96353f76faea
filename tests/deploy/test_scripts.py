"""The scripts of deploy/: they are in order, and do what compose and systemd have them do."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml
from helpers.processes import environment, wait_until
from helpers.s3_server import S3Server

from askpix.cli.worker import command as worker
from askpix.producer.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
SCRIPTS = sorted(path for path in [*DEPLOY.rglob("*.sh"), ROOT / ".ci" / "run"])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_shell_linter_has_nothing_to_say(script: Path) -> None:
    done = subprocess.run([BIN / "shellcheck", script], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """A folder with the script that makes secrets, and no secrets."""
    folder = tmp_path / "deploy"
    folder.mkdir()
    shutil.copy(DEPLOY / "secrets.sh", folder)
    return folder


def secrets(deploy: Path) -> dict[str, str]:
    subprocess.run(["./secrets.sh"], cwd=deploy, check=True, capture_output=True)
    return {file.name: file.read_text() for file in (deploy / "secrets").iterdir()}


def test_secrets_are_random_and_those_that_are_there_stay(deploy: Path) -> None:
    # Given
    first = secrets(deploy)
    (deploy / "secrets" / "grafana_password").unlink()

    # When
    second = secrets(deploy)

    # Then
    assert set(first) == set(second)
    assert {name for name in first if first[name] != second[name]} == {"grafana_password"}
    passwords = [text for name, text in first.items() if name.endswith("_password")]
    assert len(set(passwords)) == len(passwords) == 5
    assert all(re.fullmatch("[0-9a-f]{48}", password) for password in passwords)


def test_others_on_the_machine_cannot_reach_them_and_containers_can(deploy: Path) -> None:
    made = secrets(deploy)
    folder = deploy / "secrets"

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in made} == {0o444}


def test_the_store_s_keys_are_those_of_its_users(deploy: Path) -> None:
    made = secrets(deploy)
    users = {user["name"]: user for user in json.loads(made["s3_config.json"])["identities"]}

    assert set(users) == {"admin", "askpix"}
    for name, file in (("admin", "s3_admin_credentials"), ("askpix", "s3_credentials")):
        read = ConfigParser()
        read.read_string(made[file])
        (keys,) = users[name]["credentials"]
        assert keys == {
            "accessKey": read["default"]["aws_access_key_id"],
            "secretKey": read["default"]["aws_secret_access_key"],
        }
    assert all(action.endswith(":askpix") for action in users["askpix"]["actions"])


def given_to_containers() -> list[str]:
    """Returns what compose mounts of this repository."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"].values()
    mounted = [volume for service in services for volume in service.get("volumes", ())]
    return sorted({found[1] for volume in mounted if (found := re.search(r"\./((?:deploy|demo)/[\w./]+)", volume))})


@pytest.mark.parametrize("path", given_to_containers())
def test_what_containers_could_not_read_is_said_with_what_opens_it(deploy: Path, path: str) -> None:
    # Given: a clone in which one path is closed to others, as all are under umask 077.
    clone = deploy.parent
    for each in given_to_containers():
        (clone / each).parent.mkdir(exist_ok=True, parents=True)
        if (ROOT / each).is_dir():
            shutil.copytree(ROOT / each, clone / each)
        else:
            shutil.copy(ROOT / each, clone / each)
    subprocess.run(["chmod", "-R", "go+rX", *given_to_containers()], cwd=clone, check=True)
    secrets(deploy)
    subprocess.run(["chmod", "-R", "go=", path], cwd=clone, check=True)

    # When
    said = subprocess.run(["./secrets.sh"], cwd=deploy, capture_output=True, text=True)
    (advice,) = re.findall(r"(chmod .*)$", said.stderr, re.MULTILINE)
    subprocess.run(["sh", "-c", advice], cwd=clone, check=True)
    then = subprocess.run(["./secrets.sh"], cwd=deploy, capture_output=True, text=True)

    # Then: it is open, and the secrets are not.
    assert said.returncode == 1
    assert f"\n  {path}\n" in said.stderr
    assert (then.returncode, then.stderr) == (0, "")
    assert stat.S_IMODE((deploy / "secrets").stat().st_mode) == 0o700


def test_the_bucket_is_made_once(s3: S3Server, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("[default]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
    variables = {**s3.environment, "AWS_SHARED_CREDENTIALS_FILE": str(keys)}
    del variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]

    said = [
        subprocess.run(
            [sys.executable, DEPLOY / "s3" / "bucket.py", "a-bucket-of-its-own"],
            env=environment(variables),
            capture_output=True,
            text=True,
        ).stdout
        for _ in range(2)
    ]

    assert said == ["made the bucket a-bucket-of-its-own\n", "the bucket a-bucket-of-its-own is there\n"]
    assert s3.keys("a-bucket-of-its-own") == []


def test_a_store_that_is_not_there_is_said_in_a_line() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}
    done = subprocess.run(
        [sys.executable, DEPLOY / "s3" / "bucket.py", "x"],
        env=environment({**keys, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("the bucket x cannot be made: ")
    assert "Traceback" not in done.stderr


def preparing(models: Path, **variables: str) -> dict[str, str]:
    """Returns the environment of the script that prepares a model."""
    return environment({"MODELS": str(models), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **variables})


def prepared(models: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    env = preparing(models, **variables)
    return subprocess.run(["sh", DEPLOY / "model.sh"], env=env, capture_output=True, text=True)


def name_of(models: Path) -> str:
    return str(json.loads((models / "current" / "manifest.json").read_text())["name"])


def test_without_a_word_the_demo_model_is_served_and_prepared_once(tmp_path: Path) -> None:
    first = prepared(tmp_path)
    before = (tmp_path / "current").readlink()
    again = prepared(tmp_path)

    assert first.returncode == 0, first.stderr
    assert name_of(tmp_path) == "askpix-demo"
    assert again.stdout.startswith("the model is there")
    assert (tmp_path / "current").readlink() == before


def test_a_checkpoint_is_converted_in_its_place(tmp_path: Path) -> None:
    prepared(tmp_path)

    done = prepared(tmp_path, MODEL=str(ROOT / "demo" / "checkpoint"), MODEL_PRECISION="f16")

    assert done.returncode == 0, done.stderr
    assert name_of(tmp_path) == "checkpoint"
    # Of the one before, and of what was needed on the way, nothing is left.
    current = str((tmp_path / "current").readlink())
    assert {path.name for path in tmp_path.iterdir()} == {"current", "current.from", current}


def test_where_it_cannot_be_made_the_one_before_stays(tmp_path: Path) -> None:
    prepared(tmp_path)
    there = {path.name for path in tmp_path.iterdir()}

    done = prepared(tmp_path, MODEL="/import/none")

    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert name_of(tmp_path) == "askpix-demo"
    assert {path.name for path in tmp_path.iterdir()} == there


@pytest.mark.parametrize("word", ["", str(ROOT / "demo" / "checkpoint")], ids=["as before", "another model"])
def test_what_one_that_was_killed_left_goes(tmp_path: Path, word: str) -> None:
    # Given
    prepared(tmp_path)
    for left in ("model-20200101-000000-7", ".model-20200101-000000-7-x1", "hub"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "weights").write_bytes(b"half")
    (tmp_path / "current.new").symlink_to("model-20200101-000000-7")

    # When
    done = prepared(tmp_path, MODEL=word)

    # Then
    assert done.returncode == 0, done.stderr
    assert name_of(tmp_path) == ("checkpoint" if word else "askpix-demo")
    current = str((tmp_path / "current").readlink())
    assert {path.name for path in tmp_path.iterdir()} == {"current", "current.from", current}


def test_one_that_is_stopped_leaves_nothing_and_nobody(tmp_path: Path) -> None:
    # Given: one that converts, and has begun to write.
    prepared(tmp_path)
    there = {path.name for path in tmp_path.iterdir()}
    env = preparing(tmp_path, MODEL=str(ROOT / "demo" / "checkpoint"))
    script = subprocess.Popen(["sh", DEPLOY / "model.sh"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_until(lambda: {path.name for path in tmp_path.iterdir()} > there, within=60, what="a model that is half there")

    # When: it is told to end, and it alone, as an init does.
    script.terminate()
    # This returns when nobody holds its end of the pipe any more: neither it nor what it started.
    said, _ = script.communicate(timeout=180)

    # Then
    assert script.returncode == 143, said
    assert {path.name for path in tmp_path.iterdir()} == there
    assert name_of(tmp_path) == "askpix-demo"


def test_the_unit_is_one_that_systemd_understands_and_closed(tmp_path: Path) -> None:
    # Given: the unit, with a program that is here.
    if shutil.which("systemd-analyze") is None and "ASKPIX_TESTS_MUST_NOT_SKIP" not in os.environ:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")
    text = (DEPLOY / "systemd" / "askpix-worker.service").read_text(encoding="utf-8")
    unit = tmp_path / "askpix-worker.service"
    unit.write_text(text.replace("/opt/askpix/bin/askpix", str(BIN / "askpix")))

    # When
    read = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    judged = subprocess.run(["systemd-analyze", "security", "--offline=yes", unit], capture_output=True, text=True)

    # Then: 0 is closed to everything, and 10 is open.
    assert read.returncode == 0, read.stderr
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", judged.stdout)
    assert float(exposure) < 2.5


def test_the_unit_starts_a_worker_with_options_that_it_has() -> None:
    text = (DEPLOY / "systemd" / "askpix-worker.service").read_text(encoding="utf-8")
    (command,) = re.findall(r"^ExecStart=/opt/askpix/bin/askpix (.*)$", text, re.MULTILINE)
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    name, *options = command.split()

    with worker.make_context(name, options) as context:
        assert int(stop) >= context.params["grace"] + 10
    known = {f"ASKPIX_{field.upper()}" for field in Settings.model_fields}
    assert set(re.findall(r"ASKPIX_[A-Z_]+", text)) <= known
