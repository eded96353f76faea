"""Choices: all of a question's are scored in one pass of the decoder.

As answers, the choices of a question begin alike: each with the start token, some with more. So their tokens
make a tree, in which a token sees those that lead to it, and what choices share is read once.

    start ─┬─ "dark" ─┬─ "red" ── end           read: start, dark, red, blue, green
           │          └─ "blue" ── end          scored: dark and green after start, red and blue after dark,
           └─ "green" ── end                            end after each of the three others
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import openvino as ov

from askpix.worker.blip.decoder import Batch, Decoder, Read, rounded
from askpix.worker.blip.graphs import StateType
from askpix.worker.blip.work import BlipRequest, States
from askpix.worker.engine.failures import spoiled
from askpix.worker.engine.under_way import UnderWay
from askpix.worker.engine.waiting import Waiting
from askpix.worker.models.blip_manifest import Sizes

PASS_TOKENS = 256
"""Tokens that are read in one pass, padding included; a question with more choices takes several. Each needs 4 bytes
for each word of the vocabulary: 31 MB a pass with the 30,524 words of BLIP."""

_PASS_QUESTIONS = 16
"""Questions that make a pass worth while, other work being there: some 16 tokens each."""


@dataclass(slots=True)
class ChoiceTree:
    """Choices of one question as the tree of their tokens.

    Args:
        start: id of the token that each begins with.
    """

    start: int
    tokens: list[int] = field(default_factory=list)
    """What is read, each after what leads to it."""

    parents: list[int] = field(default_factory=list)
    """Place of the token before each; its own for the first."""

    depths: list[int] = field(default_factory=list)
    followers: list[dict[int, int]] = field(default_factory=list)
    """For each token, the places that its targets have among its scores, by the target's id."""

    children: dict[tuple[int, int], int] = field(default_factory=dict)
    """Place of what is read after a place, by the token's id."""

    choices: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """By a choice's number, the scores whose sum is its log-likelihood: a place and a target's place there."""

    def __post_init__(self) -> None:
        self._read(self.start, 0, 0)

    def __len__(self) -> int:
        return len(self.tokens)

    def add(self, number: int, ids: Sequence[int]) -> None:
        """Adds a choice: its number, and its ids with the end token."""
        place, scores = 0, list[tuple[int, int]]()
        for depth, token in enumerate(ids):
            scores.append((place, self.followers[place].setdefault(token, len(self.followers[place]))))
            if depth == len(ids) - 1:
                break
            child = self.children.get((place, token))
            place = self._read(token, place, depth + 1) if child is None else child
        self.choices[number] = scores

    def seen(self) -> Iterable[tuple[int, int]]:
        """Returns which place sees which: itself, and those that lead to it."""
        for place in range(len(self)):
            yield place, place
            before = place
            while before:
                before = self.parents[before]
                yield place, before

    def _read(self, token: int, parent: int, depth: int) -> int:
        self.children[parent, token] = len(self.tokens)
        self.tokens.append(token)
        self.parents.append(parent)
        self.depths.append(depth)
        self.followers.append({})
        return len(self.tokens) - 1


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """Choices of a request that are scored in one pass."""

    request: BlipRequest
    states: States
    tree: ChoiceTree


