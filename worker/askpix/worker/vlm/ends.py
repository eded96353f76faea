"""Where texts end: at tokens wherever that can be, which costs nothing and does for searches too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Ends:
    """What ends the texts of a model."""

    always: frozenset[int]
    """The tokens that its generation config ends texts at."""

    tokens: Mapping[str, int]
    """Of its template's stops, those that are tokens too."""

    def at(self, stops: Iterable[str]) -> set[int]:
        """Returns the tokens that end a text which is to end at some stops."""
        return {*self.always, *(self.tokens[stop] for stop in stops if stop in self.tokens)}

    def sought(self, stops: Iterable[str]) -> tuple[str, ...]:
        """Returns those of its template's stops that have to be looked for in what is generated.

        What spells one of the others in plain text is text: `</s>` is a tag of HTML, too.
        """
        return tuple(stop for stop in stops if stop not in self.tokens)


def ends_of(stops: Sequence[str], tokenizer: Any, always: Iterable[int]) -> Ends:
    """Returns what ends the texts of a model.

    Args:
        stops: its template's.
        tokenizer: of OpenVINO GenAI.
        always: the tokens that its generation config ends texts at.
    """
    tokens = {}
    for stop in stops:
        ids = tokenizer.encode(stop, add_special_tokens=False).input_ids.data[0].tolist()
        # Some tokenizers put a space before what they encode: then the token is not that of the text itself.
        if len(ids) == 1 and tokenizer.decode(ids, skip_special_tokens=False) == stop:
            tokens[stop] = int(ids[0])
    return Ends(always=frozenset(always), tokens=tokens)
