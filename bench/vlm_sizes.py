"""Which vision-language models fit which memory, and how fast they can be: run `python bench/vlm_sizes.py`.

What a public model takes follows from its config.json: its weights, and the keys and values of its texts. How fast it
can be follows from this machine: each token reads all weights once, each token of a prompt costs two operations a
weight. How far that is from the truth is measured with a model of random weights in between; then docs/models.md has
its tables drawn.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from blip.machine import described

from askpix.worker.vlm.memory import taken_bytes

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "vlm-sizes.json"
DOCS = ROOT / "docs" / "models.md"
THREADS = 2

MIDDLE = {
    "hidden_size": 2_048, "intermediate_size": 5_632, "num_hidden_layers": 16, "num_attention_heads": 16,
    "num_key_value_heads": 16, "vocab_size": 32_064,
}  # fmt: skip
"""Of the model that is measured."""


@dataclass(frozen=True)
class Model:
    """A public checkpoint, by what its config.json says."""

    name: str
    licence: str
    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    vision: int
    """Parameters of its image encoder, in millions."""

    image: int
    """Tokens of a usual image: of a megapixel, where that goes by its size."""

    @property
    def head(self) -> int:
        return self.hidden // self.heads

    @property
    def blocks(self) -> int:
        """Parameters of the language model, the head included."""
        attention = 2 * self.hidden * (self.heads + self.kv_heads) * self.head
        return self.layers * (attention + 3 * self.hidden * self.inner) + self.vocabulary * self.hidden

    @property
    def embeddings(self) -> int:
        return self.vocabulary * self.hidden

    def gigabytes(self, precision: str) -> float:
        """Returns what the weights take: of int4, 80 % in groups of 64 with a scale and a zero, the rest in 8 bits."""
        others = self.embeddings + self.vision * 1_000_000
        if precision == "f16":
            return 2 * (self.blocks + others) / 1e9
        bits = 8 if precision == "int8" else 0.8 * (4 + 20 / 64) + 0.2 * 8
        return (self.blocks * bits / 8 + others) / 1e9

    def read(self, precision: str) -> float:
        """Returns the bytes that a token reads."""
        vision = self.vision * 1_000_000 * (2 if precision == "f16" else 1)
        return self.gigabytes(precision) * 1e9 - vision - self.embeddings * (2 if precision == "f16" else 1)

    def cache(self) -> int:
        """Returns the bytes of keys and values of a token, in 8 bits."""
        return 2 * self.layers * self.kv_heads * (self.head + 8)


MODELS = (
    Model("Qwen/Qwen2-VL-2B-Instruct", "Apache-2.0", 1536, 8960, 28, 12, 2, 151_936, 665, 1_275),
    Model("Qwen/Qwen2.5-VL-3B-Instruct", "Qwen Research", 2048, 11_008, 36, 16, 2, 151_936, 669, 1_275),
    Model("llava-hf/llava-1.5-7b-hf", "Llama 2", 4096, 11_008, 32, 32, 32, 32_064, 324, 576),
    # Two matrices of 4 times the width, where the others have three.
    Model("liuhaotian/LLaVA-Lightning-MPT-7B-preview", "CC-BY-NC-SA", 4096, 10_923, 32, 32, 32, 50_282, 308, 258),
    Model("llava-hf/llava-v1.6-mistral-7b-hf", "Apache-2.0", 4096, 14_336, 32, 32, 8, 32_064, 324, 2_928),
    Model("llava-hf/llava-v1.6-vicuna-7b-hf", "Llama 2", 4096, 11_008, 32, 32, 32, 32_064, 324, 2_928),
    Model("Qwen/Qwen2-VL-7B-Instruct", "Apache-2.0", 3584, 18_944, 28, 28, 4, 152_064, 675, 1_275),
    Model("Qwen/Qwen2.5-VL-7B-Instruct", "Apache-2.0", 3584, 18_944, 28, 28, 4, 152_064, 677, 1_275),
    Model("llava-hf/llama3-llava-next-8b-hf", "Llama 3", 4096, 14_336, 32, 32, 8, 128_320, 324, 2_928),
    Model("llava-hf/llava-1.5-13b-hf", "Llama 2", 5120, 13_824, 40, 40, 40, 32_064, 328, 576),
    Model("llava-hf/llava-v1.6-34b-hf", "Apache-2.0", 7168, 20_480, 60, 56, 8, 64_064, 330, 2_928),
)


def bandwidth() -> float:
    """Returns how many bytes a second the cores read together."""
    arrays = [np.ones(1 << 28, np.float32) for _ in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(np.max, arrays))
        best = min(_timed(lambda: list(pool.map(np.max, arrays))) for _ in range(5))
    return sum(array.nbytes for array in arrays) / best


def operations() -> float:
    """Returns how many operations a second a large product of matrices comes to, in the device's own precision."""
    size = 2_048
    left = ov.opset13.parameter([256, size], np.float32)
    weights = ov.opset13.constant(np.random.default_rng(0).standard_normal((4 * size, size)).astype(np.float32))
    model = ov.Model([ov.opset13.matmul(left, weights, False, True)], [left])
    compiled = ov.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": THREADS})
    data = np.ones((256, size), np.float32)
    compiled(data)
    best = min(_timed(lambda: compiled(data)) for _ in range(20))
    return 2 * 256 * size * 4 * size / best


