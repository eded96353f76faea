"""Parts of jobs that nobody has submitted, as a worker has them answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from askpix.producer.items import Item, Options
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_spec import JobSpec
from askpix.producer.questions import Question
from askpix.producer.storage import LocalStorage
from askpix.worker.answer_cache.sharing import Sharing
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.loading import Loader
from askpix.worker.part_items import PartItems
from askpix.worker.part_work import PartWork
from askpix.worker.telling import Telling


def part_of(
    items: Sequence[Item],
    engine: BlipEngine,
    loader: Loader,
    folder: Path,
    *,
    questions: tuple[Question, ...] | None = None,
    options: Options | None = None,
    sharing: Sharing | None = None,
) -> PartItems:
    """Returns the only part of a job, which is not begun; without questions, the job captions."""
    spec = JobSpec(
        id="0" * 32,
        model=engine.info.model,
        questions=questions,
        options=options or Options(),
        items=len(items),
        parts=1,
        part_size=len(items),
        fingerprint="f",
    )
    work = PartWork(
        part=0,
        round=0,
        folder=JobFolder(LocalStorage(folder)),
        spec=spec,
        engine=engine,
        lease=None,
        telling=Telling(None),
    )
    tries = dict.fromkeys(range(len(items)), 1)
    return PartItems(work, dict(enumerate(items)), tries, loader, item_seconds=20, sharing=sharing)
