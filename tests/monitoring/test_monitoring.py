"""The dashboard, the alerts and the documentation speak of what workers really tell."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.http_server import Server
from helpers.metrics import scrape, status
from helpers.ports import free_port
from helpers.processes import wait_until
from helpers.prometheus import PrometheusServer, installed
from helpers.system import MODEL, RedisServer, WorkerProcess, finished

from askpix.producer.client import Client, Item, Question
from askpix.producer.messages import QUEUED_HEADER
from askpix.worker.cores import allowed

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "askpix.json"
PAGE = ROOT / "docs" / "monitoring.md"
NAME = re.compile(r"\baskpix_[a-z_]+")
PARTS_OF = re.compile(r"_(bucket|count|sum)$")


def names_in(text: str, known: set[str]) -> set[str]:
    """Returns the names of metrics in a text; those of a histogram's parts as the histogram's."""
    return {name if name in known else PARTS_OF.sub("", name) for name in NAME.findall(text)}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def expressions() -> list[tuple[str, str]]:
    """Returns the dashboard's queries as Grafana sends them, with the titles of their panels."""
    filled = {"$model": ".*", "$device": ".*", "$__rate_interval": "1m", "$__range": "1h"}
    found = []
    for panel in panels():
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in filled.items():
                expression = expression.replace(name, value)
            found.append((panel["title"], expression))
    return found


def documented_queries() -> list[str]:
    """Returns the queries of the page's blocks of text that begin with a comment."""
    blocks = re.findall(r"^```text\n(# .*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    queries = [query for block in blocks for query in block.strip().split("\n\n")]
    return ["\n".join(line for line in query.splitlines() if not line.startswith("#")) for query in queries]


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def port(broker: RedisServer, root: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of two replicas; of one worker where there is one CPU."""
    port, log = free_port(), tmp_path_factory.mktemp("worker") / "log"
    number = min(2, len(allowed()))
    access = ("--storage-root", root, "--files-root", images, "--allow-net", "127.0.0.1/32")
    worker = WorkerProcess(broker, log, *access, "--replicas", str(number), "--health-port", str(port))
    wait_until(lambda: status(port, "/readyz") == 200, within=90, what="a ready worker")
    wait_until(lambda: scrape(port).sum("askpix_worker_ready") == number, within=90, what="all of them")
    yield port
    worker.close()


@pytest.fixture(scope="module")
def prometheus(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    server = PrometheusServer(tmp_path_factory.mktemp("prometheus"), [f"127.0.0.1:{port}"], ALERTS)
    yield server
    server.close()


def do_work(broker: RedisServer, output: Path, images: Path, pages: Server) -> int:
    """Has a small job done in which there is some of all; returns how many items it has."""
    pictures = [str(path) for path in sorted(images.glob("*.jpg"))[:6]]
    color, match = Question("what color is it?"), Question("is it red?", match=True)
    choices = Question("which?", choices=("red", "blue"))
    items = [
        *(Item(image=image, questions=(color, match)) for image in pictures),
        *(Item(image=image, id=f"{image}-again", questions=(choices,)) for image in pictures),
        *(Item(image=image, id=f"{image}-caption") for image in pictures),
        Item(image=f"{pages.url}/nowhere.jpg"),
        Item(image="/etc/passwd"),
    ]
    with Client(broker.url) as client:
        finished(client.submit(items, output=str(output), model=MODEL, part_size=4))
        client.ask(pictures[0], model=MODEL).get(timeout=60)
    return len(items) + 1


@pytest.fixture(scope="module")
def scraped(
    prometheus: PrometheusServer, broker: RedisServer, root: Path, images: Path, pages: Server
) -> PrometheusServer:
    """Prometheus, once it has seen some work before and after."""
    done = 0
    for name in ("first", "second"):
        done += do_work(broker, root / name, images, pages)
        wait_until(lambda: prometheus.number("sum(askpix_items_total)") == done, within=30, what=f"{done} items")  # noqa: B023
    return prometheus


@pytest.mark.timeout(300)
def test_prometheus_takes_what_workers_tell(scraped: PrometheusServer) -> None:
    (target,) = scraped.targets()
    assert (target["health"], target["lastError"]) == ("up", "")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("title", "expression"), expressions())
def test_each_panel_shows_something(scraped: PrometheusServer, title: str, expression: str) -> None:
    values = [float(one["value"][1]) for one in scraped.query(expression)]
    assert any(math.isfinite(value) for value in values), f"{title}: {expression} gives {values}"


@pytest.mark.timeout(300)
def test_each_query_of_the_page_gives_something(scraped: PrometheusServer) -> None:
    queries = documented_queries()
    assert len(queries) >= 5
    for query in queries:
        assert scraped.query(query.replace("blip-vqa-base", MODEL)), query


@pytest.mark.timeout(300)
def test_each_rule_can_be_evaluated(scraped: PrometheusServer) -> None:
    def evaluated() -> bool:
        return all(rule["health"] != "unknown" for rule in scraped.rules())

    wait_until(evaluated, within=30, what="an evaluation")
    assert {rule["name"]: rule["health"] for rule in scraped.rules()} == {rule["alert"]: "ok" for rule in rules()}
    raised = {alert["labels"]["alertname"] for rule in scraped.rules() for alert in rule["alerts"]}
    assert raised <= {"AskpixItemsFail"}, "nothing is wrong with this worker"


def test_what_is_named_is_told_and_what_is_told_is_documented(port: int) -> None:
    if len(allowed()) < 2:
        pytest.skip("what the parent of replicas tells takes two CPUs")
    told = set(re.findall(r"^# HELP (\S+)", scrape(port).text, re.MULTILINE))
    documented = set(re.findall(r"^\| `(askpix_[a-z_]+)`", PAGE.read_text(), re.MULTILINE))

    assert documented == told
    assert names_in("\n".join(expression for _, expression in expressions()), told) <= told
    assert names_in("\n".join(rule["expr"] for rule in rules()), told) <= told
    assert names_in(PAGE.read_text(), told) - {QUEUED_HEADER} <= told


def test_each_alert_is_tested_and_has_its_paragraph() -> None:
    tests = yaml.safe_load((Path(__file__).parent / "alerts.yml").read_text())["tests"]
    raised = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]}
    paragraphs = set(re.findall(r"^### (\S+)$", PAGE.read_text(), re.MULTILINE))
    alerts = {rule["alert"] for rule in rules()}

    assert alerts == raised
    assert alerts == paragraphs
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/monitoring.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("critical", "warning")


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", DEPLOY / "prometheus" / "alerts.yml"),
        ("check", "config", DEPLOY / "prometheus" / "prometheus.yml"),
        ("test", "rules", Path(__file__).parent / "alerts.yml"),
    ],
)
def test_promtool_finds_no_fault(arguments: tuple[str | Path, ...]) -> None:
    ran = subprocess.run([installed("promtool"), *arguments], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_dashboard_is_what_grafana_provisions() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    (source,) = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/askpix.yml").read_text())["providers"]

    asked = [dashboard["templating"]["list"], dashboard["annotations"]["list"], panels()]
    assert {one["datasource"]["uid"] for some in asked for one in some} == {source["uid"]}
    assert {target["datasource"]["uid"] for panel in panels() for target in panel["targets"]} == {source["uid"]}
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    identities = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(identities)) == len(identities)
