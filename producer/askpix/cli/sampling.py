"""Images of a user's list with which models are prepared and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from askpix.cli.console import printable
from askpix.cli.opening import Opening
from askpix.producer.inputs import Input
from askpix.producer.settings import load_settings
from askpix.producer.words import counted

if TYPE_CHECKING:
    from askpix.worker.access import Access
    from askpix.worker.converting.samples import Samples


def samples_for(folder: Path, images: str, opening: Opening) -> Samples:
    """Returns images of a list, as the model of a folder takes them.

    Args:
        images: a folder of images, or a list.
        opening: what may be read beside the list's own folder.

    Raises:
        AskpixError: the list or the model folder cannot be used, or one of the options.
    """
    from askpix.worker.converting.samples import Samples
    from askpix.worker.image_form import ImageForm
    from askpix.worker.models.folder import read_blip

    image = read_blip(folder).image
    source = Input(images)
    access = access_for(source, opening)
    return Samples(source, ImageForm(width=image.width, height=image.height, resample=image.resample), access)


def access_for(source: Input, opening: Opening) -> Access:
    """Returns what may be read for a list: what is beside it, and what options name."""
    return opening.access(
        load_settings(),
        files_roots=[] if source.local_root is None else [str(source.local_root)],
        buckets=[] if source.bucket is None else [source.bucket],
    )


def unused(samples: Samples) -> str:
    """Returns a line on the images that were looked at and not used; an empty one where there are none."""
    notes = []
    if samples.repeated:
        notes.append(f"{counted(samples.repeated, 'image')} there more than once")
    if samples.unreadable:
        first = printable(samples.reason or "")
        notes.append(f"{counted(samples.unreadable, 'image')} that cannot be read, the first being {first}")
    return "; ".join(notes)
