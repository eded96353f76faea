"""Somebody who asks the playground, and a source that answers in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from askpix.producer.items import Turn
from askpix.worker.engine.base import Ability
from askpix.worker.item_errors import RequestError
from askpix.worker.playground.form import Asked
from askpix.worker.playground.models import AtHand, Chosen
from askpix.worker.playground.places import Places
from askpix.worker.playground.playground import Filled, Playground, Shown
from askpix.worker.playground.stop import Stop
from askpix.worker.playground.told import Told

CHAT = Chosen(model="chat", precision="f32")


class Words:
    """Answers a word after the other, for as long as it is read."""

    precisions: tuple[str, ...] = ()

    takes = 100
    """Turns."""

    def __init__(self) -> None:
        self.histories: list[tuple[Turn, ...]] = []
        self.told: list[int] = []
        """How many turns came with each question, also with those that were too many."""
        self.shown: list[list[bytes]] = []
        """The images of each question."""

    def models(self) -> Sequence[AtHand]:
        chats = frozenset({Ability.CAPTION, Ability.ANSWER, Ability.CHAT})
        return [
            AtHand(name="chat", abilities=chats | {Ability.IMAGES}),
            AtHand(name="of one", abilities=chats),
        ]

    def tell(
        self, _chosen: Chosen, images: Sequence[bytes], _asked: Asked, history: Sequence[Turn], stop: Stop
    ) -> Iterator[Told]:
        self.told.append(len(history))
        if len(history) > self.takes:
            raise RequestError("too_long", "these come to too many tokens")
        self.histories.append(tuple(history))
        self.shown.append(list(images))
        text = ""
        for number in range(3):
            if stop.is_set:
                yield Told(text=text, facts="stopped", said=text)
                return
            text += f"word{number} "
            yield Told(text=text, facts="answering")
        yield Told(text=text, facts="confidence 1.00", said=text)

    def close(self) -> None: ...


@pytest.fixture
def source() -> Words:
    return Words()


@pytest.fixture
def playground(source: Words, tmp_path: Path) -> Playground:
    for name in "abcdefghij":
        (tmp_path / f"{name}.jpg").write_bytes(name.encode())
    return Playground(source, [tmp_path], Places(places=2, waiting=2))


@pytest.fixture
def ask(playground: Playground, tmp_path: Path) -> Ask:
    return Ask(playground, tmp_path)


class Ask:
    """Asks about pictures by their names."""

    def __init__(self, playground: Playground, folder: Path) -> None:
        self._playground = playground
        self._folder = folder

    def __call__(
        self, image: str, question: str, page: str = "page", model: Chosen = CHAT
    ) -> Iterator[tuple[Shown, ...]]:
        path = str(self._folder / f"{image}.jpg")
        filled = Filled(image=path, question=question, choices="", settings={}, sides=(model,))
        return self._playground.ask(page, filled)


def messages(shown: tuple[Shown, ...]) -> list[str]:
    return [message.text for message in shown[0].messages or ()]
