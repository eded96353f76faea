"""Parts and their messages."""

from __future__ import annotations

from askpix.worker.error_codes import OTHER, PART_ENDS, REASONS
from askpix.worker.metrics.families import Families
from askpix.worker.metrics.known import Known
from askpix.worker.metrics.labels import MODEL, NONE, from_zero
from askpix.worker.slots import busy


def add(families: Families, known: Known) -> None:
    tallies = known.tallies
    families.counter(
        "askpix_parts",
        "Parts that were taken, by how that ended.",
        ["outcome"],
        from_zero(PART_ENDS) | tallies.parts.read(),
    )
    families.counter(
        "askpix_parts_taken_over",
        "How often a part was taken of which workers had died, or at least with it, since it was first begun.",
        [],
        NONE | tallies.taken_over.read(),
    )
    families.counter(
        "askpix_losses_found",
        "How often messages of a job were found lost, and its parts were queued again.",
        [],
        NONE | tallies.losses.read(),
    )
    families.histogram("askpix_part_seconds", "From taking a part to its result.", MODEL, tallies.part_seconds.read())
    families.counter(
        "askpix_messages_refused",
        "Messages that were refused, by reason.",
        ["reason"],
        from_zero((*REASONS, OTHER)) | tallies.refused.read(),
    )
    parts, asks = busy()
    families.gauge("askpix_parts_in_work", "Parts that the worker is at.", [], {(): parts})
    families.gauge("askpix_asks_in_work", "Asks that the worker is at.", [], {(): asks})
