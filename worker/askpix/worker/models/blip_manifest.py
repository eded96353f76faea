"""manifest.json of a BLIP model folder."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from askpix.producer.generation import Generation
from askpix.worker.image_form import Resample
from askpix.worker.models.manifest import ManifestPart, ModelManifest, Size

COMPONENTS = ("vision_encoder", "text_encoder", "text_decoder")
"""The graphs of a folder; one that only captions has no text encoder, one that only matches no text decoder."""

MAX_NEW_TOKENS = 20
"""Of a text, where neither the model folder nor the request says."""

_Share = Annotated[float, Field(ge=0, le=1)]


class ImageInput(ManifestPart):
    """The image that the vision encoder takes: RGB, 8 bits. The graph itself normalises it."""

    width: Size
    height: Size
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resample: Resample


class SpecialTokens(ManifestPart):
    """Ids of the tokens with a meaning of their own."""

    start: int
    """What a decoded text begins with."""

    end: int
    """What a decoded text ends with."""

    pad: int


class Sizes(ManifestPart):
    """Dimensions of the graphs' tensors."""

    hidden: Size
    """Of text states, and of the question states that answers attend to."""

    image_hidden: Size
    image_tokens: Size
    layers: Size
    """Of the text decoder."""

    heads: Size
    vocabulary: Annotated[int, Field(ge=1)]
    max_positions: Size
    """The longest text in tokens, prompt and answer together."""


class Agreement(ManifestPart):
    """How often a quantized model says of held-out images what the model says that it was made from."""

    images: Annotated[int, Field(ge=1)]
    captions: _Share | None
    """Share of captions that are the same, word for word; None for a model that only matches."""

    answers: _Share | None
    """Share of answers that are; None for a model that gives none."""

    matches: _Share | None = None
    """Share of match scores that differ by no more than 0.05; None for a model that gives none."""

    precision: str
    """In which numbers the quantized model computed; the other one did so in f32."""

    @property
    def shares(self) -> dict[str, float]:
        """What was compared, by its name, and the share of it that agrees."""
        shares = {"captions": self.captions, "answers": self.answers, "match scores": self.matches}
        return {name: share for name, share in shares.items() if share is not None}

    @property
    def least(self) -> float:
        return min(self.shares.values())


class Quantization(ManifestPart):
    """How a folder came to be quantized."""

    source: str
    """Fingerprint of the folder that was quantized."""

    images: Annotated[int, Field(ge=1)]
    """How many images it was calibrated on."""

    questions: tuple[str, ...]
    """What was asked of them; nothing, for a model that only captions."""

    components: dict[str, Literal["f32", "f16", "int8", "int4"]]
    """In what each graph's weights are stored, by its name. Where it is not INT8 or INT4, it was left as it was."""

    agreement: Agreement | None = None
    """None where it was not looked at."""


class BlipManifest(ModelManifest):
    """manifest.json of a BLIP model folder."""

    depends: ClassVar[frozenset[str]] = frozenset({"image", "tokens", "sizes", "generation"})

    kind: Literal["blip"]
    precision: Literal["f32", "f16", "int8"]
    """Of the stored weights; a quantized folder is "int8", and its `quantization` says more."""

    image: ImageInput
    tokens: SpecialTokens
    sizes: Sizes
    generation: Generation = Generation(max_new_tokens=MAX_NEW_TOKENS)
    """Defaults for generating text."""

    quantization: Quantization | None = None
    """None for a folder whose weights are as they were converted."""


def components_of(manifest: BlipManifest) -> dict[str, str]:
    """Returns in what the weights of a folder's graphs are stored, by their names, in the order of a request."""
    if manifest.quantization is not None:
        return dict(manifest.quantization.components)
    there = {name.removesuffix(".bin") for name in manifest.files}
    return {name: manifest.precision for name in COMPONENTS if name in there}


def component_bytes(manifest: BlipManifest, component: str) -> int:
    """Returns what the files of a graph take."""
    return sum(entry.bytes for name, entry in manifest.files.items() if name.partition(".")[0] == component)
