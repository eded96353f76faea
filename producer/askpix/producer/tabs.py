"""JSON with tabs, as YAML takes it."""

from __future__ import annotations

import json


def without_tabs(text: str) -> str:
    """Returns JSON with a space for each tab between its parts, which YAML does not take; other texts as they are."""
    if "\t" not in text or not text.lstrip().startswith(("[", "{")):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    # In texts, JSON has no tabs as they are.
    return text.replace("\t", " ")
