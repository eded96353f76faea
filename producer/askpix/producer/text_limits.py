"""How long texts of questions may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

MAX_TEXT = 2_000
"""Characters that a question, a choice or a prompt may have."""

Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
"""One of them."""
