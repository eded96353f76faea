"""What Prometheus, Flower, logs and commands say of two jobs is what these hold, in a whole deployment.

It is put together here, with two models, a broker with TLS and a Prometheus; what docker-compose.yml starts by its own
commands is in test_compose_as_processes.py.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.certificates import Papers
from helpers.flower import Flower, flower_on
from helpers.metrics import wait_until_ready
from helpers.ports import free_port
from helpers.processes import Ran, askpix, wait_until
from helpers.prometheus import PrometheusServer
from helpers.s3_server import S3Server, using
from helpers.secured import SecuredServer
from helpers.system import MODEL, WorkerProcess

from askpix.producer.client import Client, Job
from askpix.producer.rows import Row, Status

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"

OTHER = "other-shop"
"""A model of our own, beside the one that is packaged."""

ITEMS = {MODEL: 1_500, OTHER: 500}
BAD = {"missing.jpg": "object_not_found", "text.jpg": "not_an_image"}
"""Objects that cannot be answered, and with which code; one item in 25 is one of these."""


@dataclass(frozen=True)
class Deployment:
    broker: SecuredServer
    s3: S3Server
    bucket: str
    workers: dict[str, WorkerProcess]
    """By the model that they serve."""

    flower: Flower
    prometheus: PrometheusServer
    folder: Path

    def command(self, user: str, *arguments: str) -> Ran:
        """Runs a command as one of the broker's users."""
        return askpix(*arguments, cwd=self.folder, env=self.broker.as_user(user) | self.s3.environment, timeout=280)

    def rows(self, output: str) -> list[Row]:
        with using(self.s3.environment):
            return list(Job.open(output).results())


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's checkpoint once more, in half precision and under another name."""
    folder = tmp_path_factory.mktemp("models")
    checkpoint = ROOT / "demo" / "checkpoint"
    ran = askpix(
        *("model", "convert", checkpoint, "--name", OTHER, "--precision", "f16", "--output", "other"), cwd=folder
    )
    assert ran.code == 0, ran.err
    return folder / "other"


@pytest.fixture(scope="module")
def deployment(
    s3: S3Server, images: Path, other_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("deployment")
    bucket = s3.bucket()
    for picture in sorted(images.glob("*.jpg"))[:20]:
        s3.put(f"s3://{bucket}/shop/{picture.name}", picture.read_bytes())
    s3.put(f"s3://{bucket}/shop/text.jpg", b"no image at all")
    papers = Papers(folder / "papers")
    with ExitStack() as stack:
        broker = SecuredServer(folder / "redis", secrets=papers.secrets(mutual=False), tls={"ssl_ca_certs": papers.ca})
        stack.callback(broker.close)
        cores = sorted(os.sched_getaffinity(0))
        workers, ports = {}, []
        for name, model, core in ((MODEL, None, cores[0]), (OTHER, other_model, cores[-1])):
            ports.append(free_port())
            options = ("--storage-root", f"s3://{bucket}/jobs", "--allow-bucket", bucket, "--cpus", str(core))
            worker = WorkerProcess(
                broker,
                folder / f"{name}.log",
                *(*options, "--health-port", str(ports[-1]), "--events", "--log-json"),
                model=model,
                env=s3.environment,
            )
            stack.callback(worker.close)
            workers[name] = worker
        flower = stack.enter_context(flower_on(broker.url_of("flower"), folder))
        (folder / "prometheus").mkdir()
        prometheus = PrometheusServer(folder / "prometheus", [f"127.0.0.1:{port}" for port in ports], ALERTS)
        stack.callback(prometheus.close)
        with Client(broker.url) as client:
            for worker, port in zip(workers.values(), ports, strict=True):
                worker.wait_until_live(client)
                wait_until_ready(port)
        wait_until(lambda: prometheus.number("sum(up)") == len(workers), within=30, what="scrapes of both workers")
        yield Deployment(broker, s3, bucket, workers, flower, prometheus, folder)


@pytest.fixture(scope="module")
def jobs(deployment: Deployment) -> dict[str, list[Row]]:
    """A job for each model, done; returns their rows."""
    outputs = {}
    for model, items in ITEMS.items():
        keys = deployment.s3.keys(deployment.bucket)
        good = [key for key in keys if key.endswith(".jpg") and key.startswith("shop/0")]
        bad = [f"shop/{name}" for name in BAD]
        source = deployment.folder / f"{model}.csv"
        with source.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("id", "image"))
            for number in range(items):
                of = bad if number % 25 == 0 else good
                writer.writerow((f"sku-{number}", f"s3://{deployment.bucket}/{of[number % len(of)]}"))
        outputs[model] = f"s3://{deployment.bucket}/jobs/{model}"
        ran = deployment.command(
            *("askpix-submit", "submit", str(source), "--output", outputs[model]),
            *("--model", model, "--question", "what color is it?", "--part-size", "50"),
        )
        assert ran.code == 0, ran.err
    for model, output in outputs.items():
        ran = deployment.command("askpix-watch", "watch", output, "--json")
        assert ran.code == 1, ran.err  # some items have failed
        last = json.loads(ran.out.splitlines()[-1])
        assert (last["items"], last["state"]) == (ITEMS[model], "done")
    return {model: deployment.rows(output) for model, output in outputs.items()}


