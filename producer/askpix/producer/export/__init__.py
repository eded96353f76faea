"""A job's results for people and for other programs: tables, lines and folders."""

from askpix.producer.export.form import Exported
from askpix.producer.export.wishes import Wishes
from askpix.producer.export.writing import export, export_lines

__all__ = ["Exported", "Wishes", "export", "export_lines"]
