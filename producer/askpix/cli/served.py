"""What the live workers serve, where a command needs to know."""

from __future__ import annotations

from askpix.cli.console import stderr
from askpix.producer.client import Client
from askpix.producer.errors import AskpixError
from askpix.producer.followed import Job
from askpix.producer.messages import queue_name


def only_model(client: Client) -> str:
    """Returns the one model that live workers serve.

    Raises:
        AskpixError: there is none, or more than one.
    """
    models = sorted({model.name for worker in client.workers() for model in worker.models})
    if len(models) == 1:
        return models[0]
    if not models:
        raise AskpixError("no worker is running: name the model with --model, and start `askpix worker`")
    raise AskpixError(f"workers serve {' and '.join(models)}: choose with --model")


def unserved_note(job: Job) -> None:
    """Says so where no live worker takes a job's parts."""
    if not job.served():
        stderr().print(unserved_text(job), soft_wrap=True)


def unserved_text(job: Job) -> str:
    """Returns what is said where no live worker takes a job's parts."""
    queue = queue_name(job.spec.model, job.spec.device)
    return f"No live worker serves {queue} yet: the job waits for one."
