"""What there is to show of an answer, while it comes and when it is there."""

from __future__ import annotations

from dataclasses import dataclass

from askpix.producer.rows import Answer, Kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """An answer as far as it has come."""

    text: str = ""
    bars: tuple[tuple[str, float], ...] = ()
    """The choices, or the match, with their probabilities, as they were given."""

    facts: str = ""
    """How sure, how long, by what: one line."""

    problem: str | None = None
    """Why there is no answer, or no whole one."""

    said: str | None = None
    """What a conversation carries on from, once it is there."""


def told_of(answer: Answer, seconds: float, model: str, device: str, precision: str) -> Told:
    """Returns what is shown of an answer.

    Args:
        seconds: that it took, image and all.
    """
    sure = "fits" if answer.kind is Kind.MATCH else "confidence"
    facts = [f"{sure} {answer.confidence:.2f}", took(seconds), f"{model} on {device} in {precision}"]
    if answer.prompt_tokens is not None:
        facts.append(f"{answer.prompt_tokens} tokens read, {answer.tokens} written")
    if answer.finish_reason == "length":
        facts.append("cut off at its longest")
    others = "".join(f"\n{other.text}  ({other.confidence:.2f})" for other in answer.alternatives or ())
    return Told(text=answer.text + others, bars=_bars(answer), facts=" · ".join(facts), said=answer.text)


def _bars(answer: Answer) -> tuple[tuple[str, float], ...]:
    if answer.kind is Kind.MATCH:
        return (("fits", answer.confidence), ("does not fit", 1 - answer.confidence))
    return tuple((choice.text, choice.probability) for choice in answer.choices or ())


def took(seconds: float) -> str:
    """Returns a duration for a person."""
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
