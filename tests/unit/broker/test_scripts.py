"""Scripts go to Redis by their digests, and in full where it does not know them."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from askpix.producer.scripts import run_script

SCRIPT = "return redis.call('INCRBY', KEYS[1], ARGV[1])"


def calls(counters: redis.Redis, command: str) -> int:
    stats: Any = counters.info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"])


def test_a_script_is_sent_in_full_once(counters: redis.Redis) -> None:
    # Given: a server that has forgotten all scripts, as one has that was started again.
    counters.script_flush()
    full, known = calls(counters, "eval"), calls(counters, "evalsha")

    # When
    values = [run_script(counters, SCRIPT, ["test:scripts"], "2") for _ in range(3)]

    # Then: the first of them was not known yet.
    assert values == [2, 4, 6]
    assert calls(counters, "eval") - full == 1
    assert calls(counters, "evalsha") - known == 3
    counters.delete("test:scripts")


def test_a_script_that_fails_is_not_run_again(counters: redis.Redis) -> None:
    counters.set("test:scripts", "no number")

    with pytest.raises(redis.ResponseError, match="not an integer"):
        run_script(counters, SCRIPT, ["test:scripts"], "2")

    assert counters.get("test:scripts") == "no number"
    counters.delete("test:scripts")
