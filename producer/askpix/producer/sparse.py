"""Models that are written without what says nothing: readers of before refuse fields that they do not know."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer


class Sparse(BaseModel):
    """A model of which some fields are written only where they say something else than their default."""

    added: ClassVar[frozenset[str]] = frozenset()
    """The names of these: fields that came later than others, and are not needed to understand them."""

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        return {
            name: value
            for name, value in values.items()
            if name not in self.added or getattr(self, name) != fields[name].default
        }
