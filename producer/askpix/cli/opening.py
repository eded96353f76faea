"""What may be opened to read images: the same options, with the same meaning, for all commands that read some."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from askpix.cli.options import access_options, gathered
from askpix.producer.followed import Job
from askpix.producer.locations import S3Location, is_s3
from askpix.producer.settings import Settings, load_settings

if TYPE_CHECKING:
    from askpix.worker.access import Access


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What the options say."""

    files_roots: tuple[str, ...]
    """Folders under which images may be read."""

    networks: tuple[str, ...]
    """From where they may be fetched beside public web servers; where there are none, the settings say it."""

    buckets: tuple[str, ...]
    """Of S3, out of which they may be read."""

    def __bool__(self) -> bool:
        return bool(self.files_roots or self.networks or self.buckets)

    def access(
        self,
        settings: Settings,
        *,
        storage_roots: Iterable[str] = (),
        files_roots: Iterable[str] = (),
        buckets: Iterable[str] = (),
    ) -> Access:
        """Returns what may be read: what the options and the settings say, and what is named here beside it.

        Raises:
            AskpixError: one of them is no folder, no network or no bucket.
        """
        from askpix.worker.access import Access

        return Access.of(
            storage_roots=storage_roots,
            files_roots=(*files_roots, *self.files_roots),
            networks=self.networks or settings.allow_net,
            buckets=(*buckets, *self.buckets),
        )


opens = gathered("opening", Opening, access_options)
"""Gives a command the options, and the function behind it one `opening` for them all."""


class _Reading(Protocol):
    def close(self) -> None: ...


_R = TypeVar("_R", bound=_Reading)


def reading_again(
    make: Callable[[Access, Settings, str | None], _R], job: Job, opening: Opening, stack: ExitStack
) -> _R:
    """Returns what reads a job's images again, until the stack is left.

    Files may lie anywhere, unless options name folders.

    Args:
        make: makes it of what may be read, the settings, and the job's own bucket.

    Raises:
        AskpixError: an option, or a setting, is not valid.
    """
    settings = load_settings()
    access = opening.access(settings, files_roots=() if opening.files_roots else ("/",))
    made = make(access, settings, S3Location.parse(job.folder.uri).bucket if is_s3(job.folder.uri) else None)
    stack.callback(made.close)
    return made
