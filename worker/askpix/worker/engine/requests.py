"""What all engines look at in a request."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from askpix.producer.generation import Generation
from askpix.producer.items import Options, first_problem
from askpix.worker.engine.base import ImageHandle, Request
from askpix.worker.errors import RequestError

H = TypeVar("H", bound=ImageHandle)


def only_image(request: Request, kind: type[H], owner: object, model: str) -> H:
    """Returns the image of a request, which was given to the engine `owner`.

    Raises:
        RequestError: there are several.
        ValueError: it was given to another engine.
    """
    if len(request.images) != 1:
        raise RequestError("too_many_images", f"{model} looks at one image at a time")
    image = request.images[0]
    if not isinstance(image, kind) or getattr(image, "owner", None) is not owner:
        raise ValueError("the image handle is of another engine")
    return image


def with_defaults(options: Options, defaults: Generation, model: str) -> Generation:
    """Returns a request's settings, and the model's where it leaves them open; raises RequestError where they clash."""
    try:
        return options.with_defaults(defaults)
    except ValidationError as error:
        problem = first_problem(error)
        raise RequestError("settings_contradict", f"with the defaults of {model}, {problem}") from None
