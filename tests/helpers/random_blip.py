"""BLIP models with random weights, of any size, as checkpoints and as the model folders they convert to.

Drawing and converting the larger ones takes a minute, so they are kept in `.cache/askpix-tests`, under
a key of all that they follow from. Test processes share them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from helpers.photographs import photographs

from askpix.worker.converting import (
    absorbed_attention,
    calibration,
    checkpoint,
    compressing,
    quantize,
    staging,
    text_graphs,
    tracing,
    vision_graph,
)
from askpix.worker.converting import convert as converter
from askpix.worker.image_form import ImageForm
from askpix.worker.images.decode import decode
from askpix.worker.models import blip_manifest, folder, manifest

ROOT = Path(__file__).parents[2]
DEMO_CHECKPOINT = ROOT / "demo" / "checkpoint"
_CACHE = ROOT / ".cache" / "askpix-tests"
_MEAN, _STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a random model follows from."""

    name: str
    kind: str
    """Its class in transformers."""

    text: dict[str, Any]
    vision: dict[str, Any]
    seed: int = 1
    deviation: float = 0.03
    """Standard deviation of the weights; those of LayerNorm lie that far around 1."""


BASE = Recipe(
    name="base",
    kind="BlipForQuestionAnswering",
    # BlipTextConfig itself says 8 heads; every published BLIP has 12.
    text={"vocab_size": 30_524, "num_attention_heads": 12, "num_hidden_layers": 12, "hidden_size": 768},
    vision={"image_size": 384, "patch_size": 16, "num_attention_heads": 12, "num_hidden_layers": 12},
)
CAPTIONING = Recipe(
    name="captioning",
    kind="BlipForConditionalGeneration",
    # As blip-image-captioning-large: the vision tower is wider than the text decoder.
    text={"vocab_size": 300, "hidden_size": 96, "intermediate_size": 384, "num_attention_heads": 4,
          "num_hidden_layers": 2, "max_position_embeddings": 48},
    vision={"image_size": 96, "patch_size": 16, "hidden_size": 160, "intermediate_size": 320,
            "num_attention_heads": 5, "num_hidden_layers": 3},
    seed=2,
)  # fmt: skip
ODD = Recipe(
    name="odd",
    kind="BlipForQuestionAnswering",
    # Text and vision are equally wide, as transformers needs it of a model that answers questions: its
    # decoder attends to images and to questions with the same weights.
    text={"vocab_size": 251, "hidden_size": 96, "intermediate_size": 200, "num_attention_heads": 6,
          "num_hidden_layers": 1, "max_position_embeddings": 41},
    vision={"image_size": 60, "patch_size": 12, "hidden_size": 96, "intermediate_size": 100,
            "num_attention_heads": 3, "num_hidden_layers": 2},
    seed=3,
)  # fmt: skip

MATCHING = Recipe(
    name="matching",
    kind="BlipForImageTextRetrieval",
    text={"vocab_size": 300, "hidden_size": 96, "intermediate_size": 200, "num_attention_heads": 4,
          "num_hidden_layers": 2, "max_position_embeddings": 48},
    vision={"image_size": 96, "patch_size": 16, "hidden_size": 160, "intermediate_size": 320,
            "num_attention_heads": 5, "num_hidden_layers": 3},
    seed=4,
    # Of smaller weights, all scores are alike.
    deviation=0.1,
)  # fmt: skip


