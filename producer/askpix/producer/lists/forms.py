"""All forms of lists, and which of them a name means."""

from __future__ import annotations

from importlib import import_module

from askpix.producer.lists.form import ListForm, ReadList

# A new form is a module with a FORM, and its name here.
_MODULES = ("references", "tables", "objects", "parquet")

FORMS: tuple[ListForm, ...] = tuple(import_module(f"{__package__}.{name}").FORM for name in _MODULES)


def form_of(name: str) -> tuple[ListForm, ReadList] | None:
    """Returns the form of the list that a name, in small letters, stands for, and what reads it; None of no list."""
    for form in FORMS:
        own = name.removesuffix(".gz") if form.packed else name
        for ending, read in form.files.items():
            if own.endswith(ending):
                return form, read
    return None


def said_of_all() -> str:
    """Returns what names of lists end in."""
    packed = [ending for form in FORMS if form.packed for ending in form.files]
    others = [ending for form in FORMS if not form.packed for ending in form.files]
    return f"lists end in {', '.join(packed)} (each with .gz or without) or {', '.join(others)}"
