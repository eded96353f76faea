"""One worker's loader, cache and threads, by which parts of a job are answered."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from helpers.engine_calls import SECONDS, png, product
from helpers.http_server import Server
from helpers.parts import part_of
from helpers.processes import wait_until

from askpix.producer.items import Item, Options
from askpix.producer.questions import Question
from askpix.producer.rows import Row
from askpix.worker.access import Access
from askpix.worker.answer_cache.cache import AnswerCache
from askpix.worker.answer_cache.disk import DiskStore
from askpix.worker.answer_cache.flights import Flights, Resume
from askpix.worker.answer_cache.sharing import Sharing
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.hosts import Hosts
from askpix.worker.images.fetch_rules import FetchRules
from askpix.worker.load_threads import LoadThreads
from askpix.worker.loading import Loader
from askpix.worker.part_items import PartItems

THREADS = 4
COLOR = Question("what color is it?", name="color", choices=("red", "green", "blue"))
WHAT = Question("what is it?", name="kind")
SHEET = (COLOR, WHAT)


class Shop:
    """Has the items of parts answered by one worker."""

    def __init__(self, engine: BlipEngine, folder: Path, stack: ExitStack) -> None:
        self.engine = engine
        self._folder = folder
        self.loader = Loader(Access.of(networks=["127.0.0.0/8"]), FetchRules(connections=THREADS))
        stack.callback(self.loader.close)
        self._threads = LoadThreads(Hosts(places=THREADS))
        stack.callback(self._threads.close)
        (folder / "answers").mkdir(mode=0o700, exist_ok=True)
        self.cache = AnswerCache(DiskStore(folder / "answers", 64 << 20))
        stack.callback(self.cache.close)
        self._sharing = Sharing(cache=self.cache, flights=Flights(self._resume))

    def _resume(self, waited: Sequence[Resume]) -> None:
        for resume in waited:
            self._threads.put(resume)

    def begin(
        self,
        items: Sequence[Item],
        questions: tuple[Question, ...] | None = SHEET,
        options: Options | None = None,
        *,
        cache: bool = True,
    ) -> PartItems:
        sharing = self._sharing if cache else None
        part = part_of(
            items, self.engine, self.loader, self._folder, questions=questions, options=options, sharing=sharing
        )
        part.begin(self._threads)
        return part

    def rows(self, *asked: object, **named: object) -> list[Row]:
        """Returns the rows of items, in their order."""
        return rows_of(self.begin(*asked, **named))  # type: ignore[arg-type]


def rows_of(part: PartItems) -> list[Row]:
    wait_until(lambda: part.wait(0.05), within=SECONDS, what="all rows")
    return [row for _, row in sorted(part.rows().items())]


def put(pages: Server, *numbers: int, name: str = "product") -> list[Item]:
    """Returns items whose images show these products."""
    urls = [pages.put(f"/{name}-{place}.png", png(product(number))) for place, number in enumerate(numbers)]
    return [Item(id=url, image=url) for url in urls]


def same(one: Sequence[Row], other: Sequence[Row]) -> bool:
    """Returns whether rows say the same, whoever they are of and wherever it is from."""

    def said(row: Row) -> Row:
        answers = tuple(replace(answer, cached=None) for answer in row.answers)
        return replace(row, id="", image="", seconds=0.0, answers=answers)

    return list(map(said, one)) == list(map(said, other))
