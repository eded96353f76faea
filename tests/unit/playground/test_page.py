"""What a person fills in becomes a question, and pictures are read only where they may be."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from helpers.pictures import jpeg
from helpers.processes import askpix, the_complaint

from askpix.producer.errors import InputError, ModelError
from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.producer.rows import Alternative, Answer, Choice, Kind
from askpix.worker.engine.base import Ability
from askpix.worker.engine.building import build_engine
from askpix.worker.local import demo_model
from askpix.worker.playground.dropped import Uploads, bundled_examples, example_files, read_dropped
from askpix.worker.playground.form import SETTINGS, asked_of, settings_of
from askpix.worker.playground.here import Here, model_folders
from askpix.worker.playground.models import Chosen
from askpix.worker.playground.playground import Filled, Playground, Shown
from askpix.worker.playground.stop import Stop
from askpix.worker.playground.told import Told, told_of

BLIP = frozenset({Ability.CAPTION, Ability.ANSWER, Ability.CHOICES})
CHAT = BLIP | {Ability.CHAT}
F32 = Chosen(model="askpix-demo", precision="f32")


# What is filled in.


def test_a_question_with_choices_and_settings() -> None:
    asked = asked_of(
        " what color is it? ",
        "red\n\n  dark blue \n",
        {"max_new_tokens": "7", "temperature": " 0.5", "do_sample": True, "top_k": "", "seed": None},
        BLIP,
    )

    assert asked.question == Question("what color is it?", choices=("red", "dark blue"))
    assert asked.options == Options(max_new_tokens=7, temperature=0.5, do_sample=True)


def test_nothing_asks_for_a_caption_with_what_the_model_has() -> None:
    asked = asked_of(" ", "", {setting.name: "" for setting in SETTINGS} | {"do_sample": False}, BLIP)
    assert asked.question is None
    assert asked.options == Options()
    assert asked_of("", "", {"prompt": "a photo of"}, BLIP).options == Options(prompt="a photo of")


def test_only_what_the_model_takes_is_asked_for() -> None:
    given = {"stop": "###\nEND", "system": "Be brief.", "max_new_tokens": "9"}
    assert asked_of("what?", "", given, BLIP).options == Options(max_new_tokens=9)
    assert asked_of("what?", "", given, CHAT).options == Options(
        max_new_tokens=9, system="Be brief.", stop=("###", "END")
    )
    names = {setting.name for setting in settings_of(chat=True)}
    assert names == set(Options.model_fields)
    assert names - {setting.name for setting in settings_of(chat=False)} == {"stop", "system"}


def test_a_model_that_only_scores_is_given_descriptions() -> None:
    asked = asked_of("a red mug", "", {}, frozenset({Ability.MATCH}))
    assert asked.question == Question("a red mug", match=True)
    assert asked_of("a red mug", "", {}, BLIP | {Ability.MATCH}).question == Question("a red mug")


@pytest.mark.parametrize(
    ("question", "choices", "settings", "words"),
    [
        ("", "red\nblue", {}, "choices are answers to a question"),
        ("what?", "red", {}, "one choice is none"),
        ("what?", "red\nred", {}, "choices must be distinct"),
        ("what?", "", {"prompt": "a"}, "leave the question empty"),
        ("what?", "", {"max_new_tokens": "many"}, "max new tokens: 'many' is no whole number"),
        ("what?", "", {"temperature": "hot"}, "temperature: 'hot' is no number"),
        ("what?", "", {"temperature": "nan"}, "temperature"),
        ("what?", "", {"max_new_tokens": "0"}, "max_new_tokens"),
        ("what?", "", {"num_beams": "3", "do_sample": True}, "do not go together"),
        ("q" * 2_001, "", {}, "2000 characters"),
        ("what?", "\n".join(map(str, range(1_001))), {}, "choices"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(
    question: str, choices: str, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        asked_of(question, choices, settings, CHAT)
    assert "\n" not in str(caught.value)


def test_without_gradio_the_command_says_what_to_install(tmp_path: Path) -> None:
    if find_spec("gradio") is not None:
        pytest.skip("Gradio is here")
    said = the_complaint(askpix("playground", cwd=tmp_path))
    assert said.endswith("run `pip install 'askpix[playground]'`")


# What is shown.


def test_an_answer_is_shown_with_its_bars_and_facts() -> None:
    choices = (Choice(text="red", probability=0.75), Choice(text="blue", probability=0.25))
    answer = Answer(name="c", kind=Kind.CHOICE, text="red", confidence=0.75, tokens=2, choices=choices)
    told = told_of(answer, 0.0123, "blip", "CPU", "bf16")
    assert (told.text, told.bars) == ("red", (("red", 0.75), ("blue", 0.25)))
    assert told.facts == "confidence 0.75 · 12 ms · blip on CPU in bf16"


def test_a_match_has_bars_and_several_texts_are_listed() -> None:
    match = Answer(name="m", kind=Kind.MATCH, text="yes", confidence=0.9, tokens=0)
    assert [name for name, _ in told_of(match, 1.5, "m", "CPU", "f32").bars] == ["fits", "does not fit"]
    other = (Alternative(text="a cup", confidence=0.25),)
    several = Answer(name="c", kind=Kind.CAPTION, text="a mug", confidence=0.5, tokens=3, alternatives=other)
    told = told_of(several, 2.0, "m", "CPU", "f32")
    assert told.text == "a mug\na cup  (0.25)"
    assert told.said == "a mug"


# Pictures.


def test_pictures_are_read_only_where_they_may_be(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside.jpg"
    inside.mkdir()
    outside.write_bytes(b"secret")
    (inside / "a.jpg").write_bytes(b"picture")
    (inside / "link.jpg").symlink_to(outside)

    assert read_dropped(str(inside / "a.jpg"), [inside]).data == b"picture"
    for path in (
        outside,
        inside / "link.jpg",
        inside / ".." / "outside.jpg",
        inside / "none.jpg",
        inside,
        "/etc/passwd",
    ):
        with pytest.raises(InputError, match="not there any more"):
            read_dropped(str(path), [inside])
    for nothing in (None, ""):
        with pytest.raises(InputError, match="drop an image first"):
            read_dropped(nothing, [inside])


def test_a_picture_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(20_000_001)
    with pytest.raises(InputError, match="more than 20 MB"):
        read_dropped(str(tmp_path / "large.jpg"), [tmp_path])


def test_what_was_dropped_is_removed_in_time_but_for_the_examples(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, seconds=100, room=30)
    (tmp_path / "hash").mkdir()
    example, old, new = (tmp_path / "hash" / name for name in ("example.jpg", "old.jpg", "new.jpg"))
    example.write_bytes(b"x" * 99)
    uploads.keep()
    for file in (old, new):
        file.write_bytes(b"x" * 20)
    assert not _has_room(uploads)
    for file in (example, old):
        os.utime(file, (1, 1))

    assert _has_room(uploads)
    assert (example.exists(), old.exists(), new.exists()) == (True, False, True)


def test_folders_in_which_nothing_is_left_go_as_well(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, seconds=100)
    for name in ("old", "new", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "a.jpg").write_bytes(b"x")
    for name in ("old", "full"):
        os.utime(tmp_path / name, (1, 1))
    assert _has_room(uploads)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "new"]


def test_there_is_room_for_so_many_files(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, files=3)
    for number in range(3):
        assert _has_room(uploads)
        (tmp_path / f"{number}.jpg").write_bytes(b"")
    assert not _has_room(uploads)


def _has_room(uploads: Uploads) -> bool:
    with uploads.room(5) as there_is:
        return there_is


def test_only_what_is_in_the_folder_is_ours(tmp_path: Path) -> None:
    folder = tmp_path / "dropped"
    folder.mkdir()
    (folder / "link").symlink_to("/etc")
    uploads = Uploads(folder)
    assert uploads.is_ours(str(folder / "hash" / "a.jpg"))
    for path in ("/etc/passwd", f"{folder}/../a.jpg", f"{folder}-other/a.jpg", f"{folder}/link/passwd", "a.jpg",
                 "https://example.com/a.jpg", f"file://{folder}/a.jpg", "a\0b"):  # fmt: skip
        assert not uploads.is_ours(path)


def test_examples_are_a_folders_first_pictures(tmp_path: Path) -> None:
    assert len(example_files(bundled_examples())) == 6
    for number in range(20):
        (tmp_path / f"{number:02}.JPG").write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(b"")
    assert [file.name for file in example_files(tmp_path)] == [f"{number:02}.JPG" for number in range(12)]
    with pytest.raises(InputError, match="cannot be read"):
        example_files(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        example_files(tmp_path / "empty")


# Models.


def test_model_folders_have_names_of_their_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(demo_model(), tmp_path / "models" / name)
    (tmp_path / "models" / "notes").mkdir()

    named = model_folders([demo_model()], [tmp_path / "models"])

    assert list(named) == ["askpix-demo", "askpix-demo (one)", "askpix-demo (two)"]
    assert model_folders([demo_model(), demo_model()], []) == {"askpix-demo": demo_model()}
    with pytest.raises(ModelError):
        model_folders([tmp_path], [])
    with pytest.raises(ModelError, match="holds no model folders"):
        model_folders([], [tmp_path])
    with pytest.raises(ModelError, match="cannot be read"):
        model_folders([], [tmp_path / "none"])


# All of it, with the demo model.


@pytest.fixture(scope="module")
def here() -> Iterator[Here]:
    source = Here({"askpix-demo": demo_model()}, build_engine, seconds=60, megabytes=256)
    yield source
    source.close()


@pytest.fixture
def playground(here: Here, tmp_path: Path, images: Path) -> Playground:
    return Playground(here, [tmp_path, images])


def _last(playground: Playground, image: Path | None, question: str = "", **more: Any) -> tuple[Shown, ...]:
    own = {"choices": "", "settings": {}, "sides": (F32,)} | more
    filled = Filled(image=None if image is None else str(image), question=question, **own)
    return list(playground.ask("page", filled))[-1]


def test_the_demo_model_answers_and_captions(playground: Playground, images: Path) -> None:
    (answer,) = _last(playground, images / "001-mug.jpg", "what is shown?")
    assert answer.told.text == "mug"
    assert answer.messages is None
    (caption,) = _last(playground, images / "001-mug.jpg")
    assert caption.told.text == "a plain black mug on a checkered background"
    (choice,) = _last(playground, images / "001-mug.jpg", "what color is it?", choices="red\nblack")
    assert choice.told.text == "black"
    assert dict(choice.told.bars)["black"] > 0.9


def test_two_answer_side_by_side(playground: Playground, images: Path) -> None:
    sides = (F32, Chosen(model="askpix-demo", precision="auto"))
    first, second = _last(playground, images / "034-shoe.jpg", "what color is it?", sides=sides)
    assert first.told.text == second.told.text == "red"
    assert "in f32" in first.told.facts


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"<svg/>", "no image"), (b"", "empty"), (jpeg()[:300], "damaged"), (b"\x89PNG\r\n\x1a\n" + b"x" * 99, "")],
)
def test_a_picture_that_is_none_is_a_sentence(data: bytes, words: str, playground: Playground, tmp_path: Path) -> None:
    (tmp_path / "odd.jpg").write_bytes(data)
    (shown,) = _last(playground, tmp_path / "odd.jpg", "what is it?")
    assert shown.told.problem is not None
    assert words in shown.told.problem
    assert shown.told.text == ""


@pytest.mark.parametrize(
    ("image", "more", "words"),
    [
        (None, {}, "drop an image first"),
        (Path("/etc/passwd"), {}, "not there any more"),
        ("mug", {"question": "what?", "choices": "one"}, "one choice is none"),
        ("mug", {"sides": (Chosen(model="../../etc", precision="f32"),)}, "is not there any more"),
        ("mug", {"question": "word " * 400}, "tokens"),
        ("mug", {"settings": {"num_beams": "99"}}, "num_beams"),
    ],
)
def test_what_cannot_be_answered_is_said(
    image: Any, more: dict[str, Any], words: str, playground: Playground, images: Path
) -> None:
    (shown,) = _last(playground, images / "001-mug.jpg" if image == "mug" else image, **more)
    assert words in (shown.told.problem or "")


def test_what_is_stopped_before_it_begins_is_not_answered(here: Here, images: Path) -> None:
    stop = Stop()
    stop.set()
    asked = asked_of("what is shown?", "", {}, BLIP)
    data = (images / "001-mug.jpg").read_bytes()
    assert list(here.tell(F32, [data], asked, (), stop))[-1] == Told(facts="stopped")
