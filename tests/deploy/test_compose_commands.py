"""The command lines of docker-compose.yml and of its guide: the real command takes them, and they fit each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from askpix.cli.main import command as askpix

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WORKERS = ("worker", "worker-gpu")


def elsewhere() -> list[str]:
    """Returns the command line of the worker that the guide starts on another machine."""
    guide = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    lines = guide.replace("\\\n", "")
    (found,) = re.findall(r"^\$ docker run --detach .* askpix:runtime (worker .*)$", lines, re.MULTILINE)
    return str(found).split()


def commands() -> list[list[str]]:
    """Returns every command line of askpix in the file, and those that the guide gives for its command line."""
    ours = [
        service["command"] for service in SERVICES.values() if service.get("command", [""])[0] in ("worker", "flower")
    ]
    guide = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\$ docker compose run --rm askpix ([^|>\n]+)", guide, re.MULTILINE)
    assert len(lines) > 3
    return [
        *ours,
        elsewhere(),
        *([word.strip("'\"") for word in re.findall(r"\"[^\"]*\"|\S+", line)] for line in lines),
    ]


@pytest.mark.parametrize("arguments", commands(), ids=lambda words: " ".join(words)[:60])
def test_every_command_line_is_one(arguments: list[str]) -> None:
    with click.Context(askpix, info_name="askpix") as context:
        name, found, rest = askpix.resolve_command(context, list(arguments))
        assert found is not None
        while isinstance(found, click.Group):
            name, inner, rest = found.resolve_command(context, rest)
            assert inner is not None
            found = inner

        # An option that does not exist, or a value that it does not take, raises.
        found.make_context(name, rest, parent=context)


def test_the_health_of_a_worker_is_asked_where_it_tells() -> None:
    (port,) = {each for name in WORKERS for each in SERVICES[name]["command"] if each.startswith("--health-port=")}
    checks = re.findall(r"127\.0\.0\.1:(\d+)/readyz", (ROOT / "Dockerfile").read_text(encoding="utf-8"))

    assert {port.rpartition(":")[2]} == set(checks)
    alone = elsewhere()
    assert {alone[alone.index("--health-port") + 1]} == set(checks)
    scraped = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    (config,) = [each for each in yaml.safe_load(scraped)["scrape_configs"] if each["job_name"] == "askpix"]
    (found,) = config["dns_sd_configs"]
    assert str(found["port"]) in checks
    # A name for all of them, of whatever service, so that it leads to some as long as there is one.
    named = {alias for name in WORKERS for alias in SERVICES[name]["networks"]["metrics"]["aliases"]}
    assert {*found["names"]} == named
    assert all(SERVICES[name]["networks"]["metrics"]["aliases"] == found["names"] for name in WORKERS)
    assert "metrics" in SERVICES["prometheus"]["networks"]
