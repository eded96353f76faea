"""A real Prometheus, and its tool that checks rules."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from helpers.ports import free_port
from helpers.processes import wait_until


def installed(program: str) -> str:
    """Returns the path of `prometheus` or `promtool`; skips the test, or fails it, where there is none."""
    if path := shutil.which(program):
        return path
    if "ASKPIX_TESTS_MUST_NOT_SKIP" in os.environ:
        pytest.fail(f"{program} is not installed (Debian package prometheus)")
    pytest.skip(f"{program} is not installed (Debian package prometheus)")


class PrometheusServer:
    """Scrapes addresses once a second, and evaluates rules as often."""

    def __init__(self, folder: Path, targets: Sequence[str], rules: Path) -> None:
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "askpix", "static_configs": [{"targets": list(targets)}]}],
        }
        file = folder / "prometheus.yml"
        file.write_text(json.dumps(config))  # which is YAML too
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        options = [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'data'}"]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [installed("prometheus"), f"--config.file={file}", *options],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, within=60, what="a Prometheus that is ready")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Returns what an expression gives now: labels and a value each.

        Raises:
            urllib.error.HTTPError: it is none.
        """
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def number(self, expression: str) -> float:
        """Returns the value of an expression that gives one; 0 where it gives none."""
        return sum(float(one["value"][1]) for one in self.query(expression))

    def rules(self) -> list[dict[str, Any]]:
        """Returns the rules, and how their last evaluation went."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get("targets")["activeTargets"]
        return found

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def _get(self, what: str, **options: str) -> dict[str, Any]:
        with urllib.request.urlopen(
            f"{self._url}/api/v1/{what}?{urllib.parse.urlencode(options)}", timeout=30
        ) as answer:
            told: dict[str, Any] = json.loads(answer.read())["data"]
            return told

    def _answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self._url}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
        return False
