"""The command and its subcommands."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from contextlib import nullcontext
from importlib.metadata import version

import click

from askpix.cli.console import printable
from askpix.cli.needing import needing
from askpix.producer.errors import AskpixError

# Where each command is, and its line in `askpix --help`: so that no command waits for another's imports.
_COMMANDS = {
    "demo": ("askpix.cli.demo:command", "Write pictures to try things with."),
    "run": ("askpix.cli.run:command", "Caption images, or ask questions about them, on this machine."),
    "submit": ("askpix.cli.submit:command", "Write a job folder and queue its parts for the workers."),
    "watch": ("askpix.cli.watch:watch", "Follow a job until it ends."),
    "status": ("askpix.cli.watch:status", "Show once how far a job is."),
    "jobs": ("askpix.cli.jobs:command", "List active jobs and live workers."),
    "pause": ("askpix.cli.hold:pause", "Hold a job."),
    "resume": ("askpix.cli.hold:resume", "Carry on with a job, also when the broker has lost it."),
    "cancel": ("askpix.cli.hold:cancel", "Stop a job; what is done stays."),
    "retry": ("askpix.cli.hold:retry", "Try a job's failed items again."),
    "export": ("askpix.cli.export:command", "Write a job's results as tables, files or data sets."),
    "report": ("askpix.cli.report:command", "Write a web page of a job's images and answers."),
    "review": ("askpix.cli.review:review", "Write the answers that a person should check."),
    "correct": ("askpix.cli.review:correct_command", "Keep what people put right beside the answers."),
    "calibrate": ("askpix.cli.calibrate:command", "Fit confidence to answers that are known to be right."),
    "dead": ("askpix.cli.dead:command", "List messages that no worker understood; put them back."),
    "sheet": ("askpix.cli.sheet:command", "Check an attribute sheet; print its JSON Schema."),
    "ask": ("askpix.cli.ask:command", "Answer a question about one image, or caption it."),
    "playground": ("askpix.cli.playground:command", "Try models by hand, in a browser."),
    "worker": ("askpix.cli.worker:command", "Serve models on one device."),
    "flower": ("askpix.cli.flower:command", "Look at workers and tasks in a browser, with Flower."),
    "devices": ("askpix.cli.devices:command", "List the devices that OpenVINO sees here."),
    "model": ("askpix.cli.model:command", "Prepare model folders."),
    "cache": ("askpix.cli.cache:command", "Show the answers that are kept across jobs; forget them."),
    "config": ("askpix.cli.config:command", "Show the settings; try broker, storage and models."),
}

_EXTRAS = {
    "run": "local",
    "model": "convert",
    "worker": "worker",
    "flower": "flower",
    "devices": "worker",
    "playground": "playground",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        extra = _EXTRAS.get(cmd_name)
        with nullcontext() if extra is None else needing(f"`askpix {cmd_name}`", extra=extra):
            command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(version("askpix"), message="askpix %(version)s")
def command() -> None:
    """Caption images and answer questions about them, in bulk.

    \b
    On this machine alone:
      askpix run photos/ --output job --question "what color is it?"
      askpix export job --to answers.csv
    With workers elsewhere, by a broker (ASKPIX_BROKER_URL):
      askpix worker --model FOLDER --storage-root s3://shop/jobs
      askpix submit s3://shop/photos --output s3://shop/jobs/spring
      askpix watch s3://shop/jobs/spring
    """


def main() -> None:
    """Runs the command; every error that a person can cause is one line on standard error and exit code 2."""
    try:
        code = command.main(standalone_mode=False)
    except click.exceptions.Abort:
        _end_by_interrupt()
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except AskpixError as error:
        for line in error.lines:
            click.echo(f"askpix: {printable(line)}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output has gone. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)
    except OSError as error:
        # Standard output, most likely, on a full disk: everything else is told where it happens.
        click.echo(f"askpix: {printable(str(error))}", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


def _end_by_interrupt() -> None:
    """Ends as the signal itself would have ended us, so that a shell script that called us stops too."""
    click.echo("askpix: interrupted", err=True)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
