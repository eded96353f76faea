"""What `make bench-workers` makes of its rounds."""

from __future__ import annotations

from bench.workers import FLOORS, forms, ratios, table


def test_each_form_has_the_same_two_cores() -> None:
    found = forms([2, 5], unpinned=True)

    assert set(FLOORS) < set(found)
    assert found["one worker on both cores"] == [["--cpus", "2,5"]]
    assert found["two workers of one core each"] == [["--cpus", "2"], ["--cpus", "5"]]
    assert found["--replicas 2"] == [["--cpus", "2,5", "--replicas", "2"]]
    assert len(forms([2, 5], unpinned=False)) == 3


def test_ratios_are_taken_within_a_round_and_held_against_their_floors() -> None:
    # The second round was half as fast for all, so that only ratios within a round tell anything.
    rates = {
        "one worker on both cores": [10.0, 5.0, 10.0],
        "two workers of one core each": [9.0, 4.6, 9.5],
        "--replicas 2": [9.5, 4.9, 9.8],
    }

    assert ratios(rates)["two workers of one core each"] == [0.9, 0.92, 0.95]
    lines = table({"rates": {"demo": rates}}).splitlines()
    assert lines[2] == "| demo | one worker on both cores | 10.00 |  |  |"
    assert lines[3] == "| demo | two workers of one core each | 9.00 | 0.92 (0.90 to 0.95) | 0.9 ok |"
    assert lines[4] == "| demo | --replicas 2 | 9.50 | 0.98 (0.95 to 0.98) | 1.0 below |"
