"""What all engines look at in a request."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from askpix.producer.generation import Generation
from askpix.producer.items import Options, shown_in
from askpix.producer.shown import first_problem
from askpix.worker.engine.base import ImageHandle, Request
from askpix.worker.error_codes import Code
from askpix.worker.item_errors import RequestError

H = TypeVar("H", bound=ImageHandle)


def one_at_a_time(model: str) -> RequestError:
    """Returns why a model is not shown several images."""
    return RequestError(Code.TOO_MANY_IMAGES, f"{model} looks at one image at a time")


def only_image(request: Request, kind: type[H], owner: object, model: str) -> H:
    """Returns the image of a request, which was given to the engine `owner`.

    Raises:
        RequestError: there are several, or none.
        ValueError: it was given to another engine.
    """
    if len(request.images) != 1:
        raise one_at_a_time(model)
    return own_images(request, kind, owner)[0]


def own_images(request: Request, kind: type[H], owner: object) -> tuple[H, ...]:
    """Returns the images of a request, which were given to the engine `owner`.

    Raises:
        ValueError: one was given to another engine, there is none, or the history shows more.
    """
    shown = len(shown_in(request.history))
    if not request.images or len(request.images) < shown:
        raise ValueError(f"the history shows {shown} images, and {len(request.images)} are there")
    images = []
    for image in request.images:
        if not isinstance(image, kind) or getattr(image, "owner", None) is not owner:
            raise ValueError("the image handle is of another engine")
        images.append(image)
    return tuple(images)


def with_defaults(options: Options, defaults: Generation, model: str) -> Generation:
    """Returns a request's settings, and the model's where it leaves them open; raises RequestError where they clash."""
    try:
        return options.with_defaults(defaults)
    except ValidationError as error:
        problem = first_problem(error)
        raise RequestError(Code.SETTINGS_CONTRADICT, f"with the defaults of {model}, {problem}") from None
