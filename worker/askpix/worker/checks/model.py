"""Whether a model folder is whole, runs on a device, and answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from askpix.producer.checks.finding import Finding, Mark
from askpix.producer.errors import AskpixError
from askpix.producer.settings import Settings
from askpix.worker.alone import own_request
from askpix.worker.digests import Digests
from askpix.worker.engine.building import build_engine
from askpix.worker.item_errors import RequestError
from askpix.worker.models.folder import load_manifest


def check_model(folder: Path, device: str, settings: Settings) -> Iterator[Finding]:
    """Yields what came of reading a model folder, compiling it, and asking it about an image of our own."""
    found = partial(Finding, about=f"model {folder}")
    skipped = partial(found, mark=Mark.SKIPPED, said="what came before is wrong")
    cache = settings.cache_folder()
    try:
        manifest = load_manifest(folder, Digests.beside(cache))
    except AskpixError as error:
        yield found(what="files", mark=Mark.WRONG, said=str(error))
        yield skipped(what=device)
        yield skipped(what="answer")
        return
    yield found(what="files", mark=Mark.OK, said=f"{manifest.name} ({manifest.kind}), whole")
    started = time.monotonic()
    try:
        engine = build_engine(folder, device, cache=cache, vlm_cache_megabytes=settings.vlm_cache_megabytes)
    except AskpixError as error:
        yield found(what=device, mark=Mark.WRONG, said=str(error))
        yield skipped(what="answer")
        return
    try:
        info = engine.info
        said = f"ready on {info.device} in {info.precision} after {time.monotonic() - started:.1f} s"
        yield found(what=device, mark=Mark.OK, said=said)
        started = time.monotonic()
        try:
            answer = engine.submit(own_request(engine)).result()
        except RequestError as error:
            yield found(what="answer", mark=Mark.WRONG, said=str(error))
        else:
            seconds = time.monotonic() - started
            yield found(what="answer", mark=Mark.OK, said=f"{answer.text[:60]!r} for a black image, in {seconds:.2f} s")
    finally:
        engine.close()