def random_model(recipe: Recipe) -> Any:
    """Returns the model in evaluation mode. All weights are drawn, for transformers' own start near zero."""
    demo = json.loads((DEMO_CHECKPOINT / "config.json").read_text())["text_config"]
    special = {name: demo[name] for name in ("bos_token_id", "eos_token_id", "sep_token_id", "pad_token_id")}
    config = transformers.BlipConfig(
        text_config={**recipe.text, **special, "encoder_hidden_size": recipe.vision.get("hidden_size", 768)},
        vision_config=recipe.vision,
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(recipe.seed)
        model = getattr(transformers, recipe.kind)(config).eval()
        norms = {id(part.weight) for part in model.modules() if isinstance(part, torch.nn.LayerNorm)}
        for weights in model.parameters():
            weights.normal_(1 if id(weights) in norms else 0, recipe.deviation)
    return model


def save_checkpoint(recipe: Recipe, folder: Path, *, model: Any = None) -> None:
    """Writes a checkpoint as `from_pretrained` and the hub have it."""
    model = random_model(recipe) if model is None else model
    model.save_pretrained(folder)
    _save_tokenizer(folder, recipe.text["vocab_size"])
    size = recipe.vision["image_size"]
    processor = {
        "image_processor_type": "BlipImageProcessor",
        "size": {"height": size, "width": size},
        "resample": 3,
        "image_mean": _MEAN,
        "image_std": _STD,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))


def _save_tokenizer(folder: Path, size: int) -> None:
    """Writes the demo's tokenizer with more words, so that each of a model's ids reads as a text of its own."""
    tokenizer = json.loads((DEMO_CHECKPOINT / "tokenizer.json").read_text())
    known = tokenizer["model"]["vocab"]
    known.update({f"word{number}": number for number in range(len(known), size)})
    assert len(known) == size, "the demo's vocabulary must fit into the model's"
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    shutil.copy(DEMO_CHECKPOINT / "tokenizer_config.json", folder)


@dataclass(frozen=True, kw_only=True)
class Built:
    checkpoint: Path
    folder: Path


def built(recipe: Recipe) -> Built:
    """Returns a recipe's checkpoint and model folder, made now unless they are in the cache."""
    target = _CACHE / f"{recipe.name}-{_key(recipe)}"
    with _lock(recipe.name):
        if not target.exists():
            for old in _CACHE.glob(f"{recipe.name}-*"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(dir=_CACHE, prefix=".making-") as making:
                save_checkpoint(recipe, Path(making) / "new" / "checkpoint")
                with warnings.catch_warnings():
                    # OpenVINO's converter traces with what torch wants to replace.
                    warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
                    converter.convert(f"{making}/new/checkpoint", Path(making) / "new" / "folder", name=recipe.name)
                (Path(making) / "new").rename(target)
    return Built(checkpoint=target / "checkpoint", folder=target / "folder")


def built_int8(recipe: Recipe) -> Path:
    """Returns a recipe's model folder, quantized by what it makes of the photographs; made now or in the cache."""
    source = built(recipe).folder
    target = _CACHE / f"int8-{recipe.name}-{_int8_key(recipe)}"
    with _lock(f"int8-{recipe.name}"):
        if not target.exists():
            for old in _CACHE.glob(f"int8-{recipe.name}-*"):
                shutil.rmtree(old)
            image = folder.load_blip(source).image
            form = ImageForm(width=image.width, height=image.height, resample=image.resample)
            quantize.quantize(source, target, (decode(file, form).pixels for file in photographs().values()))
    return target


def _int8_key(recipe: Recipe) -> str:
    digest = hashlib.sha256(_key(recipe).encode())
    for module in (quantize, calibration, compressing, staging):
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(version("nncf").encode())
    return digest.hexdigest()[:16]


def _key(recipe: Recipe) -> str:
    digest = hashlib.sha256(json.dumps(asdict(recipe), sort_keys=True).encode())
    for module in (
        absorbed_attention,
        text_graphs,
        vision_graph,
        tracing,
        converter,
        checkpoint,
        manifest,
        blip_manifest,
    ):
        digest.update(Path(str(module.__file__)).read_bytes())
    for path in (Path(__file__), DEMO_CHECKPOINT / "tokenizer.json", DEMO_CHECKPOINT / "config.json"):
        digest.update(path.read_bytes())
    for package in ("openvino", "torch", "transformers"):
        digest.update(version(package).encode())
    return digest.hexdigest()[:16]


@contextmanager
def _lock(name: str) -> Iterator[None]:
    """Lets one process at a time in; a process that ends, however it ends, lets go."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
