"""How conversations are written for a model: one template for each way that checkpoints were trained with.

The pipeline's own rendering of a checkpoint's template leaves out the first token, and so gives other answers than
transformers; so prompts are written here, and given to it as they are. Which template a checkpoint has is found when it
is converted: the one that writes conversations as the checkpoint's own does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from askpix.producer.items import Turn

CAPTION = "Describe the image in one sentence."
"""What a model is told where a caption is asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A way to write conversations. {} in a piece stands for what is said."""

    system: str | None
    """The system's text; None where it cannot have one."""

    default: str = ""
    """What stands there where there is none."""

    user: str
    answer: str
    """What the model has answered before."""

    cue: str
    """After which the model answers."""

    image: str
    """An image, in front of the question with which it is shown, as transformers is given it."""

    @property
    def tag(self) -> str:
        """An image as the pipeline is given it, which breaks the line by itself."""
        return self.image.strip()

    def prompt(
        self,
        question: str,
        *,
        image: str,
        images: int = 1,
        system: str | None = None,
        history: Sequence[Turn] = (),
        begun: str = "",
    ) -> str:
        """Returns the text of a conversation up to where the model goes on.

        Args:
            image: what stands for an image.
            images: how many are shown in all. Those that no turn shows stand in front of the question, or of the first
                one where no turn shows any.
            history: what was said before the question.
            begun: what the answer begins with.
        """
        pieces = [self.default if system is None else _put(self.system or "{}", system)]
        asked = [*(turn.question for turn in history), question]
        answered = [turn.answer for turn in history]
        shown = [len(turn.images) for turn in history]
        shown.insert(len(shown) if any(shown) else 0, images - sum(shown))
        for number, text in enumerate(asked):
            pieces.append(_put(self.user, image * shown[number] + text))
            if number < len(answered):
                pieces.append(_put(self.answer, answered[number]))
        return "".join(pieces) + self.cue + begun


def _put(piece: str, text: str) -> str:
    # Not str.format: what is said may hold braces.
    before, _, after = piece.partition("{}")
    return f"{before}{text}{after}"


_CHATML_TURNS = {
    "system": "<|im_start|>system\n{}<|im_end|>\n",
    "user": "<|im_start|>user\n{}<|im_end|>\n",
    "answer": "<|im_start|>assistant\n{}<|im_end|>\n",
    "cue": "<|im_start|>assistant\n",
}
_QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
_LLAVA_IMAGE = "<image>\n"

TEMPLATES = {
    # llava-hf/llava-1.5-*, llava-v1.6-vicuna-*: as their chat_template says, which leaves out vicuna's own sentence.
    "vicuna": Template(system="{} ", user="USER: {} ", answer="ASSISTANT: {} ", cue="ASSISTANT:", image=_LLAVA_IMAGE),
    # llava-hf/llava-v1.6-mistral-7b-hf
    "mistral": Template(
        system="<<SYS>>\n{}\n<</SYS>>\n\n", user="[INST] {} [/INST]", answer=" {}</s>", cue="", image=_LLAVA_IMAGE
    ),
    # llava-hf/llava-v1.6-34b-hf, llava-interleave-qwen-*
    "chatml": Template(**_CHATML_TURNS, image=_LLAVA_IMAGE),
    # llava-hf/llama3-llava-next-8b-hf
    "llama3": Template(
        system="<|start_header_id|>system<|end_header_id|>\n\n{}<|eot_id|>",
        user="<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>",
        answer="<|start_header_id|>assistant<|end_header_id|>\n\n{}<|eot_id|>",
        cue="<|start_header_id|>assistant<|end_header_id|>\n\n",
        image=_LLAVA_IMAGE,
    ),
    # Qwen/Qwen2-VL-*, Qwen2.5-VL-*: with a sentence of their own where there is no system text.
    "qwen": Template(
        **_CHATML_TURNS,
        default="<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n",
        image=_QWEN_IMAGE,
    ),
    # Qwen/Qwen3-VL-*
    "qwen3": Template(**_CHATML_TURNS, image=_QWEN_IMAGE),
}
