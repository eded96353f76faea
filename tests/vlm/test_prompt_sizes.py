"""Counting of image tokens, what users write, and memory: the parts that need no model."""

from __future__ import annotations

import pytest

from askpix.producer.errors import ModelError
from askpix.worker.engine.base import Ability
from askpix.worker.models.vlm_manifest import FixedTokens, Language, ScaledTokens, TiledTokens, VlmManifest
from askpix.worker.vlm.image_tokens import image_tokens
from askpix.worker.vlm.memory import Room, bytes_per_token, cache_blocks
from askpix.worker.vlm.texts import Cleaner

GIGABYTE = 10**9
LLAVA_7B = VlmManifest(
    kind="vlm", name="llava-1.5-7b", abilities=frozenset({Ability.ANSWER}), source="x", family="llava",
    template="vicuna", image_tokens=FixedTokens(tokens=576), reserved=(),
    language=Language(layers=32, kv_heads=32, head_size=128, context=4_096), precision="int4", versions={},
    files={"openvino_language_model.bin": {"bytes": 4 * GIGABYTE, "sha256": ""}}, fingerprint="",
)  # fmt: skip


@pytest.mark.parametrize(
    ("form", "size", "tokens"),
    [
        (FixedTokens(tokens=576), (10, 4_000), 576),
        # LLaVA-1.6: two tiles each way, 24 x 24 tokens each, and the whole image.
        (TiledTokens(side=336, patch=14, grids=((336, 672), (672, 336), (672, 672))), (672, 672), 576 + 48 * 49),
        (TiledTokens(side=336, patch=14, grids=((336, 672), (672, 336), (672, 672))), (1_000, 500), 576 + 24 * 49),
        # Qwen2-VL: units of 28 x 28.
        (ScaledTokens(unit=28, min_pixels=3_136, max_pixels=1_000_000), (280, 560), 200),
        (ScaledTokens(unit=28, min_pixels=3_136, max_pixels=1_000_000), (8_000, 6_000), 41 * 30),
        (ScaledTokens(unit=28, min_pixels=3_136, max_pixels=1_000_000), (5, 5), 4),
    ],
)
def test_images_are_counted_in_tokens(
    form: FixedTokens | TiledTokens | ScaledTokens, size: tuple[int, int], tokens: int
) -> None:
    assert image_tokens(form, *size) == tokens


def test_nothing_reserved_is_left_in_a_text() -> None:
    cleaner = Cleaner(["<image>", "</s>", "<|im_end|>"])
    assert cleaner.clean("a <image> b</s>") == "a  b"
    assert cleaner.clean("<ima<image>ge><im<ima<image>ge>age>") == ""
    assert cleaner.clean("<ov_genai_image_12>x<ov_genai_video_0>") == "x"
    assert cleaner.clean("a < b > c <imag>") == "a < b > c <imag>"


def test_a_model_that_does_not_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(ModelError) as caught:
        cache_blocks(LLAVA_7B, {}, left=6_500_000_000)
    assert str(caught.value) == (
        "llava-1.5-7b does not fit: its weights and what runs them take 5.7 GB, one text of 4,096 tokens 1.1 GB, "
        "and there are 6.5 GB of memory left"
    )


def test_keys_and_values_take_half_of_what_is_left_and_no_more_than_is_of_use() -> None:
    token = bytes_per_token(LLAVA_7B, exact=False)
    assert token == 2 * 32 * 32 * 136

    def cached(gigabytes: float) -> float:
        return cache_blocks(LLAVA_7B, {}, left=round(gigabytes * GIGABYTE)) * Room().block_tokens * token / GIGABYTE

    assert cached(7) == pytest.approx(1.14, abs=0.03)
    assert cached(10) == pytest.approx((10 - 5.7) / 2, abs=0.03)
    assert cached(100) == cached(1_000) == pytest.approx(40 * (576 + 512) * token / GIGABYTE, abs=0.03)


def test_a_gpu_of_its_own_memory_has_room_by_that_and_in_blocks_of_its_own() -> None:
    small, large = (Room(memory=size * GIGABYTE, block_tokens=16, compressed=False) for size in (12, 24))

    def kept(room: Room) -> float:
        token = bytes_per_token(LLAVA_7B, exact=False, compressed=False)
        return cache_blocks(LLAVA_7B, {}, left=64 * GIGABYTE, room=room) * 16 * token / GIGABYTE

    assert bytes_per_token(LLAVA_7B, exact=False, compressed=False) > bytes_per_token(LLAVA_7B, exact=False)
    assert kept(small) < kept(large) < 24
    with pytest.raises(ModelError, match="does not fit"):
        cache_blocks(LLAVA_7B, {}, left=64 * GIGABYTE, room=Room(memory=6 * GIGABYTE))


def test_keys_and_values_take_what_they_are_allowed_and_no_more_than_there_is() -> None:
    token = bytes_per_token(LLAVA_7B, exact=False)

    def cached(gigabytes: float | None, most: float) -> float:
        left = None if gigabytes is None else round(gigabytes * GIGABYTE)
        blocks = cache_blocks(LLAVA_7B, {}, left=left, most=round(most * GIGABYTE))
        return blocks * Room().block_tokens * token / GIGABYTE

    assert cached(100, 2) == pytest.approx(2, abs=0.03)
    assert cached(None, 2) == pytest.approx(2, abs=0.03)
    assert cached(10, 4) == pytest.approx(4, abs=0.03)
    assert cached(10, 40) == pytest.approx(10 - 5.7, abs=0.05)
    assert cached(1_000, 900) == cached(1_000, 100) == pytest.approx(40 * (576 + 512) * token / GIGABYTE, abs=0.03)


def test_too_little_for_one_text_is_refused_by_the_name_of_the_setting() -> None:
    with pytest.raises(ModelError, match=r"takes 1\.1 GB, and ASKPIX_VLM_CACHE_MEGABYTES allows 0\.5 GB"):
        cache_blocks(LLAVA_7B, {}, left=100 * GIGABYTE, most=GIGABYTE // 2)
