"""Work of many threads, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_Value = TypeVar("_Value")
_Result = TypeVar("_Result")


def in_order(
    work: Callable[[_Value], _Result], values: Iterable[_Value], *, threads: int, ahead: int, name: str
) -> Iterator[_Result]:
    """Yields what comes of each value, in their order.

    Args:
        ahead: values that are begun for each thread before the first of them is taken.
        name: what the threads' names begin with.
    """
    left = iter(values)
    begun: deque[Future[_Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
    try:
        begun.extend(pool.submit(work, value) for value in islice(left, threads * ahead))
        while begun:
            yield begun.popleft().result()
            begun.extend(pool.submit(work, value) for value in islice(left, 1))
    finally:
        # What has not begun is not waited for.
        pool.shutdown(cancel_futures=True)
