"""All forms of export, and which of them is meant."""

from __future__ import annotations

from importlib import import_module

from askpix.producer.errors import InputError
from askpix.producer.export.form import Form
from askpix.producer.storage import shortened

# A new form is a module with a FORM, and its name here. Of those that take the same names, the first is meant.
_MODULES = ("answers", "rows", "wide", "text", "json_files", "imagefolder", "webdataset")

FORMS: tuple[Form, ...] = tuple(import_module(f"{__package__}.{name}").FORM for name in _MODULES)


def form_for(name: str, asked: str | None, *, is_folder: bool, groups: bool = False) -> tuple[Form, str | None]:
    """Returns the form that is meant, and the ending of the file's name, None of a folder.

    Args:
        name: of the file or the folder.
        asked: the name of a form, None where the file's name says all.
        groups: whether a line is to be a group.

    Raises:
        InputError: there is no such form, or it takes no such name.
    """
    candidates = [form for form in FORMS if asked in (None, form.name)]
    if not candidates:
        raise InputError(f"there is no form {shortened(repr(asked))}: there is {', '.join(f.name for f in FORMS)}")
    if groups:
        candidates = [form for form in candidates if form.wide]
        if not candidates or is_folder:
            endings = ", ".join(dict.fromkeys(ending for form in FORMS if form.wide for ending in form.files))
            raise InputError(f"--groups needs a wide table: a name that ends in {endings}, and no other --form")
    if is_folder:
        taking = next((form for form in candidates if form.folder is not None and form.shards is None), None)
        if taking is not None:
            return taking, None
    else:
        name = name.lower()
        for form in candidates:
            for ending in _endings(form):
                if name.endswith(ending):
                    return form, ending
    if asked is None:
        raise InputError(f"askpix cannot export to {shortened(name)!r}: {said_of_all()}")
    raise InputError(f"askpix cannot export to {shortened(name)!r} as {asked}: {_said_of(candidates[0])}")


def is_name(name: str) -> bool:
    """Returns whether a name ends as that of a file that some form writes."""
    return any(name.lower().endswith(ending) for form in FORMS for ending in _endings(form))


def said_of_all() -> str:
    """Returns what names may be."""
    endings = list(dict.fromkeys(ending for form in FORMS for ending in (*form.files, *filter(None, [form.shards]))))
    packed = [ending for ending in endings if any(ending in form.packed for form in FORMS)]
    others = [ending for ending in endings if ending not in packed]
    return (
        f"names of files end in {', '.join(packed)} (these also with .gz) or {', '.join(others)}, names of folders in /"
    )


def _endings(form: Form) -> list[str]:
    own = [*form.files, *([form.shards] if form.shards else [])]
    return [*own, *(f"{ending}.gz" for ending in own if ending in form.packed)]


def _said_of(form: Form) -> str:
    if form.folder is not None and form.shards is None:
        return "it takes a folder, with a name that ends in /"
    return f"it takes a name that ends in {', '.join(_endings(form))}"
