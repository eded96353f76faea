"""Where texts end: at tokens wherever that can be, which costs nothing and does for searches too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Ends:
    """What ends the texts of a model."""

    tokens: frozenset[int]
    """Which the model writes when it has said all."""

    texts: frozenset[str]
    """Of its template's stops, those that are such tokens. The others have to be looked for in what is generated."""


def ends_of(stops: Sequence[str], tokenizer: Any, known: Iterable[int]) -> Ends:
    """Returns what ends the texts of a model.

    Args:
        stops: its template's.
        tokenizer: of OpenVINO GenAI.
        known: the tokens that its generation config ends texts at.
    """
    tokens, texts = set(known), set[str]()
    for stop in stops:
        ids = tokenizer.encode(stop, add_special_tokens=False).input_ids.data[0].tolist()
        # Some tokenizers put a space before what they encode: then the token is not that of the text itself.
        if len(ids) == 1 and tokenizer.decode(ids, skip_special_tokens=False) == stop:
            tokens.add(int(ids[0]))
            texts.add(stop)
    return Ends(tokens=frozenset(tokens), texts=frozenset(texts))
