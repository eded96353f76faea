"""However a run ends, it leaves no process and no temporary file, and the same command carries on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from helpers.processes import Launcher, askpix, wait_until

from askpix.producer import Job, Status
from askpix.worker.local import demo_model

MANY = 1_736
LAST = 6
"""Items, and the last of their seven parts, of which a worker has two in work at a time."""


@pytest.fixture
def many(tmp_path: Path, images: Path) -> Path:
    pictures = sorted(images.glob("*.jpg"))
    lines = [str(pictures[number % len(pictures)]) for number in range(MANY)]
    (tmp_path / "many.txt").write_text("\n".join(lines))
    return tmp_path


def command(images: Path) -> list[str]:
    return ["run", "many.txt", "--output", "job", "--files-root", str(images), "--max-new-tokens", "1"]


def test_ctrl_c_leaves_nothing_behind_and_the_same_command_carries_on(
    many: Path, images: Path, launch: Launcher
) -> None:
    # Given: a run that has done a part of seven.
    running = launch(*command(images), cwd=many)
    first = many / "job" / "results" / "part-000000.parquet"
    wait_until(first.exists, within=60, what="a first part done")
    own = [command for command in running.pids().values() if "askpix.worker.images.decode_main" not in command]
    assert len(own) == 3, "a run, its broker and its worker, which has decoders"

    # When
    running.signal_group(signal.SIGINT)
    ran = running.end()

    # Then: it ends as an interrupted program does, so that a script that called it stops too.
    assert ran.code == -signal.SIGINT
    assert ran.err.splitlines()[-1].startswith("askpix: interrupted")
    assert "Traceback" not in ran.err
    assert running.pids() == {}
    assert list(launch.tmp.iterdir()) == []
    done, written_at = Job.open(str(many / "job")).folder.results(), first.stat().st_mtime_ns
    assert 0 in done
    assert LAST not in done

    # And when
    again = askpix(*command(images), cwd=many)

    # Then: what was done is not done again, and each item is there once, in order.
    assert again.code == 0, again.err
    assert first.stat().st_mtime_ns == written_at
    rows = list(Job.open(str(many / "job")).results())
    assert len({row.id for row in rows}) == len(rows) == MANY
    assert [row.image for row in rows] == (many / "many.txt").read_text().splitlines()
    assert all(row.status is Status.OK for row in rows)


def test_ctrl_c_while_the_broker_starts_leaves_nothing_behind(many: Path, images: Path, launch: Launcher) -> None:
    # Given
    running = launch(*command(images), cwd=many)
    wait_until(lambda: any(launch.tmp.glob("*/valkey.conf")), within=30, what="a broker that starts")

    # When
    running.signal_group(signal.SIGINT)
    ran = running.end()

    # Then
    assert ran.code == -signal.SIGINT
    assert running.pids() == {}
    assert list(launch.tmp.iterdir()) == []


def test_ctrl_c_while_modules_are_imported_shows_no_traceback(many: Path, images: Path, launch: Launcher) -> None:
    # Given: a command that has come as far as loading its first libraries.
    running = launch(*command(images), cwd=many)
    maps = Path(f"/proc/{running.process.pid}/maps")
    wait_until(lambda: "libarrow" in maps.read_text(), within=30, what="importing")

    # When
    running.signal_group(signal.SIGINT)
    ran = running.end()

    # Then
    assert ran.code == -signal.SIGINT
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_told_to_end_leaves_nothing_behind(
    many: Path, images: Path, launch: Launcher, number: signal.Signals
) -> None:
    # Given
    running = launch(*command(images), cwd=many)
    running.wait_for_progress(many / "job")

    # When
    os.kill(running.process.pid, number)
    ran = running.end(within=15)

    # Then
    assert ran.code in (-number, 128 + number)
    assert "Traceback" not in ran.err
    assert running.pids() == {}
    assert list(launch.tmp.iterdir()) == []


def test_when_a_run_is_killed_its_worker_and_broker_go_by_themselves(
    many: Path, images: Path, launch: Launcher
) -> None:
    # Given
    running = launch(*command(images), cwd=many)
    running.wait_for_progress(many / "job")

    # When
    running.process.kill()
    running.end()

    # Then
    wait_until(lambda: not running.pids(), within=15, what="all gone")
    assert list(launch.tmp.iterdir()) == []


def test_when_the_worker_is_killed_the_run_starts_it_again(many: Path, images: Path, launch: Launcher) -> None:
    # Given
    running = launch(*command(images), "--model", str(demo_model()), cwd=many)
    running.wait_for_progress(many / "job")

    # When
    os.kill(running.worker(), signal.SIGKILL)
    ran = running.end(within=60)

    # Then
    assert ran.code == 0, ran.err
    assert "the worker ended by SIGKILL (was there too little memory?); it is started again" in ran.err
    rows = list(Job.open(str(many / "job")).results())
    assert [row.status for row in rows] == [Status.OK] * MANY
    assert running.pids() == {}
    assert list(launch.tmp.iterdir()) == []
