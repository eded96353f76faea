"""Why nobody works on a job, by what workers say of themselves."""

from __future__ import annotations

import pytest

from askpix.producer.errors import BrokerError
from askpix.producer.queues import queue_name
from askpix.producer.registry import Served, WorkerInfo
from askpix.producer.serving import Lack, Looks, Serving, serving_of


def worker(name: str, *models: str, device: str = "CPU", parts: int = 0, slots: int = 2) -> WorkerInfo:
    def queues(model: str) -> tuple[str, ...]:
        return tuple(queue_name(model, one, ask=ask) for ask in (False, True) for one in (None, device))

    served = tuple(
        Served(name=model, fingerprint="x", device=device, precision="f32", queues=queues(model)) for model in models
    )
    return WorkerInfo(name=name, models=served, parts=parts, slots=slots)


ONE = worker("one", "blip-vqa-base", "askpix-demo")
TWO = worker("two", "blip-vqa-base", device="GPU.1")


def test_those_that_serve_a_model_are_named_with_their_devices() -> None:
    assert serving_of([ONE, TWO], "blip-vqa-base") == Serving(devices={"one": "CPU", "two": "GPU.1"})
    assert serving_of([ONE, TWO], "blip-vqa-base", "gpu") == Serving(devices={"two": "GPU.1"})
    assert serving_of([ONE, TWO], "askpix-demo", ask=True) == Serving(devices={"one": "CPU"})


@pytest.mark.parametrize(
    ("workers", "model", "device", "reason", "said"),
    [
        ([], "shop", None, Lack.NO_WORKER, "No worker serves shop: none is running."),
        ([], "shop", "gpu", Lack.NO_WORKER, "No worker serves shop on gpu: none is running."),
        (
            [ONE, TWO],
            "shop",
            None,
            Lack.OTHER_MODELS,
            "No worker serves shop: those that run serve askpix-demo and blip-vqa-base.",
        ),
        (
            [ONE, TWO],
            "BLIP-vqa-bas",
            None,
            Lack.OTHER_MODELS,
            "No worker serves BLIP-vqa-bas: those that run serve askpix-demo and blip-vqa-base. "
            "Did you mean blip-vqa-base?",
        ),
        (
            [worker("many", *(f"m{number}" for number in range(8)))],
            "shop",
            None,
            Lack.OTHER_MODELS,
            "No worker serves shop: those that run serve m0, m1, m2, m3, m4 and 3 others.",
        ),
        ([worker("idle")], "shop", None, Lack.OTHER_MODELS, "No worker serves shop: those that run serve nothing."),
        (
            [ONE, TWO],
            "askpix-demo",
            "gpu",
            Lack.OTHER_DEVICES,
            "No worker serves askpix-demo on gpu: it is served on CPU.",
        ),
        (
            [ONE, TWO],
            "blip-vqa-base",
            "npu",
            Lack.OTHER_DEVICES,
            "No worker serves blip-vqa-base on npu: it is served on CPU and GPU.1.",
        ),
    ],
)
def test_where_none_does_it_is_said_why(
    workers: list[WorkerInfo], model: str, device: str | None, reason: Lack, said: str
) -> None:
    unserved = serving_of(workers, model, device).unserved

    assert unserved is not None
    assert (unserved.reason, unserved.text) == (reason, said)
    assert unserved.to_json()["reason"] == reason.value
    assert unserved.to_json()["text"] == said


@pytest.mark.parametrize(
    ("workers", "in_work", "busy"),
    [
        ([worker("one", "m", parts=2)], False, True),
        # A part of this very job is among them.
        ([worker("one", "m", parts=2)], True, False),
        ([worker("one", "m", parts=2), worker("two", "m", parts=1)], False, False),
        # Of a version that does not say how many it takes.
        ([worker("one", "m", parts=2, slots=0)], False, False),
    ],
)
def test_where_all_have_other_jobs_in_work_that_is_said(workers: list[WorkerInfo], in_work: bool, busy: bool) -> None:
    serving = serving_of(workers, "m", in_work=lambda: in_work)

    assert serving.devices.keys() == {one.name for one in workers}
    assert (serving.unserved is not None) == busy
    if serving.unserved is not None:
        assert serving.unserved.text == "All that serve m are busy with other jobs: this one waits its turn."


class Registry:
    """Workers that come and go, and how often somebody looked."""

    def __init__(self, *workers: WorkerInfo) -> None:
        self.workers = list(workers)
        self.looks = 0

    def look(self) -> Serving:
        self.looks += 1
        return serving_of(self.workers, "askpix-demo")


def test_who_waits_for_a_worker_looks_every_two_seconds_and_who_has_one_every_five() -> None:
    registry = Registry()
    looks = Looks(registry.look)

    def at(now: float, **answered: int) -> Serving:
        serving = looks.at(answered, now)
        assert serving is not None
        return serving

    assert at(0.0).unserved is not None
    assert at(1.9).unserved is not None
    assert registry.looks == 1
    registry.workers.append(ONE)
    assert at(2.0) == Serving(devices={"one": "CPU"})
    for now in range(20, 70):
        at(now / 10)
    assert registry.looks == 2
    at(7.0)
    assert registry.looks == 3

    # Somebody who is not known has answered: once more soon, and not again and again.
    for now in range(70, 120):
        at(now / 10, gone=3)
    assert registry.looks == 4


def test_a_broker_that_does_not_answer_changes_nothing() -> None:
    registry = Registry(ONE)

    def look() -> Serving:
        if registry.looks:
            raise BrokerError("the broker does not answer")
        return registry.look()

    looks = Looks(look)
    first = looks.at({}, 0.0)

    assert looks.at({}, 60.0) == first == Serving(devices={"one": "CPU"})
