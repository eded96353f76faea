"""How fast a job was answered, as far as its result files tell."""

from __future__ import annotations

from askpix.producer.results import Results

_MIN_PARTS = 3
_MIN_SECONDS = 2.0
_MAX_POINTS = 2_000


def timeline(results: Results, items: dict[tuple[int, int], int]) -> list[list[float]] | None:
    """Returns how many items were written by when, in seconds since the first result file, in order of time.

    The last step of a part is to write its file, so there is a point for each part. None where that says nothing: of
    few parts, or where all files are of about the same time, as after a copy.

    Args:
        items: how many rows each part has, by part and round.

    Raises:
        StorageError: the folder cannot be listed.
    """
    times = results.folder.result_times()
    # When they were first answered: a retry round writes a part anew for a few items.
    firsts = ((times.get((part, 0)), count) for (part, _), count in items.items())
    points = sorted((at, count) for at, count in firsts if at is not None)
    if len(points) < _MIN_PARTS or points[-1][0] - points[0][0] < _MIN_SECONDS:
        return None
    first, done = points[0][0], 0
    told: list[list[float]] = []
    for number, (at, count) in enumerate(points):
        done += count
        if number % (len(points) // _MAX_POINTS + 1) == 0 or number == len(points) - 1:
            told.append([round(at - first, 2), done])
    return told