class ChoiceStage:
    """Scores the choices of questions that are encoded.

    Args:
        compiled: the decoder; None for a model that generates nothing, whose requests never come here.
        state_type: in which numbers it takes states.
        sizes: of its tensors.
        start: id of the token that an answer begins with.
        under_way: is told of requests that fail here.
        scored: takes each request all of whose choices have their scores.
    """

    def __init__(
        self,
        compiled: ov.CompiledModel | None,
        state_type: StateType,
        sizes: Sizes,
        *,
        start: int,
        under_way: UnderWay[BlipRequest],
        scored: Callable[[BlipRequest], None],
    ) -> None:
        self._decoder = Decoder(compiled, state_type)
        self._state_type = state_type
        self._sizes = sizes
        self._start = start
        self._under_way = under_way
        self._scored = scored
        self.waiting: Waiting[_Asked] = Waiting()
        self.passes = 0
        self.choices = 0
        """Choices that were scored."""

    @property
    def busy(self) -> bool:
        return bool(self.waiting)

    @property
    def full(self) -> bool:
        """Whether as much waits as one pass takes, or about so."""
        return len(self.waiting) >= _PASS_QUESTIONS

    @property
    def urgent(self) -> bool:
        """Whether an urgent request is here."""
        return self.waiting.urgent > 0

    def put(self, request: BlipRequest, states: States) -> None:
        """Takes a request whose question is encoded, with the question's states, [S, E]."""
        tree = ChoiceTree(self._start)
        for number, ids in enumerate(request.choice_ids):
            if len(tree) + len(ids) > PASS_TOKENS and tree.choices:
                self.waiting.put(_Asked(request, states, tree), urgent=request.urgent)
                tree = ChoiceTree(self._start)
            tree.add(number, ids)
        self.waiting.put(_Asked(request, states, tree), urgent=request.urgent)

    def step(self) -> None:
        """Makes one pass over what waits. An error fails its requests."""
        asked = self._taken()
        if not asked:
            return
        try:
            scores = self._scores(asked)
        except BaseException as error:
            for one in asked:
                self._under_way.fail(one.request, error)
            raise
        self.passes += 1
        for one, own in zip(asked, scores, strict=True):
            self.choices += len(one.tree.choices)
            for number, places in one.tree.choices.items():
                one.request.scores[number] = float(sum(own[place] for place in places))
            if reason := spoiled(one.request.scores.values()):
                self._under_way.fail(one.request, reason)
            elif len(one.request.scores) == len(one.request.choice_ids):
                self._scored(one.request)

    def _taken(self) -> list[_Asked]:
        """Takes as many from what waits as fit into one pass."""
        asked: list[_Asked] = []
        longest = 0
        front = self.waiting.front
        while front:
            longest = max(longest, len(front[0].tree))
            if asked and longest * (len(asked) + 1) > PASS_TOKENS:
                break
            one = front.popleft()
            if not (one.request.ticket.done() or self._under_way.abandoned(one.request)):
                asked.append(one)
        return asked

    def _scores(self, asked: Sequence[_Asked]) -> np.ndarray:
        """Returns log-probabilities, float32 [B, N, K]."""
        rows, sizes = len(asked), self._sizes
        length = rounded(max(len(one.states) for one in asked))
        states = self._state_type.zeros(rows, length, asked[0].states.shape[1])
        mask = np.zeros((rows, length), np.float32)
        for row, one in enumerate(asked):
            states[row, : len(one.states)] = one.states
            mask[row, : len(one.states)] = 1
        past = self._state_type.zeros(rows, sizes.heads, 1, sizes.hidden // sizes.heads)
        read = read_together([one.tree for one in asked], pad=self._start)
        self._decoder.infer(Batch(read=read, states=states, mask=mask, cache=(past,) * (2 * sizes.layers)))
        return self._decoder.scores


def read_together(trees: Sequence[ChoiceTree], *, pad: int) -> Read:
    """Returns what rows read, a tree each; those of fewer tokens are filled up with `pad`."""
    rows, tokens = len(trees), max(map(len, trees))
    targets = max(len(followers) for tree in trees for followers in tree.followers)
    read = Read(
        ids=np.full((rows, tokens), pad, np.int64),
        positions=np.zeros((rows, tokens), np.int64),
        # Padding sees itself, since a softmax over nothing is no number.
        seen=np.tile(np.eye(tokens, dtype=np.float32), (rows, 1, 1)),
        targets=np.zeros((rows, tokens, targets), np.int64),
    )
    for row, tree in enumerate(trees):
        read.ids[row, : len(tree)] = tree.tokens
        read.positions[row, : len(tree)] = tree.depths
        for place, other in tree.seen():
            read.seen[row, place, other] = 1
        for place, followers in enumerate(tree.followers):
            for target, index in followers.items():
                read.targets[row, place, index] = target
    return read