@pytest.mark.parametrize("model", list(ITEMS))
def test_every_item_has_its_row_by_the_model_that_was_asked(jobs: dict[str, list[Row]], model: str) -> None:
    rows = jobs[model]

    assert [row.id for row in rows] == [f"sku-{number}" for number in range(ITEMS[model])]
    assert {row.model for row in rows} == {model}
    codes = Counter(row.error_code for row in rows if row.status is Status.ERROR)
    assert set(codes) == set(BAD.values())
    assert codes.total() == ITEMS[model] // 25


def test_what_prometheus_has_scraped_are_the_figures_of_the_rows(
    deployment: Deployment, jobs: dict[str, list[Row]]
) -> None:
    # Given
    made = Counter((row.model, row.status.value, row.error_code or "") for rows in jobs.values() for row in rows)
    total = "sum(askpix_items_total)"

    # When
    wait_until(lambda: deployment.prometheus.number(total) >= made.total(), within=30, what="a scrape of the end")

    # Then
    scraped = {
        (of["metric"]["model"], of["metric"]["status"], of["metric"].get("code", "")): int(of["value"][1])
        for of in deployment.prometheus.query("sum by (model, status, code) (askpix_items_total) > 0")
    }
    assert scraped == made
    answers = deployment.prometheus.number("sum(askpix_answers_total)")
    assert answers == sum(len(row.answers) for rows in jobs.values() for row in rows)
    # Queues are looked into less often than they are asked about.
    waiting = "sum(askpix_queue_messages)"
    wait_until(lambda: deployment.prometheus.number(waiting) == 0, within=30, what="empty queues")


@pytest.mark.usefixtures("jobs")
def test_flower_shows_workers_and_parts_to_who_has_the_password(deployment: Deployment) -> None:
    names = {worker.name for worker in deployment.workers.values()}

    assert {deployment.flower.ask(path, password=None)[0] for path in ("/", "/workers", "/api/workers")} == {401}
    assert {one["hostname"] for one in deployment.flower.json("/workers?json=1")["data"]} == names
    parts = [task for task in deployment.flower.json("/api/tasks?limit=1000").values() if task["name"] == "askpix.part"]
    assert Counter(task["state"] for task in parts) == {"SUCCESS": sum(ITEMS.values()) // 50}
    assert {task["worker"] for task in parts} == names
    queues = deployment.flower.json("/api/queues/length")["active_queues"]
    assert [one["messages"] for one in queues if one["name"] in ITEMS] == [0] * len(ITEMS)


@pytest.mark.usefixtures("jobs")
def test_nobody_tried_what_he_may_not_and_no_secret_was_said(deployment: Deployment) -> None:
    assert deployment.broker.refusals() == []
    password = deployment.broker.password("askpix")
    for worker in deployment.workers.values():
        assert password not in worker.log
        assert [json.loads(line)["level"] for line in worker.log.splitlines()].count("error") == 0


def test_the_deployment_is_found_well_by_config_check(deployment: Deployment, other_model: Path) -> None:
    ran = deployment.command(
        *("askpix", "config", "check", "--storage", f"s3://{deployment.bucket}/jobs", "--model", str(other_model))
    )

    assert ran.code == 0, ran.out
    for name in ITEMS:
        assert name in ran.out
