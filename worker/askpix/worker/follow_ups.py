"""The questions of an item that wait for others: which come after them, or depend on their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from askpix.producer.items import Turn
from askpix.producer.judging import said_terms
from askpix.worker.error_codes import Code
from askpix.worker.inquiry import Inquiry
from askpix.worker.item_errors import EngineStoppedError, ItemError, internal_error

Ask = Callable[[Inquiry, tuple[Turn, ...]], None]
"""Asks a question after what was said."""


class FollowUps:
    """Knows of each question that waits which others it waits for, and asks it, or not, when these have ended.

    Args:
        inquiries: all of an item, in the order of its questions.
        before: what was asked before all of them.
        shown: the images that are shown with the questions, where what was asked before shows others.
    """

    def __init__(self, inquiries: Sequence[Inquiry], before: tuple[Turn, ...], shown: tuple[str, ...]) -> None:
        self._inquiries = inquiries
        self._before = before
        self._shown = shown
        self._needs: dict[int, dict[str, int | None]] = {}
        """By the number of a question that waits: the numbers of those that it names, None where there is no such."""
        self._due: dict[int, list[int]] = {}
        """Of which questions that wait the last one that they name stands before a place."""
        places: dict[str, int] = {}
        for number, inquiry in enumerate(inquiries):
            question = inquiry.question
            if question is None:
                continue
            if inquiry.waits:
                names = [*([] if question.after is None else [question.after]), *(question.when or ())]
                needs = self._needs[number] = {name: places.get(name) for name in names}
                due = max((place + 1 for place in needs.values() if place is not None), default=0)
                self._due.setdefault(due, []).append(number)
            # Of several that are called alike, the first, as `check_order` has it.
            places.setdefault(question.title, number)

    def ended(self, number: int, ask: Ask) -> Sequence[Inquiry]:
        """Has those asked that waited for nothing but the first so many questions, which have all ended.

        Returns these, those with them that are not to be asked.
        """
        due = self._due.pop(number, [])
        for place in due:
            inquiry = self._inquiries[place]
            try:
                if (history := self._history(place)) is not None:
                    ask(inquiry, history)
            except (ItemError, EngineStoppedError) as error:
                inquiry.fail(error)
            except BaseException as error:  # noqa: BLE001 - the item must end
                inquiry.fail(internal_error(error))
        return [self._inquiries[place] for place in due]

    def _history(self, number: int) -> tuple[Turn, ...] | None:
        """Returns what was said before a question; None where it is not to be asked.

        Raises:
            ItemError: there is no such question before it, or the one that it comes after has no answer.
            EngineStoppedError: the engine has ended.
        """
        inquiry = self._inquiries[number]
        question = inquiry.question
        assert question is not None
        earlier = {name: self._earlier(name, place) for name, place in self._needs[number].items()}
        if not all(one.is_asked for one in earlier.values()) or not _holds(question.when or {}, earlier):
            return None
        if question.after is None:
            return self._before
        after = earlier[question.after]
        # With the first of them, which has nothing asked here before it.
        shown = self._shown if after.history is None else ()
        before = self._before if after.history is None else after.history
        inquiry.history = (*before, *after.said(shown))
        return inquiry.history

    def _earlier(self, name: str, place: int | None) -> Inquiry:
        if place is None:
            raise ItemError(Code.NO_SUCH_QUESTION, f"no question before it is called {name[:100]!r}")
        return self._inquiries[place]


def _holds(when: Mapping[str, Sequence[str]], earlier: Mapping[str, Inquiry]) -> bool:
    """Returns whether earlier questions were answered as a condition says; one that failed was not."""
    try:
        given = {name: earlier[name].answer() for name in when}
        return all(not said_terms(a.kind, a.text).isdisjoint(when[name]) for name, a in given.items())
    except ItemError:
        return False
