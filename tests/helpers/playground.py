"""The playground as a person has it: a server in its own environment, and the page in a browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.browser import Watched
from helpers.processes import environment, wait_until
from playwright.sync_api import Locator, expect

ASKPIX = Path(__file__).parents[2] / ".venv-playground" / "bin" / "askpix"
SECONDS = 60


class Server:
    """`askpix playground`, from when it can be asked for until it is closed."""

    def __init__(self, folder: Path, *options: str | Path) -> None:
        if not ASKPIX.exists():
            assert "ASKPIX_TESTS_MUST_NOT_SKIP" not in os.environ, "run `make playground-env`"
            pytest.skip("the playground's environment is not made: `make playground-env`")
        self.tmp = folder / "tmp"
        self.tmp.mkdir()
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [ASKPIX, "playground", *options],
                cwd=folder,
                env=environment({"TMPDIR": str(self.tmp), "ASKPIX_MODEL_CACHE": ""}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(lambda: self._is_ready() or self.process.poll() is not None, within=90, what="the playground")
        except BaseException:
            self.close()
            raise
        found = re.search(r"http://\S+", self.log)
        self.url = found[0] if found else ""

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def close(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to end; returns its exit code."""
        self.process.send_signal(how)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise

    def _is_ready(self) -> bool:
        return "The playground is at" in self.log


@dataclass
class Window:
    """The page in a browser."""

    watched: Watched
    server: Server

    def open(self) -> None:
        self.watched.page.set_default_timeout(15_000)
        self.watched.page.goto(self.server.url)
        expect(self.at("#model-0 input")).not_to_have_value("", timeout=SECONDS * 1000)

    def at(self, selector: str) -> Locator:
        return self.watched.page.locator(selector)

    def pick(self, number: int) -> None:
        """Picks an example."""
        name = self.at("#examples img").nth(number).get_attribute("src") or ""
        self.at("#examples button").nth(number).click()
        self._wait_for_image(name.rpartition("/")[2])

    def drop(self, file: Path) -> None:
        self.clear_image()
        self.at("#image input[type=file]").set_input_files(file)
        self._wait_for_image(file.name)

    def clear_image(self) -> None:
        if self.at("#image img").count():
            self.at("#image button[aria-label='Clear'], #image button[title='Clear'], #image button").first.click()
            expect(self.at("#image img")).to_have_count(0)

    def choose(self, place: str, text: str) -> None:
        """Chooses in one of the lists: model-0, precision-1 and so on."""
        self.at(f"#{place} input").click()
        self.at(f'[role=option][aria-label="{text}"]').click()
        expect(self.at(f"#{place} input")).to_have_value(text)

    def fill(self, name: str, text: str) -> None:
        self.at(f"#{name} textarea, #{name} input").first.fill(text)

    def clear(self) -> None:
        """Returns when all is cleared, of which the question tells."""
        self.fill("question", "to be cleared")
        self.at("#clear").click()
        expect(self.at("#question textarea, #question input").first).to_have_value("", timeout=SECONDS * 1000)
        expect(self.at("#side-0 .facts")).to_be_hidden(timeout=SECONDS * 1000)

    def ask(self, question: str = "", choices: str = "") -> None:
        """Asks anew; returns when all sides have an end."""
        self.clear()
        self.begin(question, choices)
        self.wait()

    def go_on(self, question: str) -> None:
        """Asks after what was asked before; returns when the first side has its end."""
        before = self.facts()
        self.begin(question)
        expect(self.at("#side-0 .facts textarea")).not_to_have_value(before)
        self.wait()

    def tokens_read(self) -> int:
        """Returns how many tokens the model was given, image and conversation included."""
        return int(self.facts().partition(" tokens read")[0].rpartition(" ")[2])

    def begin(self, question: str = "", choices: str = "") -> None:
        self.fill("question", question)
        self.fill("choices", choices)
        self.at("#ask").click()

    def wait(self, side: int = 0) -> None:
        """Waits until a side has its answer, or says why there is none."""
        self.watched.page.wait_for_function(
            """side => {
                const value = name => document.querySelector(`#side-${side} .${name} textarea`)?.value ?? "";
                return /confidence|fits|stopped|not waited/.test(value("facts")) || value("problem") !== "";
            }""",
            arg=side,
            timeout=SECONDS * 1000,
        )

    def answer(self, side: int = 0) -> str:
        return self.at(f"#side-{side} .answer textarea").input_value()

    def facts(self, side: int = 0) -> str:
        return self.at(f"#side-{side} .facts textarea").input_value()

    def problem(self, side: int = 0) -> str:
        return self.at(f"#side-{side} .problem textarea").input_value()

    def bars(self, side: int = 0) -> dict[str, str]:
        """Returns the choices, likeliest first, with their shares."""
        lines = self.at(f"#side-{side} .bars").inner_text().splitlines()
        texts = [line.strip() for line in lines if line.strip() and line.strip() != "Probabilities"]
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def pictures(self, side: int = 0) -> list[str | None]:
        """Returns what readers are told of the pictures that were shown with each of the person's messages."""
        return self.at(f"#side-{side} .chat .user .message-content").evaluate_all(
            "(all) => all.map((one) => one.querySelector('img')?.alt ?? null)"
        )

    def messages(self, side: int = 0) -> list[str]:
        """Returns what was said, in turn by the person and the model."""
        return [text.strip() for text in self.at(f"#side-{side} .chat .message-content").all_inner_texts()]

    def _wait_for_image(self, name: str) -> None:
        expect(self.at(f'#image img[src*="{name}"]')).to_have_count(1, timeout=SECONDS * 1000)