def _timed(what: Any) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def middle(precision: str) -> dict[str, float]:
    """Measures the model in between, in a process of its own: what it takes, and how fast it is."""
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers.vlm import TinyVlms

    folder = TinyVlms().folder("llava", precision, sizes=MIDDLE)
    command = [sys.executable, __file__, "--measure", str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(told.splitlines()[-1])


def measure(folder: Path) -> dict[str, float]:
    from askpix.producer.items import Options
    from askpix.producer.questions import Question
    from askpix.worker.engine.base import Request
    from askpix.worker.models.folder import load_vlm
    from askpix.worker.vlm.engine import VlmEngine

    before = _resident("RssAnon")
    engine = VlmEngine(folder)

    def tokens(question: str, length: int, rows: int) -> float:
        options = Options(max_new_tokens=length, min_new_tokens=length)
        pixels = [np.random.default_rng(row).integers(0, 255, (56, 56, 3), np.uint8) for row in range(rows)]
        began = time.perf_counter()
        tickets = [
            engine.submit(Request(images=(engine.open_image(one),), question=Question(question), options=options))
            for one in pixels
        ]
        prompts = [ticket.result(600).prompt_tokens or 0 for ticket in tickets]
        return sum(prompts) / (time.perf_counter() - began) if length == 1 else time.perf_counter() - began

    tokens("what is it?", 4, 1)
    short, long, many = (tokens("what is it?", length, rows) for length, rows in ((8, 1), (40, 1), (40, 16)))
    few = tokens("what is it?", 8, 16)
    prompt = tokens("✓" * 250, 1, 1)
    engine_bytes = load_vlm(folder).bytes
    result = {
        "weights_gb": engine_bytes / 1e9,
        "resident_gb": (_resident("RssAnon") - before) / 1e9,
        "peak_gb": (_resident("VmHWM") - before) / 1e9,
        "tokens_alone": 32 / (long - short),
        "tokens_of_16": 16 * 32 / (many - few),
        "prompt_tokens": prompt,
    }
    engine.close()
    return result


def _resident(what: str) -> int:
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"{what}:\s+(\d+)", status)
    assert found is not None
    return int(found[1]) * 1_024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--redraw", action="store_true", help="draw the tables from the figures that are there")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    if not options.redraw:
        result = {
            "machine": described(),
            "bandwidth": bandwidth(),
            "operations": operations(),
            "middle": {precision: middle(precision) for precision in ("int4", "int8")},
        }
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    result = json.loads(RESULTS.read_text())
    print(json.dumps({name: value for name, value in result.items() if name != "machine"}, indent=1))
    text = DOCS.read_text()
    for name, lines in {"sizes": _sizes(), "speed": _speed(result)}.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        text = before + begin + "\n".join(lines) + "\n" + end + rest.partition(end)[2]
    DOCS.write_text(text)


def _sizes() -> Iterator[str]:
    yield "| model | licence | INT4 | INT8 | f16 | a token's keys and values | a usual image | 16 GB | 32 GB |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for model in MODELS:
        sizes = [f"{model.gigabytes(precision):.1f} GB" for precision in ("int4", "int8", "f16")]
        fits = [_fits(model, memory) for memory in (16, 32)]
        yield (
            f"| {model.name} | {model.licence} | {' | '.join(sizes)} | {model.cache() / 1e3:.0f} kB "
            f"| {model.image:,} tokens | {' | '.join(fits)} |"
        )


def _fits(model: Model, memory: int) -> str:
    """Returns the largest weights that leave a system 2 GB, and 16 texts of 512 tokens their room."""
    room = 16 * (model.image + 512) * model.cache() / 1e9
    for precision in ("f16", "int8", "int4"):
        if taken_bytes(round(model.gigabytes(precision) * 1e9), precision) / 1e9 + room + 2 <= memory:
            return precision.upper() if precision != "f16" else precision
    return "no"


def _speed(result: dict[str, Any]) -> Iterator[str]:
    yield "| model, INT4 | reading a prompt with its image | then, tokens a second alone |"
    yield "|---|---|---|"
    for model in MODELS:
        prompt = 2 * model.blocks * (model.image + 50) / result["operations"]
        prompt += 2 * model.vision * 1e6 * model.image / result["operations"]
        yield f"| {model.name} | {prompt:.0f} s | {result['bandwidth'] / model.read('int4'):.1f} |"


if __name__ == "__main__":
    main()
