"""The error codes of items and the reasons of refusals, as far as askpix itself knows them: what may be a label.

A row can hold any text as its code, and a message can ask for anything. What is counted for long has to be of a set
that does not grow.
"""

from __future__ import annotations

from http import HTTPStatus

OTHER = "other"
"""Instead of what is in no set."""

_LOADING = """
bad_reference bad_response bad_url bucket_not_found connection_failed connection_refused cut_short decode_timeout
decoder_died empty_file
file_not_found file_unreadable host_not_found host_silent image_damaged image_too_large image_too_narrow not_a_file
not_allowed not_an_image object_denied object_failed object_not_found opted_out out_of_memory scheme_not_supported
timeout tls_failed too_many_bytes too_many_images too_many_redirects too_slow
"""
_ANSWERING = """
cancelled cannot_answer cannot_caption cannot_match choices_alike deadline empty_question
internal_error missing_value model_failed needs_chat no_such_question no_system_text schema_refused schema_unmet
settings_contradict too_long worker_died
"""
_HTTP = tuple(f"http_{status.value}" for status in HTTPStatus)

_USUAL_HTTP = tuple(f"http_{status}" for status in (400, 401, 403, 404, 410, 429, 500, 502, 503, 504))

USUAL_CODES = frozenset((*_LOADING.split(), *_ANSWERING.split(), *_USUAL_HTTP, OTHER))
"""Which many items may have at once, so that an increase has to be seen: all but the statuses that few servers send."""

ITEM_CODES = frozenset((*_LOADING.split(), *_ANSWERING.split(), *_HTTP))
REASONS = frozenset(
    ("malformed", "wrong_queue", "no_job", "no_such_part", "notify", "other_weights", "outside", "unknown_model")
)

PART_ENDS = ("done", "elsewhere", "given_back", "held", "refused", "again", "failed")
"""How a part that was taken can end: with its result; another worker has it; it went back to its queue, for the worker
ends; its job was paused or cancelled; its message was refused; it is queued again, for memory or the storage failed; or
it stops its job."""


def item_code(code: str) -> str:
    """Returns an item's error code, or OTHER."""
    return code if code in ITEM_CODES else OTHER


def refusal(reason: str) -> str:
    """Returns why a message was refused, or OTHER."""
    return reason if reason in REASONS else OTHER
