"""Images of a user's own, to prepare a model with: some of a list of any length, each picture once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from askpix.producer.inputs import Input, complete
from askpix.producer.items import Item
from askpix.producer.placeholders import texts_of
from askpix.producer.storage import shortened
from askpix.worker.access import Access
from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.images.decode import decode
from askpix.worker.images.fetch import Fetcher
from askpix.worker.item_errors import ImageError
from askpix.worker.loading import digest

DRAWN = 20_000
"""Images of a list that are drawn at the most: enough to replace those that cannot be read or are there twice."""

_SEED = 1


@dataclass(slots=True)
class Samples:
    """Images in the form that a model takes, in a random order that is the same each time.

    Iterating reads them, one at a time: each is fetched and decoded as a worker does it. Those that are there
    twice, by their bytes, come once; those that cannot be read are counted, with the reason of the first.

    Args:
        source: where they are listed.
        form: of the model.
        access: what may be read.
    """

    source: Input
    form: ImageForm
    access: Access
    repeated: int = 0
    unreadable: int = 0
    reason: str | None = None
    """Why the first of the unreadable ones could not be read."""

    _drawn: list[Item] | None = field(default=None, repr=False)

    def items(self) -> list[Item]:
        """Returns what is drawn of the list, in its random order.

        Raises:
            InputError: the list cannot be read.
        """
        if self._drawn is None:
            self._drawn = _drawn(self.source)
        return self._drawn

    def questions(self, number: int) -> tuple[str, ...]:
        """Returns up to `number` different questions that the drawn rows of the list ask."""
        questions = (question for item in self.items() for question in item.questions or ())
        asked = (text.strip() for question in questions for text in texts_of(question))
        return tuple(dict.fromkeys(text for text in asked if text))[:number]

    def __iter__(self) -> Iterator[Pixels]:
        return (pixels for _, pixels in self.pairs())

    def pairs(self) -> Iterator[tuple[Item, Pixels]]:
        """Yields each image with its row of the list."""
        fetcher = Fetcher(self.access)
        seen: set[str] = set()
        self.repeated, self.unreadable, self.reason = 0, 0, None
        try:
            for item in self.items():
                reference = complete(item.image, self.source.base)
                try:
                    data = fetcher.fetch(reference, own_bucket=self.source.bucket)
                    known = digest(data)
                    if known in seen:
                        self.repeated += 1
                        continue
                    pixels = decode(data, self.form).pixels
                except ImageError as error:
                    self.unreadable += 1
                    self.reason = self.reason or f"{shortened(item.image)}: {error.message}"
                    continue
                seen.add(known)
                yield item, pixels
        finally:
            fetcher.close()


def _drawn(source: Input) -> list[Item]:
    """Returns up to `DRAWN` items of a list, each as likely as any other, in a random order."""
    chance = random.Random(_SEED)
    drawn: list[Item] = []
    for index, item in enumerate(source):
        if index < DRAWN:
            drawn.append(item)
        elif (place := chance.randrange(index + 1)) < DRAWN:
            drawn[place] = item
    chance.shuffle(drawn)
    return drawn
