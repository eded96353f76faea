"""manifest.json of a model folder that holds a vision-language model of the LLaVA kind."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from askpix.producer.errors import ModelError
from askpix.worker.engine.base import Ability
from askpix.worker.models.family import FAMILIES
from askpix.worker.models.manifest import ManifestPart, ModelManifest, Size
from askpix.worker.vlm.templates import Template, template_named

_Count = Annotated[int, Field(ge=1)]


class FixedTokens(ManifestPart):
    """Every image becomes as many tokens; of a model whose images we cannot count, as many as the largest."""

    kind: Literal["fixed"] = "fixed"
    tokens: _Count
    edge: Size | None = None
    """In pixels, to which the shorter side is brought, and the middle then cut out; None where it is not so."""


class TiledTokens(ManifestPart):
    """The image and tiles of it, each encoded by itself, as LLaVA-NeXT has it."""

    kind: Literal["tiled"] = "tiled"
    side: Size
    """Of what the encoder takes, in pixels."""

    patch: Size
    grids: Annotated[tuple[tuple[Size, Size], ...], Field(min_length=1)]
    """Heights and widths, in pixels, to one of which an image is brought."""


class ScaledTokens(ManifestPart):
    """Tokens by the image's own size, as Qwen2-VL has it."""

    kind: Literal["scaled"] = "scaled"
    unit: Size
    """Pixels each way that one token stands for."""

    min_pixels: _Count
    max_pixels: _Count


class Language(ManifestPart):
    """Dimensions of the language model."""

    layers: Size
    kv_heads: Size
    head_size: Size
    context: _Count
    """The longest sequence in tokens: image, prompt and answer together."""


class Compression(ManifestPart):
    """How weights were compressed."""

    group_size: int
    """How many weights share a scale; -1 for those of a whole channel."""

    ratio: Annotated[float, Field(ge=0, le=1)]
    """Share of the language model's weights that have the low precision."""

    images: Annotated[int, Field(ge=0)]
    """On which scales were estimated; 0 where the weights alone were looked at."""


class VlmManifest(ModelManifest):
    """manifest.json of a vision-language model's folder: what the export wrote, and what it says of itself."""

    depends: ClassVar[frozenset[str]] = frozenset(
        {"generation", "family", "template", "image_tokens", "reserved", "language"}
    )

    kind: Literal["vlm"]
    family: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
    """The checkpoint's model_type, such as llava_next."""

    template: str
    """Name of the conversation template, one of `vlm.templates`."""

    image_tokens: Annotated[FixedTokens | TiledTokens | ScaledTokens, Field(discriminator="kind")]
    reserved: tuple[str, ...]
    """Texts that are tokens with a meaning of their own; nothing that a user writes may hold them."""

    language: Language
    precision: Literal["f32", "f16", "int8", "int4"]
    """Of the language model's stored weights; below f16, the other graphs' are stored in int8."""

    compression: Compression | None = None

    @property
    def conversation(self) -> Template:
        """How conversations are written for it."""
        return template_named(self.template)

    @property
    def offered(self) -> frozenset[Ability]:
        family = FAMILIES.get(self.family)
        return self.abilities | ({Ability.IMAGES} if family is not None and family.several_images else set())

    @field_validator("template")
    @classmethod
    def _is_there(cls, name: str) -> str:
        try:
            template_named(name)
        except ModelError as error:
            raise ValueError(str(error)) from None
        return name
