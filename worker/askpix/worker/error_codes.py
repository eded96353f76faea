"""The error codes of items and the reasons of refusals, as far as askpix itself knows them: what may be a label.

A row can hold any text as its code, and a message can ask for anything. What is counted for long has to be of a set
that does not grow.

An error has its code where it is raised, as `ItemError` or one of its kinds (`item_errors.py`); what servers and
sockets say becomes one in `images/web_errors.py`, what S3 says in `images/objects.py`, and what nobody expected in
`item_errors.py:internal_error`.
"""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus

OTHER = "other"
"""Instead of what is in no set."""


class Code(StrEnum):
    """Why an item, or a question of it, has no answer; beside `http_404` and the like, which servers answer.

    docs/job-folder.md tells users what each means, and whether a retry can help.
    """

    # Of images that cannot be had.
    BAD_REFERENCE = "bad_reference"  # names no image
    BAD_RESPONSE = "bad_response"  # is no proper HTTP
    BAD_URL = "bad_url"  # names no web server, or a user
    BUCKET_NOT_FOUND = "bucket_not_found"
    CONNECTION_FAILED = "connection_failed"  # broken off, or not made
    CONNECTION_REFUSED = "connection_refused"
    CUT_SHORT = "cut_short"  # fewer bytes than were announced
    EMPTY_FILE = "empty_file"
    FILE_NOT_FOUND = "file_not_found"
    FILE_UNREADABLE = "file_unreadable"  # is there, and cannot be read
    HOST_NOT_FOUND = "host_not_found"  # a name without addresses
    HOST_SILENT = "host_silent"  # not asked, as it has answered nothing for long
    NOT_A_FILE = "not_a_file"  # a folder, or a device
    NOT_ALLOWED = "not_allowed"  # may not be read by this worker
    OBJECT_DENIED = "object_denied"  # S3 does not let the worker read it
    OBJECT_FAILED = "object_failed"  # S3 was not reached, or failed
    OBJECT_NOT_FOUND = "object_not_found"
    OPTED_OUT = "opted_out"  # its server says that it is not for machines
    SCHEME_NOT_SUPPORTED = "scheme_not_supported"
    TIMEOUT = "timeout"  # did not come in time
    TLS_FAILED = "tls_failed"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TOO_SLOW = "too_slow"  # fewer bytes a second than any server is allowed

    # Of images that are had, and cannot be shown to a model.
    DECODE_TIMEOUT = "decode_timeout"  # decoding took far longer than its size calls for
    DECODER_DIED = "decoder_died"  # of the image
    IMAGE_DAMAGED = "image_damaged"
    IMAGE_TOO_LARGE = "image_too_large"  # too many pixels
    IMAGE_TOO_NARROW = "image_too_narrow"  # for the model
    NOT_AN_IMAGE = "not_an_image"
    OUT_OF_MEMORY = "out_of_memory"  # to load it
    TOO_MANY_IMAGES = "too_many_images"  # for the model

    # Of questions that a model cannot be asked.
    CANNOT_ANSWER = "cannot_answer"  # the model only captions
    CANNOT_CAPTION = "cannot_caption"  # the model only answers
    CANNOT_MATCH = "cannot_match"  # the model scores no texts
    CHOICES_ALIKE = "choices_alike"  # to the model's vocabulary
    EMPTY_QUESTION = "empty_question"
    MISSING_VALUE = "missing_value"  # of a column that a text names
    NEEDS_CHAT = "needs_chat"  # the model holds no conversations
    NO_SUCH_QUESTION = "no_such_question"  # that another one comes after
    NO_SYSTEM_TEXT = "no_system_text"  # the model takes none
    SCHEMA_REFUSED = "schema_refused"  # it is none, or one that cannot be kept to
    SETTINGS_CONTRADICT = "settings_contradict"  # each other, or the model's defaults
    TOO_LONG = "too_long"  # for the model

    # Of answers that did not come.
    CANCELLED = "cancelled"  # nobody waits for it any more
    DEADLINE = "deadline"  # it was not there in time
    INTERNAL_ERROR = "internal_error"  # askpix itself failed
    MODEL_FAILED = "model_failed"
    SCHEMA_UNMET = "schema_unmet"  # the answer does not keep to the schema
    WORKER_DIED = "worker_died"  # of the item


_HTTP = tuple(f"http_{status.value}" for status in HTTPStatus)
_USUAL_HTTP = tuple(f"http_{status}" for status in (400, 401, 403, 404, 410, 429, 500, 502, 503, 504))

USUAL_CODES = frozenset((*map(str, Code), *_USUAL_HTTP, OTHER))
"""Which many items may have at once, so that an increase has to be seen: all but the statuses that few servers send."""

ITEM_CODES = frozenset((*map(str, Code), *_HTTP))

REASONS = frozenset(
    (
        "malformed",  # not of our form
        "no_job",  # where the message says
        "no_such_part",  # in its job
        "notify",  # a task that this worker may not notify
        "other_weights",  # than those that the job was begun with
        "outside",  # the worker's storage roots
        "unknown_model",  # to this worker
        "wrong_queue",  # one for others
    )
)
"""Why messages are refused."""

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
