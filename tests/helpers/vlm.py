"""Tiny vision-language models, made and converted once for all tests; and what transformers says of them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from askpix.producer.errors import ModelError
from askpix.worker.converting.conversion import Conversion
from askpix.worker.converting.export_env import make_export_env, python_of
from askpix.worker.converting.vlm_convert import convert_vlm
from askpix.worker.converting.weights import Weights

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache"
EXPORT_ENV = CACHE / "export"
SCRIPT = Path(__file__).with_name("tiny_vlm.py")

FAMILIES = ("llava", "llava_next", "qwen2_vl")

SLOW = {
    "hidden_size": 512, "intermediate_size": 1_024, "num_hidden_layers": 8, "num_attention_heads": 8,
    "num_key_value_heads": 8,
}  # fmt: skip
"""Of a LLaVA that takes some seconds for a long answer."""


@dataclass(frozen=True)
class Asked:
    """What transformers is to answer, greedily."""

    images: Sequence[str]
    prompt: str
    max_new_tokens: int


@dataclass(frozen=True)
class Told:
    """What it has answered."""

    prompt_ids: list[int]
    ids: list[int]


class TinyVlms:
    """Checkpoints, model folders and reference answers, in a cache that is named after what they follow from."""

    def __init__(self) -> None:
        with _alone(CACHE / "export.lock"):
            try:
                make_export_env(EXPORT_ENV, print)
            except ModelError as error:
                if "ASKPIX_TESTS_MUST_NOT_SKIP" in os.environ:
                    raise
                pytest.skip(f"the export environment cannot be made: {error}")
        self.python = python_of(EXPORT_ENV)
        worker = ROOT / "worker" / "askpix" / "worker"
        sources = sorted(
            [SCRIPT, *worker.glob("models/*"), *worker.glob("converting/*"), *worker.glob("vlm/templates/*")]
        )
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources if path.is_file()))
        self._folder = CACHE / "vlm" / digest.hexdigest()[:16]

    def checkpoint(self, family: str, sizes: Mapping[str, int] | None = None) -> Path:
        """Returns the folder of a checkpoint; with `sizes`, of one whose language model is larger."""
        with self._made(f"{family}-checkpoint{_mark(sizes)}") as (folder, new):
            if new:
                self._run(["make", family, str(folder), json.dumps(sizes or {})])
        return folder

    def folder(self, family: str, precision: str = "f32", sizes: Mapping[str, int] | None = None) -> Path:
        """Returns a model folder; the model is called tiny-FAMILY."""
        checkpoint = self.checkpoint(family, sizes)
        with self._made(f"{family}-{precision}{_mark(sizes)}") as (folder, new):
            if new:
                weights = Weights(precision=precision, group_size=32, ratio=0.8)
                name = f"tiny-{family.replace('_', '-')}"
                convert_vlm(
                    Conversion(
                        source=str(checkpoint), output=folder, family=family, name=name, weights=weights,
                        python=self.python,
                    )
                )  # fmt: skip
        return folder

    def reference(self, family: str, asked: Sequence[Asked]) -> list[Told]:
        """Returns what transformers answers in f32, by `generate`."""
        told = self._run(["generate", str(self.checkpoint(family))], json.dumps([asdict(one) for one in asked]))
        return [Told(**one) for one in json.loads(told.splitlines()[-1])]

    @contextmanager
    def _made(self, name: str) -> Iterator[tuple[Path, bool]]:
        """Yields the folder of that name, and whether it is to be filled: it is there when that has not failed."""
        done = self._folder / f"{name}.done"
        with _alone(self._folder / "lock"):
            new = not done.exists()
            folder = self._folder / name
            if new:
                shutil.rmtree(folder, ignore_errors=True)
            yield folder, new
            done.touch()

    def _run(self, arguments: list[str], given: str = "") -> str:
        command = [str(self.python), "-P", str(SCRIPT), *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3_000:]
        return done.stdout


def _mark(sizes: Mapping[str, int] | None) -> str:
    """Returns what tells a model of such sizes from others in a file's name."""
    return "".join(f"-{value}" for _, value in sorted((sizes or {}).items()))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keeps other test processes out of a block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
