"""Result rows as a worker would write them, for tests that have none."""

from __future__ import annotations

from dataclasses import replace

from askpix.producer import Kind, Status
from askpix.producer.rows import Answer, Row


def ok_row(image: str) -> Row:
    answer = Answer(name="caption", kind=Kind.CAPTION, text="a mug", confidence=1.0, tokens=3)
    return Row(
        id=image,
        image=image,
        status=Status.OK,
        answers=(answer,),
        attempts=1,
        model="m",
        fingerprint="f",
        precision="f32",
        device="CPU",
        seconds=0.1,
    )


def failed_row(image: str, code: str = "http_503", *, retryable: bool = True) -> Row:
    return replace(
        ok_row(image), status=Status.ERROR, answers=(), error_code=code, error_message=code, retryable=retryable
    )
