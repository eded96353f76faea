"""The page, in Gradio. What it shows of models and people is text, never HTML or Markdown."""

from __future__ import annotations

import html
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from askpix.producer.errors import AskpixError
from askpix.worker.images.fetch_rules import MAX_BYTES
from askpix.worker.playground.conversation import Message
from askpix.worker.playground.form import SETTINGS, Setting
from askpix.worker.playground.models import AtHand, Chosen
from askpix.worker.playground.playground import Filled, Playground, Shown

_log = logging.getLogger(__name__)

NONE = "none"
SIDES = 2
_BARS = 12
"""That are shown: the likeliest."""

_HINT = (
    f"Drop an image of up to {MAX_BYTES // 1_000_000} MB, or pick an example; then ask."
    " Where the model chats, another image joins the conversation."
)

_QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

# Fonts of the system's own: a page that brings none asks nobody for any.
THEME = gr.themes.Default(
    primary_hue="teal",
    secondary_hue="teal",
    neutral_hue="slate",
    font=("system-ui", "sans-serif"),
    font_mono=("ui-monospace", "monospace"),
).set(
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover_dark="*primary_800",
    button_primary_text_color="white",
    block_title_text_weight="600",
    input_placeholder_color="*neutral_500",
    input_placeholder_color_dark="*neutral_400",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_400",
)
CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def _drop() -> Any:
    """Returns a place for an image, which is stored as a file and not opened here."""
    image = gr.Image(
        label="Image", sources=["upload", "clipboard"], type="filepath", height=290, buttons=[], elem_id="image",
    )  # fmt: skip
    store, store_async = image.move_resource_to_block_cache, image.async_move_resource_to_block_cache
    # On this one alone: Gradio writes a file beside the source of a class that is derived from its own.
    image.preprocess = lambda payload: None if payload is None else str(payload.path)
    image.move_resource_to_block_cache = lambda path: store(_file(path))
    image.async_move_resource_to_block_cache = lambda path: store_async(_file(path))
    return image


def _file(path: Any) -> Any:
    """Returns a path as it is; an address, which Gradio would fetch, is none."""
    if path is not None and "://" in str(path):
        raise gr.Error("an image is dropped here as a file")
    return path


class _Side:
    """One model's half of the page."""

    def __init__(self, number: int) -> None:
        self.card = gr.Column(visible=number == 0, min_width=280, elem_id=f"side-{number}", elem_classes="side")
        with self.card:
            self.chat = gr.Chatbot(
                label="Conversation",
                visible=False,
                height=420,
                elem_classes="chat",
                render_markdown=False,
                sanitize_html=True,
                allow_tags=False,
                latex_delimiters=[],
                reasoning_tags=[],
                feedback_options=None,
                buttons=[],
            )
            self.answer = gr.Textbox(label="Answer", interactive=False, lines=2, max_lines=14, elem_classes="answer")
            self.bars = gr.Label(
                label="Probabilities", visible=False, show_heading=False, num_top_classes=_BARS, elem_classes="bars"
            )
            self.facts = gr.Textbox(
                show_label=False, container=False, interactive=False, max_lines=3, elem_classes="facts"
            )
            self.problem = gr.Textbox(
                label="This could not be answered", interactive=False, visible=False, elem_classes="problem"
            )

    @property
    def outputs(self) -> list[Any]:
        return [self.card, self.chat, self.answer, self.bars, self.facts, self.problem]

    @staticmethod
    def updates(shown: Shown | None, name: str) -> list[Any]:
        """Returns what the half becomes, in the order of `outputs`; an absent one is not to be seen."""
        if shown is None:
            return [gr.update(visible=False), *[gr.update() for _ in range(5)]]
        told, chats = shown.told, shown.messages is not None
        messages = [{"role": one.role, "content": _content(one)} for one in shown.messages or ()]
        return [
            gr.update(visible=True),
            gr.update(value=messages, visible=chats, label=name),
            gr.update(value=told.text, visible=not chats and told.problem is None, label=name),
            gr.update(value=dict(told.bars) or None, visible=bool(told.bars)),
            gr.update(value=told.facts, visible=bool(told.facts)),
            gr.update(value=told.problem or "", visible=told.problem is not None, label=name),
        ]


def _content(message: Message) -> str:
    """Returns a message as the conversation shows it, which takes texts for HTML: the only tag is our own."""
    text = html.escape(message.text, quote=False)
    if message.picture is None:
        return text
    source = f"gradio_api/file={quote(str(message.picture.path))}"
    name = html.escape(f"Image {message.number}: {message.picture.path.name}")
    return f'<img alt="{name}" class="shown" src="{source}">{text}'


