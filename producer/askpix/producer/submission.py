"""Writes job folders."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import chain, islice

from askpix.producer.errors import InputError, JobError
from askpix.producer.ids import UniqueIds
from askpix.producer.input_writer import InputWriter
from askpix.producer.items import Item, Options
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.job_spec import JobSpec
from askpix.producer.parquet import ItemColumns, columns_of
from askpix.producer.placeholders import check_columns, names_columns, values_of
from askpix.producer.questions import Question, check_order
from askpix.producer.references import completer
from askpix.producer.storage import shortened
from askpix.producer.texts import check_texts, item_name
from askpix.producer.titles import check_names

_BLOCK_ITEMS = 8_192
"""Completed at once: their ids are looked up in one statement, and their texts are checked together."""

_BLOCK_CHARACTERS = 16_000_000
"""After which a block ends early: data URIs are long."""

_LOOKED_AT = 256
"""Items of which one has to have a column that texts name: not each line of .jsonl has all of them."""

_MAX_PARTS = 1_000_000


def write_job(items: Iterable[Item | str], folder: JobFolder, order: Order, *, base: str) -> JobSpec:
    """Writes a job folder, its job.json last; one that holds the same job is left as it is.

    The items are read once and never held whole: memory does not depend on their number. Of several that write into
    the same folder at once, the first to end has its job there; the others end as if they had begun after that.

    Args:
        base: what relative image references count from, as `references.complete` takes it.

    Raises:
        InputError: the items cannot be read, or there are none, or ids come twice, or questions do not go together.
        JobError: the folder holds another job.
        StorageError: the folder cannot be written.
    """
    has_results = bool(folder.results())
    existing = folder.spec()
    if existing is None and has_results:
        raise JobError(f"{folder.uri} holds results but no job.json: choose another folder")
    _check_questions(order.questions or (), is_new=existing is None)
    items = _checked(items, order.questions or (), order.options)
    job_id = uuid.uuid4().hex
    with InputWriter(folder, job_id) if existing is None else nullcontext() as writer:
        written = _write_parts(_parts(items, base, order.part_size), writer, order.fingerprint_header())
    if existing is None:
        spec = JobSpec(
            id=job_id,
            model=order.model,
            questions=order.questions,
            options=order.options,
            items=written.items,
            parts=written.parts,
            part_size=order.part_size,
            fingerprint=written.fingerprint,
            device=order.device,
            notify=order.notify,
            max_queued=order.max_queued,
            cache=order.cache,
        )
        # Whoever submits the same at the same time, and is first, has submitted this one too.
        existing = folder.write_spec(spec)
    if existing.fingerprint != written.fingerprint:
        raise JobError(
            f"{folder.uri} holds another job (other images, questions, options or model): choose another folder"
        )
    return existing


@dataclass(frozen=True, kw_only=True)
class _Written:
    """What has come of a job's items."""

    items: int
    parts: int
    fingerprint: str


def _write_parts(parts: Iterable[ItemColumns], writer: InputWriter | None, header: bytes) -> _Written:
    """Writes the items of each part, or reads them only, where there is no writer.

    Args:
        header: what their fingerprint begins with.

    Raises:
        InputError: the items cannot be read, or there are none.
        JobError: there are more parts than a job may have.
        StorageError: the folder cannot be written.
    """
    digest = hashlib.sha256(header)
    count = number = 0
    for columns in parts:
        digest.update(columns.canonical())
        if number == _MAX_PARTS:
            raise JobError(f"a job has at most {_MAX_PARTS} parts: give it larger ones than of {count // number} items")
        if writer is not None:
            writer.put(number, columns)
        count, number = count + len(columns), number + 1
    if count == 0:
        raise InputError("there are no images in the input")
    return _Written(items=count, parts=number, fingerprint=digest.hexdigest())


def _check_questions(questions: Sequence[Question], *, is_new: bool) -> None:
    """Raises InputError where questions do not go together. Jobs that are there may be from before names counted."""
    check_order(questions)
    if is_new:
        check_names(questions)


def _checked(items: Iterable[Item | str], questions: Sequence[Question], options: Options) -> Iterator[Item | str]:
    """Yields the items; raises InputError before the first, where a text names a column that none of the first has."""
    items = iter(items)
    if not names_columns(questions, options):
        yield from items
        return
    first = list(islice(items, _LOOKED_AT))
    columns = dict.fromkeys(name for item in first for name in values_of(_item(item)))
    check_columns(questions, options, columns)
    yield from chain(first, items)


def _parts(items: Iterable[Item | str], base: str, part_size: int) -> Iterator[ItemColumns]:
    """Yields the items of each part, completed."""
    complete = completer(base)
    with closing(UniqueIds()) as ids:
        for block in blocks(map(_item, items), part_size):
            images = []
            for item in block:
                try:
                    images.append(complete(item.image))
                except InputError as error:
                    raise InputError(f"{item_name(item)}: {error}") from None
            columns = columns_of(block, ids.assign(block), images)
            for start in range(0, len(block), part_size):
                yield columns.part(start, start + part_size)


def blocks(items: Iterator[Item], part_size: int) -> Iterator[list[Item]]:
    """Yields runs of items that are whole parts, except for the last: those whose ids are given out together."""
    block: list[Item] = []
    characters = 0
    while part := list(islice(items, part_size)):
        check_texts(part)
        block += part
        characters += sum(len(item.image) for item in part)
        if len(block) + part_size > _BLOCK_ITEMS or characters > _BLOCK_CHARACTERS:
            yield block
            block, characters = [], 0
    if block:
        yield block


def _item(entry: object) -> Item:
    if isinstance(entry, Item):
        return entry
    if isinstance(entry, str):
        return Item(image=entry)
    raise InputError(f"an item is an Item or the reference of an image, not {shortened(repr(entry))}")
