"""The reference of Python: names stand where they are imported from; docstrings are read as they are written here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docutils import nodes
from pydantic import BaseModel
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.pycode import ModuleAnalyzer

_GIVEN_BY_OTHERS = {
    "askpix.producer.Ask",
    "askpix.producer.Job",
    "askpix.producer.progress.Reading",
    "askpix.producer.registry.Served",
    "askpix.producer.registry.WorkerInfo",
    "askpix.producer.rounds.Round",
}
"""Classes that a program does not make by itself: what making them takes says nothing."""

_DOCSTRINGS: Any = Config()
"""How napoleon reads them: as it does unless told otherwise. It stands in for all of Sphinx's settings."""

_INHERITED = "Create a new model by parsing"
"""How pydantic's own docstrings of what it adds begin."""


def _signature(
    app: Sphinx,  # noqa: ARG001
    what: str,
    name: str,
    obj: object,
    options: object,  # noqa: ARG001
    signature: str | None,
    returned: str | None,
) -> tuple[str, str | None] | None:
    if name in _GIVEN_BY_OTHERS:
        return "", None
    if what == "class" and isinstance(obj, type) and issubclass(obj, BaseModel):
        return f"({', '.join(_parameters(obj))})", None
    # The only factories here make what is empty; as `inspect` writes them, Sphinx cannot read them.
    return None if signature is None else (signature.replace("<factory>", "{}"), returned)


def _parameters(model: type[BaseModel]) -> Iterator[str]:
    """Yields a model's fields as parameters; pydantic's own way shows how each is validated."""
    named = False
    for name, field in model.model_fields.items():
        if not named and not field.is_required():
            named = True
            yield "*"
        yield name if field.is_required() else f"{name}={field.get_default(call_default_factory=False)!r}"


def _docstring(app: Sphinx, what: Any, name: str, obj: object, options: object, lines: list[str]) -> None:
    if lines and lines[0].startswith(_INHERITED):
        lines.clear()
    # Napoleon takes what stands before a colon for a type, where an attribute is told of.
    if what not in ("attribute", "data", "property"):
        lines[:] = GoogleDocstring(list(lines), _DOCSTRINGS, app, what, name, obj, options).lines()
    if what == "class" and isinstance(obj, type) and issubclass(obj, BaseModel):
        told = {field: _told(obj, field) for field in obj.model_fields}
        if name in _GIVEN_BY_OTHERS:
            lines += ["", *(f":ivar {field}: {words}" for field, words in told.items()), ""]
        else:
            lines += ["", *(f":param {field}: {words}" for field, words in told.items() if words), ""]


def _told(model: type[BaseModel], field: str) -> str:
    """Returns what is said of a model's field: in its description, or in the docstring below it."""
    if description := model.model_fields[field].description:
        return description
    for owner in model.__mro__:
        if field in vars(owner).get("__annotations__", {}):
            docs = ModuleAnalyzer.for_module(owner.__module__).find_attr_docs()
            return " ".join(docs.get((owner.__qualname__, field), [])).strip()
    return ""


def _found(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> nodes.Element | None:
    """Finds a name of askpix that is documented under another module than its own."""
    target = str(node.get("reftarget", ""))
    known = f"askpix.producer.{target.rpartition('.')[2]}"
    domain = env.domains.python_domain
    if node.get("refdomain") != "py" or not target.startswith("askpix.") or known not in domain.objects:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], known, node, content)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("missing-reference", _found)
    return {"parallel_read_safe": True}