def page(playground: Playground, examples: Sequence[Path]) -> gr.Blocks:
    """Returns the page of a playground.

    Args:
        examples: pictures to pick from.
    """
    source = playground.source
    known = [model.name for model in _models(playground)]
    with gr.Blocks(title="askpix playground", analytics_enabled=False) as blocks:
        gr.Markdown(f"# askpix playground\n{_HINT}", elem_id="title")
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=340):
                image = _drop()
                picks = gr.Dataset(
                    label="Examples", components=["image"], component_props=[{"height": 52, "width": 52}],
                    samples=[[str(path)] for path in examples], type="index", samples_per_page=len(examples),
                    layout="gallery", elem_id="examples",
                )  # fmt: skip
                question = gr.Textbox(
                    label="Question", placeholder="what color is it?   (empty: a caption)", max_length=2_000,
                    elem_id="question",
                )  # fmt: skip
                choices = gr.Textbox(
                    label="Choices", placeholder="optional, one a line", lines=2, max_lines=8, elem_id="choices"
                )
                with gr.Row():
                    ask = gr.Button("Ask", variant="primary", elem_id="ask", scale=2, min_width=80)
                    stop = gr.Button("Stop", elem_id="stop", min_width=60)
                    clear = gr.Button("Clear", elem_id="clear", min_width=60)
                with gr.Accordion("More", open=False, elem_id="more"):
                    boxes = [_box(setting) for setting in SETTINGS]
            with gr.Column(scale=7, min_width=340):
                with gr.Row():
                    choosers = [_chooser(number, known, source.precisions) for number in range(SIDES)]
                with gr.Row(equal_height=False):
                    sides = [_Side(number) for number in range(SIDES)]

        chosen = [part for chooser in choosers for part in chooser]
        outputs = [output for side in sides for output in side.outputs]

        def on_ask(request: gr.Request, path: str | None, text: str, lines: str, *rest: Any) -> Iterator[list[Any]]:
            picked, given = rest[: 2 * SIDES], rest[2 * SIDES :]
            asked_of = _chosen(picked)
            settings = {setting.name: value for setting, value in zip(SETTINGS, given, strict=True)}
            filled = Filled(image=path, question=text or "", choices=lines or "", settings=settings, sides=asked_of)
            for shown in playground.ask(str(request.session_hash), filled):
                yield _all(shown, [one.model for one in asked_of])

        def on_clear(request: gr.Request, *picked: Any) -> list[Any]:
            playground.clear(str(request.session_hash))
            asked_of = _chosen(picked)
            return ["", "", *_all([Shown() for _ in asked_of], [one.model for one in asked_of])]

        def on_stop(request: gr.Request) -> None:
            playground.stop(str(request.session_hash))

        def on_choice(*picked: Any) -> list[Any]:
            asked_of = _chosen(picked)
            chats = {model.name: model.chats for model in _models(playground)}
            takes_chat = any(chats.get(one.model) for one in asked_of)
            fields = [gr.update(visible=takes_chat or not setting.chat) for setting in SETTINGS]
            return [gr.update(visible=number < len(asked_of)) for number in range(SIDES)] + fields

        def on_load(*picked: Any) -> list[Any]:
            names = [model.name for model in _models(playground)]
            first = picked[0] if picked[0] in names else next(iter(names), None)
            second = picked[2] if picked[2] in names else NONE
            return [gr.update(choices=names, value=first), gr.update(choices=[NONE, *names], value=second)]

        def on_close(request: gr.Request) -> None:
            playground.sittings.end(str(request.session_hash))

        # One line for all three, in which each is begun at once: of two lines, Gradio takes whichever it likes first.
        clicked = {"concurrency_limit": None, "concurrency_id": "clicked", **_QUIET}
        gr.on(
            [ask.click, question.submit], on_ask, [image, question, choices, *chosen, *boxes], outputs,
            trigger_mode="multiple", **clicked,
        )  # fmt: skip
        # Through the queue too, beside what it is busy with: the way around it is closed.
        stop.click(on_stop, **clicked)
        gr.on(
            [clear.click, *(side.chat.clear for side in sides)], on_clear, chosen, [question, choices, *outputs],
            **clicked,
        )  # fmt: skip
        picks.click(lambda index: str(examples[index]), picks, image, concurrency_limit=None, **_QUIET)
        cards = [side.card for side in sides]
        for name, _ in choosers:
            name.change(on_choice, chosen, [*cards, *boxes], concurrency_limit=None, **_QUIET)
        names = [name for name, _ in choosers]
        blocks.load(on_load, chosen, names, **_QUIET).then(on_choice, chosen, [*cards, *boxes], **_QUIET)
        blocks.unload(on_close)
    # Questions wait in the playground, where they can be stopped. What is clicked waits for none of them here.
    blocks.queue(max_size=512)
    return blocks


def _chooser(number: int, known: Sequence[str], precisions: Sequence[str]) -> tuple[Any, Any]:
    """Returns what a model is chosen with, and its precision."""
    first = number == 0
    name = gr.Dropdown(
        list(known) if first else [NONE, *known], value=next(iter(known), None) if first else NONE,
        label="Model" if first else "Beside it", elem_id=f"model-{number}", scale=3, min_width=180,
    )  # fmt: skip
    precision = gr.Dropdown(
        list(precisions), value=next(iter(precisions), None), label="Precision",
        visible=bool(precisions), elem_id=f"precision-{number}", scale=2, min_width=100,
    )  # fmt: skip
    return name, precision


def _chosen(picked: Sequence[Any]) -> list[Chosen]:
    pairs = zip(picked[::2], picked[1::2], strict=True)
    return [
        Chosen(model=str(name), precision=str(precision or "auto"))
        for number, (name, precision) in enumerate(pairs)
        if number == 0 or name not in (None, NONE)
    ]


def _box(setting: Setting) -> Any:
    known: dict[str, Any] = {
        "label": setting.label, "info": setting.help, "visible": not setting.chat, "elem_id": f"setting-{setting.name}",
    }  # fmt: skip
    match setting.form:
        case "flag":
            return gr.Checkbox(**known)
        case "text" | "lines":
            return gr.Textbox(lines=1 if setting.form == "text" else 2, **known)
        case _:
            # Not boxes for numbers: these show 0 where nothing was said.
            return gr.Textbox(max_lines=1, placeholder="the model's own", **known)


def _all(shown: Sequence[Shown], names: Sequence[str]) -> list[Any]:
    updates: list[Any] = []
    for number in range(SIDES):
        there = number < len(shown)
        updates += _Side.updates(shown[number] if there else None, names[number] if there else "")
    return updates


def _models(playground: Playground) -> Sequence[AtHand]:
    try:
        return playground.source.models()
    except AskpixError as error:
        # Of a broker that is away: who asks is told too.
        _log.warning("%s", error)
        return ()
