"""What the sources of templates make of conversations, by rules and Jinja in words of our own."""

from __future__ import annotations

from collections.abc import Callable

from helpers.conversations import Conversation
from jinja2.sandbox import ImmutableSandboxedEnvironment

_JINJA = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)

_HEAD = "{% macro images(m, tag) %}{% for p in m.content if p.type == 'image' %}{{ tag }}{% endfor %}{% endmacro %}"
_TEXT = "{{ m.content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join }}"

_VICUNA = """\
{% for m in messages %}\
{% if m.role != 'system' %}{{ m.role | upper }}: {% endif %}{{ images(m, '<image>\\n') }}TEXT {% endfor %}ASSISTANT:"""

_MISTRAL = """\
{% for m in messages %}\
{% if m.role == 'system' %}{{ '<<SYS>>\\n' }}TEXT{{ '\\n<</SYS>>\\n\\n' }}\
{% elif m.role == 'user' %}[INST] {{ images(m, '<image>\\n') }}TEXT [/INST]\
{% else %}{{ ' ' }}TEXT</s> {% endif %}{% endfor %}"""

_CHATML = """\
{% for m in messages %}<|im_start|>{{ m.role + '\\n' }}{{ images(m, IMAGE) }}TEXT<|im_end|>{{ '\\n' }}{% endfor %}\
<|im_start|>assistant{{ '\\n' }}"""

_QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
_QWEN_OWN = """\
{% if messages[0].role != 'system' %}<|im_start|>system{{ '\\n' }}You are a helpful assistant.<|im_end|>{{ '\\n' }}\
{% endif %}"""

_INTERLEAVE = """\
{% for m in messages %}<|im_start|>{{ m.role }} {{ images(m, '<image>') }}{{ '\\n' }}TEXT<|im_end|>{% endfor %}\
<|im_start|>assistant{{ '\\n' }}"""

_LLAMA3 = """\
{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>{{ '\\n\\n' }}\
{{ images(m, '<image>') }}{{ '\\n' }}TEXT<|eot_id|>{% endfor %}\
<|start_header_id|>assistant<|end_header_id|>{{ '\\n\\n' }}"""


def _jinja(text: str, image: str = "") -> Callable[[Conversation], str]:
    """Returns the rule of a checkpoint whose processor renders conversations."""
    template = _JINJA.from_string(_HEAD + text.replace("TEXT", _TEXT).replace("IMAGE", repr(image)))
    return lambda conversation: template.render(messages=conversation.messages) + conversation.begun


def _llava(
    default: str, head: str, roles: tuple[str, str], separators: tuple[str, str]
) -> Callable[[Conversation], str]:
    """Returns the rule of a conversation of LLaVA's: each text between its role and what separates it from the next.

    Args:
        default: its system text.
        head: what stands before the system text.
        separators: after the system text and questions, and after answers.
    """

    def write(conversation: Conversation) -> str:
        said = [text for turn in conversation.before for text in turn] + [conversation.question]
        said[::2] = ["<image>\n" * count + text for count, text in zip(conversation.images, said[::2], strict=True)]
        system = default if conversation.system is None else conversation.system
        text = head + system + separators[0]
        for place, one in enumerate(said):
            text += roles[place % 2] + one + separators[place % 2]
        # The role of who is to speak stands there by itself, without the space that would follow its colon.
        return text + roles[1].removesuffix(" ") + conversation.begun

    return write


_CHATML_ROLES = ("<|im_start|>user\n", "<|im_start|>assistant\n")
_ENDS = ("<|im_end|>", "<|im_end|>")
_MPT = "A conversation between a user and an LLM-based AI assistant. The assistant gives helpful and honest answers."

SOURCES: dict[str, Callable[[Conversation], str]] = {
    "chatml": _jinja(_CHATML, "<image>\n"),
    "chatml_direct": _llava("Answer the questions.", "<|im_start|>system\n", _CHATML_ROLES, _ENDS),
    "interleave": _jinja(_INTERLEAVE),
    "llama3": _jinja(_LLAMA3),
    "mistral": _jinja(_MISTRAL),
    "mpt": _llava(_MPT, "<|im_start|>system\n", _CHATML_ROLES, _ENDS),
    "qwen": _jinja(_QWEN_OWN + _CHATML, _QWEN_IMAGE),
    "qwen3": _jinja(_CHATML, _QWEN_IMAGE),
    "vicuna": _jinja(_VICUNA),
    "vicuna_v1": _llava(
        "A chat between a curious user and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the user's questions.",
        "",
        ("USER: ", "ASSISTANT: "),
        (" ", "</s>"),
    ),
}
"""By the names of our templates, whose files say where each source is."""
