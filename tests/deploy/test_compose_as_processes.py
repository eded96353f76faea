"""What docker-compose.yml starts answers a job: its own commands, health checks, users and secrets, without containers.

Each service is a process here. Its places are others than in a container, and nothing else about it is. Whether what a
deployment says of itself agrees with its results, test_figures_agree.py asks, of parts that it puts together itself.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.ports import free_port
from helpers.processes import ASKPIX, environment, wait_until
from helpers.s3_server import S3Server
from helpers.system import REDIS_SERVER, need_redis_server

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


class Together:
    """The services of the compose file, in processes that see files of one folder in place of what is mounted."""

    def __init__(self, folder: Path, s3: S3Server) -> None:
        self.folder = folder
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        deploy = folder / "deploy"
        shutil.copytree(ROOT / "deploy", deploy, ignore=shutil.ignore_patterns("secrets"))
        # As the guide says, where a clone is closed to others.
        subprocess.run(["chmod", "-R", "go+rX", deploy], check=True)
        subprocess.run([deploy / "secrets.sh"], check=True, capture_output=True)
        self.secrets = deploy / "secrets"
        self.ports = {name: free_port() for name in ("redis", "health", "flower")}
        (folder / "models").mkdir()
        # The first that fits counts.
        self._places = {
            "/run/secrets": str(self.secrets),
            "/etc/redis": str(deploy / "redis"),
            "/deploy/bucket.py": str(deploy / "s3" / "bucket.py"),
            "/deploy/model.sh": str(deploy / "model.sh"),
            "/models": str(folder / "models"),
            "/images": str(ROOT / "demo" / "images"),
            "http://s3:8333": s3.url,
            "@redis:6379": f"@127.0.0.1:{self.ports['redis']}",
            "0.0.0.0:8080": f"127.0.0.1:{self.ports['health']}",
            "127.0.0.1:8080": f"127.0.0.1:{self.ports['health']}",
            "--address=0.0.0.0": f"--port={self.ports['flower']}",
            "redis-cli ": f"redis-cli -p {self.ports['redis']} ",
            "$$": "$",
            "${CONTACT:-}": "",
            "${MODEL:-}": "",
            "${MODEL_PRECISION:-f32}": "f32",
            "${MODEL_IMAGES:-}": "",
        }

    def here(self, text: Any) -> str:
        """Returns what stands in the file, with the places of this folder."""
        return re.sub("|".join(map(re.escape, self._places)), lambda found: self._places[found[0]], str(text))

    def command(self, name: str, *arguments: str) -> list[str]:
        service = SERVICES[name]
        entry = service.get("entrypoint", [str(ASKPIX)])
        return [self.here(each) for each in (*entry, *(arguments or service.get("command", ())))]

    def environment(self, name: str) -> dict[str, str]:
        own = {variable: self.here(value) for variable, value in SERVICES[name].get("environment", {}).items()}
        places = {"REDIS_SECRETS": self.secrets, "REDIS_RUN": self.folder / "run", "REDIS_DATA": self.folder}
        places |= {"REDIS_PORT": self.ports["redis"], "REDIS_SERVER": REDIS_SERVER, "MODELS": self.folder / "models"}
        places |= {
            "ASKPIX_MODEL_CACHE": self.folder / "compiled",
            "PATH": f"{ASKPIX.parent}{os.pathsep}{os.environ['PATH']}",
        }
        foreign = [variable for variable in os.environ if variable.startswith("AWS_")]
        every = environment({**{variable: str(place) for variable, place in places.items()}, **own})
        return {variable: value for variable, value in every.items() if variable in own or variable not in foreign}

    def run(self, name: str, *arguments: str) -> str:
        """Runs a service that ends by itself; returns what it prints."""
        done = subprocess.run(
            self.command(name, *arguments), env=self.environment(name), cwd=self.folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name: str, health: list[str]) -> None:
        """Starts a service; returns when it is well by its own health check."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self._started[name] = process = subprocess.Popen(
                self.command(name), env=self.environment(name), cwd=self.folder, stdout=log, stderr=log
            )
        check = [sys.executable if word == "python" else self.here(word) for word in health]

        def well() -> bool:
            assert process.poll() is None, (self.folder / f"{name}.log").read_text()
            return subprocess.run(check, capture_output=True).returncode == 0

        wait_until(well, within=90, what=f"{name} being well")

    def end(self, name: str) -> int:
        """Ends a service as compose does; returns its exit code."""
        grace = float(SERVICES[name].get("stop_grace_period", "10s").removesuffix("s"))
        self._started[name].terminate()
        return self._started[name].wait(grace)

    def close(self) -> None:
        for process in self._started.values():
            process.kill()
            process.wait(10)


def health_in_image(address: str) -> list[str]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (found,) = [check for check in re.findall(r"CMD (\[\"python\".*\])", text) if address in check]
    return list(json.loads(found))


@pytest.fixture
def together(s3: S3Server) -> Iterator[Together]:
    need_redis_server()
    with tempfile.TemporaryDirectory(prefix="together-") as folder:
        together = Together(Path(folder), s3)
        yield together
        together.close()


def test_a_job_is_answered_and_seen_by_what_compose_starts(together: Together) -> None:
    # Given: all is started, in the order in which compose does.
    _, *redis_check = SERVICES["redis"]["healthcheck"]["test"]
    together.start("redis", ["sh", "-c", *redis_check])
    assert together.run("bucket") == "made the bucket askpix\n"
    assert "workers serve demo" in together.run("model")
    together.start("worker", health_in_image("/readyz"))
    flower = [word.replace(":5555", f":{together.ports['flower']}") for word in health_in_image("/healthcheck")]
    together.start("flower", flower)

    # When
    together.run("askpix", "submit", "/images", "--output", "s3://askpix/jobs/first", "--question", "what is it?")
    together.run("askpix", "watch", "s3://askpix/jobs/first")
    rows = together.run("askpix", "export", "s3://askpix/jobs/first", "--to", "-").splitlines()

    # Then
    assert len(rows) == 48
    assert all(json.loads(row)["status"] == "ok" for row in rows)
    password = (together.secrets / "flower_password").read_text()
    login = base64.b64encode(f"askpix:{password}".encode()).decode()
    address = f"http://127.0.0.1:{together.ports['flower']}/api/tasks"

    def shown() -> bool:
        asked = urllib.request.Request(address, headers={"Authorization": f"Basic {login}"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return [task["state"] for task in json.load(answer).values()] == ["SUCCESS"]

    wait_until(shown, within=20, what="the part in Flower")
    assert together.end("worker") == 0
    assert together.end("flower") == 0
