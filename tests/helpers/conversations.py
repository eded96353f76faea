"""Conversations that templates have to write as their sources do."""

from __future__ import annotations

from dataclasses import dataclass

from askpix.producer.items import Turn
from askpix.worker.vlm.templates import Template


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """What is said up to where a model answers; the image stands in front of the first question."""

    question: str
    system: str | None = None
    before: tuple[tuple[str, str], ...] = ()
    """Questions and answers."""

    begun: str = ""

    @property
    def messages(self) -> list[dict[str, object]]:
        """In the form of transformers' chat templates."""
        said = [] if self.system is None else [_message("system", self.system)]
        for question, answer in self.before:
            said += [_message("user", question), _message("assistant", answer)]
        said.append(_message("user", self.question))
        first = next(message for message in said if message["role"] == "user")
        first["content"] = [{"type": "image"}, *first["content"]]
        return said


def _message(role: str, text: str) -> dict[str, list[dict[str, str]] | str]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def written(template: Template, conversation: Conversation) -> str:
    """Returns a conversation as a template of ours writes it."""
    return template.prompt(
        conversation.question,
        image=template.image,
        system=conversation.system,
        history=[Turn(question, answer) for question, answer in conversation.before],
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
    "begun": Conversation(question="what is it?", before=(("where?", "here"),), begun=" It is"),
}
