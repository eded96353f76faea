"""The models that are measured: one checkpoint with random weights, and all that is made of it. Kept in `.cache`."""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import torch
import transformers
from bench.blip import ROOT, notebook_graphs, pictures
from bench.blip.notebook_graphs import save_notebook_graphs
from bench.blip.tasks import QUESTIONS
from helpers.random_blip import BASE, ODD, Recipe, random_model, save_checkpoint

from askpix.worker import converting, models
from askpix.worker.converting.convert import convert
from askpix.worker.converting.quantize import quantize
from askpix.worker.image_form import ImageForm
from askpix.worker.models.folder import load_manifest

RECIPES = {"base": BASE, "small": replace(ODD, name="small", deviation=0.1)}

_CACHE = ROOT / ".cache" / "askpix-bench"
_SAMPLES = 32
"""To calibrate with; the speed does not depend on them, and random weights have no accuracy to keep."""

_NEVER = -100.0
"""Bias of the end token: no text ends before its `max_new_tokens`, so that all forms do equally much."""


@dataclass(frozen=True, kw_only=True)
class Models:
    """One model in all the forms that are measured."""

    recipe: str
    checkpoint: Path
    whole: Path
    """Model folder as `askpix model convert` makes it, in float32."""

    int8: Path
    """The same, quantized."""

    notebook: Path
    """The graphs of form (c)."""


def built(recipe: str, say: Callable[[str], None]) -> Models:
    """Returns a recipe's models, made now unless they are in the cache; tells `say` what is being made."""
    drawn, name = RECIPES[recipe], f"bench-{recipe}"
    tools = [version(package) for package in ("openvino", "torch", "transformers")]
    drawing = [inspect.getsource(one) for one in (random_model, save_checkpoint, _save_checkpoint)]
    folders = [Path(package.__path__[0]) for package in (converting, models)]
    converted_by = [path.read_text() for folder in folders for path in sorted(folder.glob("*.py"))]
    graphing = [inspect.getsource(notebook_graphs)]
    with _Making(recipe, [json.dumps(asdict(drawn)), str(_NEVER), *tools, *drawing], say) as make:
        checkpoint = make("checkpoint", [], lambda new: _save_checkpoint(drawn, new))
        whole = make("folder", converted_by, lambda new: convert(str(checkpoint), new, name=name))
        quantizing = [*converted_by, inspect.getsource(pictures), version("nncf"), str(_SAMPLES)]
        int8 = make("int8-folder", quantizing, lambda new: _quantize(whole, new, name))
        notebook = make("notebook", graphing, lambda new: save_notebook_graphs(checkpoint, new))
    return Models(recipe=recipe, checkpoint=checkpoint, whole=whole, int8=int8, notebook=notebook)


class _Making:
    """Makes folders, each once, under a key of all that it follows from. One process at a time does so."""

    def __init__(self, recipe: str, follows_from: list[str], say: Callable[[str], None]) -> None:
        self._recipe, self._follows_from, self._say = recipe, follows_from, say

    def __enter__(self) -> Self:
        _CACHE.mkdir(parents=True, exist_ok=True)
        # Let go of when the file is closed, however this process ends.
        self._lock = (_CACHE / f".{self._recipe}.lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def __call__(self, what: str, follows_from: list[str], write: Callable[[Path], object]) -> Path:
        """Returns a folder that `write` makes; what was made of it before, of something else, is removed."""
        key = hashlib.sha256("\0".join([*self._follows_from, *follows_from]).encode()).hexdigest()[:16]
        target = _CACHE / f"{self._recipe}-{what}-{key}"
        if not target.exists():
            self._say(f"making the {what} of the {self._recipe} model")
            for old in _CACHE.glob(f"{self._recipe}-{what}-*"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(dir=_CACHE, prefix=".making-") as making:
                write(Path(making) / "new")
                (Path(making) / "new").rename(target)
        return target


def image_form(folder: Path) -> ImageForm:
    """Returns the images that the model of a folder takes."""
    image = load_manifest(folder).image
    return ImageForm(width=image.width, height=image.height, resample=image.resample)


def _save_checkpoint(recipe: Recipe, folder: Path) -> None:
    """Writes a random checkpoint in which no text ends early, of weights that half precision holds exactly.

    So graphs that store them in half precision say, computed in float32, what the checkpoint says.
    """
    transformers.utils.logging.disable_progress_bar()
    model: Any = random_model(recipe)
    with torch.no_grad():
        for weights in model.parameters():
            weights.copy_(weights.half().float())
        model.text_decoder.cls.predictions.bias[model.config.text_config.sep_token_id] = _NEVER
    save_checkpoint(recipe, folder, model=model)


def _quantize(whole: Path, folder: Path, name: str) -> None:
    images = pictures.varied(image_form(whole), _SAMPLES)
    quantize(whole, folder, images, questions=QUESTIONS, samples=_SAMPLES, name=name)
