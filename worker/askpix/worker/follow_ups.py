"""The questions of an item that come after others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from askpix.producer.items import Turn
from askpix.producer.questions import Question
from askpix.producer.rows import Answer
from askpix.worker.engine.ticket import Ticket
from askpix.worker.errors import EngineStoppedError, ItemError
from askpix.worker.loading import internal_error
from askpix.worker.logs.about import carried

Asked = Ticket | ItemError | EngineStoppedError | None
"""What became of a question; None where it waits for another's answer."""


class FollowUps:
    """Questions of an item of which some come after others, and are asked when these are answered."""

    def __init__(
        self,
        questions: Sequence[Question | None],
        request: Callable[[Question | None, tuple[Turn, ...]], Ticket | ItemError],
        before: tuple[Turn, ...],
        shown: tuple[str, ...],
    ) -> None:
        self._questions = questions
        # On the engine's thread, which has requests of many items.
        self._request = carried(request)
        self._before = before
        self._shown = shown
        self._history: dict[int, tuple[Turn, ...]] = {}
        """What was said before each question, by its number."""
        self.complete = threading.Event()
        """Set when there is nothing left to ask."""

    def end(self) -> None:
        """Says that there is nothing left to ask; the image is let go."""
        del self._request
        self.complete.set()

    def ask(self, number: int, tickets: Sequence[Asked]) -> Ticket | ItemError | EngineStoppedError:
        """Asks a question whose earlier one has its answer, or none; returns its ticket, or why it has none."""
        question = self._questions[number]
        assert question is not None
        before = enumerate(self._questions[:number])
        places = [place for place, one in before if one is not None and one.title == question.after]
        if not places:
            return ItemError("no_such_question", f"no question before it is called {str(question.after)[:100]!r}")
        earlier = places[-1]
        try:
            answer = answer_of(tickets[earlier])
            # With the first of them, which has nothing asked here before it.
            shown = () if earlier in self._history else self._shown
            said = Turn(answer.question or "", answer.text, shown)
            history = (*self._history.get(earlier, self._before), said)
            self._history[number] = history
            return self._request(question, history)
        except (ItemError, EngineStoppedError) as error:
            return error
        except BaseException as error:  # noqa: BLE001 - the item must end
            return internal_error(error)


def answer_of(ticket: Asked) -> Answer:
    """Returns the answer; raises why there is none."""
    if isinstance(ticket, Ticket):
        return ticket.result()
    assert ticket is not None
    raise ticket
