"""What the live workers serve, where a command needs to know."""

from __future__ import annotations

from askpix.cli.console import printable, stderr
from askpix.producer.client import Client
from askpix.producer.errors import AskpixError
from askpix.producer.followed import Job
from askpix.producer.serving import Lack, Unserved


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
    if (unserved := job.unserved()) is not None:
        stderr().print(f"{printable(unserved.text)} The job waits for {_for_what(unserved)}.", soft_wrap=True)


def _for_what(unserved: Unserved) -> str:
    return "them" if unserved.reason is Lack.BUSY else "one"
