"""How the pages of this folder become a site: `make docs`.

Sphinx rather than MkDocs, which has had no release since 2024, and whose theme Material is only maintained any more.
Sphinx also reads the docstrings, and turns every warning into an error.
"""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path

# Extensions of our own are in docs/_site.
sys.path.insert(0, str(Path(__file__).parents[1]))

project = "askpix"
author = "The askpix authors"
project_copyright = author
release = version = installed("askpix")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
extensions += [f"docs._site.{name}" for name in ("commands", "offline", "public", "repository")]
exclude_patterns = ["_site"]

# GitHub makes anchors of headings in the same way.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
# What docstrings have between backticks is code.
default_role = "code"

nitpick_ignore_regex = [
    # Their pages are elsewhere, and a build asks nobody.
    ("py:.*", r"(collections|datetime|enum|pathlib|pydantic|pyarrow|typing|celery|types)\b.*"),
    # Handed on as they are: what is in them is for askpix alone.
    ("py:class", r"askpix\.producer\.(job_folder\.JobFolder|export\.originals\.(Original|Wanted))"),
]

html_theme = "furo"
html_title = "askpix"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
