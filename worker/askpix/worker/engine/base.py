"""What every engine offers: requests in, tickets out. Which requests share a batch is the engine's affair."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from askpix.producer.items import Options, Turn
from askpix.producer.questions import Question
from askpix.worker.engine.ticket import Ticket
from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.instruments import StageHistograms


class Ability(StrEnum):
    """What an engine can do with an image."""

    CAPTION = "caption"
    ANSWER = "answer"
    CHOICES = "choices"
    MATCH = "match"
    CHAT = "chat"
    IMAGES = "images"
    """Several in one conversation."""


READING = frozenset((Ability.ANSWER, Ability.MATCH))
"""What a model does with a text about an image."""


class ImageHandle:
    """An image that was given to an engine. Its encoding is kept for as long as the handle is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One thing to find out about an image (or several, where the engine takes several)."""

    images: tuple[ImageHandle, ...]
    """All that are shown, in order; of which the turns of the history show as many as they name. The others stand in
    front of the question, or of the first one where no turn shows any."""

    question: Question | None
    """None asks for a caption."""

    options: Options = field(default_factory=Options)
    history: tuple[Turn, ...] = ()
    """What was asked before."""

    follows: bool = False
    """Whether it is asked for an answer that is there, by whoever was told that on the engine's thread. It never waits
    for room."""

    deadline: float | None = None
    """As `time.monotonic()` counts; a request that is not answered by then fails with `deadline`."""

    seconds: float | None = None
    """That the engine may work on it; a request that takes longer fails with `deadline`. What it waits does not
    count."""

    urgent: bool = False
    """Whether somebody waits for this one answer. It overtakes those that are not urgent wherever requests
    wait, and shares batches with them; urgent ones keep their order. The answer is the same either way.
    Others get no further while urgent ones keep coming, so whoever submits these must bound them."""

    stream: bool = False
    """Whether somebody reads the answer while it is generated: see `Ticket.pieces`. It is the same either way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineInfo:
    """What an engine runs, as results report it."""

    model: str
    fingerprint: str
    device: str
    precision: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """How the stages of an engine do. Their names are of a small set that does not change while it runs."""

    stages: Mapping[str, StageHistograms] = field(default_factory=dict)
    """What each did since the engine was built, in batches."""

    rows: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Texts that are being generated now, and the places for them, by what generates them."""

    under_way: int = 0
    """Requests that were taken and are not answered."""

    reused: int | None = None
    """How often a request's image was already encoded, or was being; None where that is not known."""


class Engine(ABC):
    """One compiled model on one device. Every method may be called from any thread."""

    recipe: Callable[[], Engine]
    """Builds another one like it, in this process or, since it can be pickled, in any other."""

    info: EngineInfo
    abilities: frozenset[Ability]
    image_form: ImageForm

    @abstractmethod
    def open_image(self, pixels: Pixels) -> ImageHandle:
        """Returns a handle on an image of the engine's form. The array must not be written to afterwards."""

    def prepare_image(self, pixels: Pixels) -> ImageHandle:
        """Returns a handle on one of several images that one request shows, which counts from `keep_images` on.

        Raises:
            ItemError: it cannot be shown.
        """
        return self.open_image(pixels)

    def keep_images(self, several: Sequence[ImageHandle], until: float | None = None) -> bool:  # noqa: ARG002
        """Waits until there is memory for all images of a request together. Returns whether it was in time.

        Args:
            until: as `time.monotonic()` counts; by default it waits for ever.
        """
        return True

    def open_images(self, several: Iterable[Pixels]) -> list[ImageHandle]:
        """Returns handles on images that one request shows, of which the next is asked for when one is done.

        Raises:
            ItemError: one cannot be shown.
        """
        opened = [self.prepare_image(pixels) for pixels in several]
        self.keep_images(opened)
        return opened

    @abstractmethod
    def submit(self, request: Request) -> Ticket:
        """Takes a request, or waits while too many are under way; one that is urgent, or follows another, never does.

        Raises:
            RequestError: the request cannot be answered by this engine, whatever the image shows.
            EngineStoppedError: the engine has ended.
        """

    @property
    @abstractmethod
    def stopped(self) -> bool:
        """Whether the engine takes no more requests: it was closed, or has failed as a whole."""

    @abstractmethod
    def stuck(self) -> float:
        """Returns for how many seconds the device has not come to an end of what it does; 0 where it has nothing to
        do."""

    @abstractmethod
    def counters(self) -> Mapping[str, int]:
        """Returns how much the engine has done since it was built, by name."""

    def measures(self) -> Measures:
        """Returns how its stages do; nothing, where it does not measure them."""
        return Measures()

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Frees the memory that the engine's model takes, for a block that needs it for a model of its own.

        What is asked meanwhile waits. An engine that takes little goes on.
        """
        yield

    @abstractmethod
    def close(self) -> None:
        """Answers what was submitted, then frees the device."""
