"""Runs `askpix model convert` as a user does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from helpers.processes import askpix

from askpix.worker.models.folder import load_vlm
from askpix.worker.models.vlm_manifest import VlmManifest


def converted(
    source: str, *options: str, images: Path, group_size: int, cwd: Path, env: Mapping[str, str]
) -> VlmManifest:
    """Converts a checkpoint to cwd/model, called mine, in 4 bits throughout, with two images to estimate scales on."""
    ran = askpix(
        "model", "convert", source, "--output", "model", "--name", "mine", "--precision", "int4", "--ratio", "1",
        "--group-size", str(group_size), "--images", images, "--samples", "2", *options, cwd=cwd, env=env,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    return load_vlm(cwd / "model")
