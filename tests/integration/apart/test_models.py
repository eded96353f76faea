"""Several models on one host: in one worker, and in workers of their own with cores of their own."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from helpers.random_blip import ODD, built_int8
from helpers.system import MODEL, Starter, finished

from askpix.producer.client import Client
from askpix.worker.cores import allowed
from askpix.worker.models.folder import read_manifest

# OpenVINO's converter traces with what torch wants to replace.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


@pytest.fixture(scope="module")
def quantized() -> Path:
    """A model folder in INT8, of other sizes than the demo model's."""
    return built_int8(ODD)


def test_one_worker_answers_for_two_models_each_from_its_own_queue(
    client: Client, images: Path, folder: Path, start_worker: Starter, quantized: Path
) -> None:
    # Given: beside the demo model, which it serves already
    other = read_manifest(quantized).name
    image = [str(images / "000-bottle.jpg"), str(images / "002-bottle.jpg")]
    with closing(start_worker("--model", quantized)) as worker:
        # When both have work
        jobs = [client.submit(image, output=f"{folder}-{model}", model=model) for model in (MODEL, other)]
        done = [finished(job) for job in jobs]

        # Then
        for job, model in zip(done, (MODEL, other), strict=True):
            assert {(row.model, row.status.value) for row in job.results()} == {(model, "ok")}
        info = worker.info(client)
        assert info is not None
        assert [served.name for served in info.models] == [MODEL, other]
        queues = [queue for served in info.models for queue in served.queues]
        assert len(queues) == len(set(queues)) == 8


@pytest.mark.skipif(len(allowed()) < 2, reason="there is one CPU")
def test_two_workers_with_other_models_keep_to_their_own_cores_and_queues(
    client: Client, images: Path, folder: Path, start_worker: Starter, quantized: Path
) -> None:
    first, second = allowed()[:2]
    other = read_manifest(quantized).name
    image = [str(images / "000-bottle.jpg")]
    with (
        closing(start_worker("--cpus", str(first))) as demo,
        closing(start_worker("--cpus", str(second), "--model", quantized)) as both,
    ):
        finished(client.submit(image, output=f"{folder}-other", model=other))
        finished(client.submit(image, output=f"{folder}-demo", model=MODEL))

        assert os.sched_getaffinity(demo.process.pid) == {first}
        assert os.sched_getaffinity(both.process.pid) == {second}
        serving = {
            model: {info.name for info in client.workers() for served in info.models if served.name == model}
            for model in (MODEL, other)
        }
        assert serving == {MODEL: {demo.name, both.name}, other: {both.name}}


@pytest.mark.parametrize("device", ["AUTO:CPU", "HETERO:CPU", "MULTI:CPU"])
def test_a_worker_on_a_list_of_devices_has_a_queue_of_its_kind(
    device: str, client: Client, images: Path, folder: Path, start_worker: Starter
) -> None:
    kind = device.partition(":")[0].lower()
    with closing(start_worker("--device", device)) as worker:
        job = client.submit([str(images / "000-bottle.jpg")], output=str(folder), model=MODEL, device=kind)

        (row,) = finished(job).results()
        assert (row.status.value, row.device) == ("ok", device)
        info = worker.info(client)
        assert info is not None
        assert info.models[0].queues == tuple(f"{MODEL}{end}" for end in ("", f".{kind}", ".ask", f".{kind}.ask"))
        worker.wait_for_log(f"{device} computes {MODEL} on CPU")
