"""How conversations are written for a model: one template for each way that checkpoints were trained with.

The pipeline's own rendering of a checkpoint's template leaves out the first token, and so gives other answers than
transformers; so prompts are written here, and given to it as they are. Which template a checkpoint has is found when it
is converted: the one that writes conversations as the checkpoint's own does. Each is a file of this folder.
"""

from __future__ import annotations

from askpix.worker.vlm.templates.files import TEMPLATES, template_named
from askpix.worker.vlm.templates.template import Template

CAPTION = "Describe the image in one sentence."
"""What a model is told where a caption is asked for."""

__all__ = ["CAPTION", "TEMPLATES", "Template", "template_named"]
