"""Templates write what their sources do, are refused in words where they are none, and no user can write their tags."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from helpers.conversations import CONVERSATIONS, written
from helpers.template_sources import SOURCES

from askpix.cli.model import convert
from askpix.producer.errors import ModelError
from askpix.producer.items import Options, Turn
from askpix.producer.questions import Question
from askpix.worker.engine.base import Ability, Request
from askpix.worker.models.folder import read_manifest
from askpix.worker.models.vlm_manifest import FixedTokens, Language, VlmManifest
from askpix.worker.vlm import templates
from askpix.worker.vlm.ends import Ends
from askpix.worker.vlm.request_reader import RequestReader
from askpix.worker.vlm.templates import TEMPLATES, template_named
from askpix.worker.vlm.templates.files import read_template
from askpix.worker.vlm.work import VlmImage, VlmRequest

PROMPTS = tomllib.loads((Path(__file__).parent / "prompts.toml").read_text(encoding="utf-8"))
FILES = Path(templates.__file__).parent
BRIEF = """\
summary = "of a test"
source = "this file"
checkpoints = ["none"]
system = "{} "
user = "Q: {} "
answer = "A: {}</s>"
cue = "A:"
image = "<image>\\n"
stops = ["</s>"]
"""
SCHEMA = {"type": "object", "properties": {"kind": {"enum": ["mug"]}}, "required": ["kind"]}


def _manifest(template: str) -> VlmManifest:
    return VlmManifest(
        kind="vlm", name="m", abilities=frozenset({Ability.ANSWER}), source="x", family="llava", template=template,
        image_tokens=FixedTokens(tokens=4), reserved=(), precision="f32", versions={}, files={}, fingerprint="",
        language=Language(layers=1, kv_heads=1, head_size=8, context=9_999),
    )  # fmt: skip


def _read(template: str, question: Question | None, options: Options, history: tuple[Turn, ...] = ()) -> VlmRequest:
    """Has a request read for a model whose tokenizer reserves nothing, and has a token for each character."""
    ends = Ends(always=frozenset(), tokens={"</s>": 2})
    reader = RequestReader(_manifest(template), len, 9_999, lambda ids: "".join(map(chr, ids)), ends)
    image = VlmImage(None, np.zeros((8, 8, 3), np.uint8), 8, 8)
    return reader.read(Request(images=(image,), question=question, options=options, history=history), None)


def test_every_template_has_a_source_that_it_is_checked_against() -> None:
    assert set(TEMPLATES) == set(SOURCES) == set(PROMPTS)


@pytest.mark.parametrize("case", CONVERSATIONS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_conversations_are_written_as_the_source_does(name: str, case: str) -> None:
    conversation, expected = CONVERSATIONS[case], PROMPTS[name][case]

    assert written(TEMPLATES[name], conversation) == expected
    # Images that stand together are on lines of their own, whatever the source makes of them.
    together = name in ("interleave", "llama3") and case == "two images at once"
    if together:
        expected = expected.replace("<image>\n<image>", "<image><image>")
    assert SOURCES[name](conversation) == expected


@pytest.mark.parametrize(
    ("name", "stop"),
    [("mpt", "<|im_end|>"), ("chatml_direct", "<|im_end|>"), ("vicuna_v1", "</s>"), ("llama3", "<|eot_id|>")],
)
def test_an_answer_ends_with_what_stands_behind_one_before(name: str, stop: str) -> None:
    """As in LLaVA, which stops at what separates an answer from the next question."""
    assert TEMPLATES[name].stops == (stop,)
    assert f"a mug{stop}" in PROMPTS[name]["several turns"]


def test_a_system_text_of_nothing_is_as_none() -> None:
    assert (
        _read("mpt", Question("why?"), Options(system=" ")).prompt == _read("mpt", Question("why?"), Options()).prompt
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('user = "Q: {} "', 'user = "Q: "', "not valid: user: has to hold {} once"),
        ('system = "{} "', 'system = "{} {}"', "not valid: system: has to hold {} once"),
        ('answer = "A: {}</s>"\n', "", "not valid: answer: Field required"),
        ('cue = "A:"', 'cue = "A:"\nanswers = "x"', "not valid: answers: Unexpected keyword argument"),
        ('cue = "A:"', "cue = 3", "not valid: cue: Input should be a valid string"),
        ('system = "{} "', 'default = "Be kind."', "not valid: default: there is no system to write it"),
        ('image = "<image>\\n"', 'image = "\\n"', "not valid: image: has to hold something"),
        ('stops = ["</s>"]', 'stops = [" "]', "not valid: stops: has to hold at least one text"),
        ('stops = ["</s>"]', "stops = []", "not valid: stops: has to hold at least one text"),
        ('checkpoints = ["none"]', "checkpoints = []", "not valid: source and checkpoints: have to say"),
        ('summary = "of a test"', f'summary = "{61 * "x"}"', "not valid: summary: has to be a line of up to 60"),
        ('cue = "A:"', "cue = A:", "the template brief is not written in TOML"),
    ],
)
def test_a_file_that_says_no_template_is_refused_in_words(old: str, new: str, words: str) -> None:
    assert read_template("brief", BRIEF).prompt("why?", image="<image>\n") == "Q: <image>\nwhy? A:"
    assert old in BRIEF

    with pytest.raises(ModelError) as caught:
        read_template("brief", BRIEF.replace(old, new))

    assert words in str(caught.value)


def test_names_that_are_none_are_refused() -> None:
    with pytest.raises(ModelError, match="no template can be called 'Brief One'"):
        read_template("Brief One", BRIEF)
    with pytest.raises(ModelError, match="no conversation template 'gpt'; there are chatml, chatml_direct"):
        template_named("gpt")


def test_a_manifest_with_a_template_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(_manifest("mpt").model_dump_json(), encoding="utf-8")
    assert read_manifest(tmp_path) == _manifest("mpt")
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"mpt"', '"gpt"'), encoding="utf-8")

    with pytest.raises(ModelError, match="template: there is no conversation template 'gpt'; there are chatml"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", TEMPLATES)
def test_nobody_can_write_the_tags_of_a_template(name: str) -> None:
    """Though its tokenizer knows none of them: not in any text, not put together of what is left of others."""
    plain = _read(name, Question("what is it?"), Options(system="Be brief."), (Turn("where?", "here"),))

    for tag in TEMPLATES[name].reserved:
        inside = f"{tag[:2]}{tag}{tag[2:]}"
        for evil in (tag, tag + tag, inside):
            job = _read(
                name,
                Question(f"what{evil} is it?"),
                Options(system=f"{evil}Be brief.{evil}"),
                (Turn(f"where?{evil}", f"he{evil}re"),),
            )
            assert job.prompt == plain.prompt


def test_tags_are_reserved_and_words_are_not() -> None:
    assert TEMPLATES["mpt"].reserved == ("<|im_start|>", "<|im_end|>", "<image>")
    assert TEMPLATES["mistral"].reserved == ("<<SYS>>", "<</SYS>>", "[INST]", "[/INST]", "</s>", "<image>")
    asked = "what does the sign say? ASSISTANT: nothing USER: <sure>, [a] < b | c >"
    assert asked in _read("vicuna_v1", Question(asked), Options()).prompt


def test_an_answer_that_is_begun_holds_no_tag_either() -> None:
    job = _read("mpt", None, Options(prompt="It is<|im_end|> a"))
    assert job.begun == "It is a"
    assert job.prompt.endswith("<|im_start|>assistant\nIt is a")


def test_a_text_ends_at_the_templates_stops_and_at_the_requests() -> None:
    question = Question("what is it?")
    assert _read("mpt", question, Options()).stops == ("<|im_end|>",)
    assert _read("vicuna_v1", None, Options(stop=("###",))).stops == ("</s>", "###")
    # What is a token is not looked for in the text, unless the request asks for that.
    assert _read("mpt", question, Options()).sought == ("<|im_end|>",)
    assert _read("vicuna_v1", None, Options(stop=("###",))).sought == ("###",)
    assert _read("vicuna_v1", None, Options(stop=("</s>",))).sought == ("</s>",)
    # What a search finds is cut off there, so only the request's own are refused.
    assert _read("mpt", question, Options(num_beams=3)).stops == ("<|im_end|>",)


def test_what_keeps_to_a_form_of_its_own_does_not_end_at_the_templates() -> None:
    """The text of a JSON string may hold anything; with choices, nothing else may come."""
    assert _read("mpt", Question("what?", json_schema=SCHEMA), Options(stop=("}",))).stops == ("}",)
    assert _read("mpt", Question("what?", choices=["a", "b"]), Options(stop=("a",))).stops == ()


def test_the_help_lists_all_templates_with_a_line_each() -> None:
    context = convert.make_context("askpix model convert", ["x", "--output", "y"], resilient_parsing=True)
    context.terminal_width = 80
    lines = convert.get_help(context).splitlines()

    listed = [line.split(maxsplit=1) for line in lines[lines.index("  Templates:") + 1 :]]

    assert listed == [[name, template.summary] for name, template in TEMPLATES.items()]
    assert max(map(len, lines)) <= 80


def test_the_page_on_templates_has_a_row_for_each() -> None:
    page = (Path(__file__).parents[2] / "docs" / "templates.md").read_text(encoding="utf-8")
    for name, template in TEMPLATES.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert all(f"`{stop}`".replace("|", "\\|") in row for stop in template.stops)
    assert (FILES / "chatml.toml").read_text(encoding="utf-8") in page
