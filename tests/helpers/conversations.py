"""Conversations that templates have to write as their sources do."""

from __future__ import annotations

from dataclasses import dataclass

from askpix.producer.items import Turn
from askpix.worker.vlm.templates import Template


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """What is said up to where a model answers."""

    question: str
    system: str | None = None
    before: tuple[tuple[str, str], ...] = ()
    """Questions and answers."""

    begun: str = ""
    shown: tuple[int, ...] = ()
    """How many images stand in front of each question; without it, one in front of the first."""

    @property
    def images(self) -> tuple[int, ...]:
        """How many stand in front of each question."""
        return self.shown or (1, *(0 for _ in self.before))

    @property
    def messages(self) -> list[dict[str, object]]:
        """In the form of transformers' chat templates."""
        said = [] if self.system is None else [_message("system", self.system)]
        for (question, answer), images in zip(self.before, self.images, strict=False):
            said += [_message("user", question, images), _message("assistant", answer)]
        return [*said, _message("user", self.question, self.images[-1])]


def _message(role: str, text: str, images: int = 0) -> dict[str, object]:
    return {"role": role, "content": [*({"type": "image"} for _ in range(images)), {"type": "text", "text": text}]}


def written(template: Template, conversation: Conversation) -> str:
    """Returns a conversation as a template of ours writes it."""
    turns = zip(conversation.before, conversation.shown or (0,) * len(conversation.before), strict=False)
    return template.prompt(
        conversation.question,
        image=template.image,
        images=sum(conversation.images),
        system=conversation.system,
        history=[Turn(question, answer, ("a.png",) * images) for (question, answer), images in turns],
        begun=conversation.begun,
    )


CONVERSATIONS = {
    "one turn": Conversation(question="what is it?"),
    "several turns": Conversation(question="whose?", before=(("what is it?", "a mug"), ("what for?", "tea"))),
    "system": Conversation(question="what is it?", system="Be brief."),
    "several turns and system": Conversation(
        question="what for?", system="Be brief.", before=(("what is it?", "a mug"),)
    ),
    "empty system": Conversation(question="what is it?", system=""),
    "odd texts": Conversation(
        question="{} {x} {{ y }} %s\n✓", system="{}\\n Größe", before=(("色は? {}", "{% if %} 赤 😀"),)
    ),
    "spaces": Conversation(question="  so? ", system=" Be brief. ", before=((" what\n", "a mug  \n"),)),
    "an image in a later turn": Conversation(
        question="and this?", before=(("what is it?", "a mug"), ("what for?", "tea")), shown=(1, 0, 1)
    ),
    "two images at once": Conversation(question="which?", before=(("what is it?", "a mug"),), shown=(1, 2)),
    "begun": Conversation(question="what is it?", before=(("where?", "here"),), begun=" It is"),
}
