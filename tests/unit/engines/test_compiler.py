"""Graphs are compiled for the cores of the process, and found again in the cache for as long as they are the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import pytest

from askpix.worker.cores import allowed
from askpix.worker.engine.compiling import Compiler
from askpix.worker.engine.devices import Precision
from askpix.worker.local import demo_model


def save_graph(path: Path, factor: float) -> None:
    """Writes a graph of one matrix, `factor` times the identity."""
    given = ops.parameter([-1, 64], np.float32, name="given")
    weights = ops.constant(factor * np.eye(64, dtype=np.float32))
    product = ops.matmul(given, weights, False, False)
    ov.save_model(ov.Model([ops.result(product, name="product")], [given]), path, compress_to_fp16=False)


def in_bf16(model: ov.Model) -> ov.Model:
    processor = ov.preprocess.PrePostProcessor(model)
    processor.output().tensor().set_element_type(ov.Type.bf16)
    return processor.build()


def computed(compiled: ov.CompiledModel) -> float:
    return float(compiled(np.ones((1, 64), np.float32))[0][0, 0])


def cached(compiled: ov.CompiledModel) -> bool:
    return bool(compiled.get_property("LOADED_FROM_CACHE"))


def compiler(cache: Path | None = None) -> Compiler:
    return Compiler("CPU", Precision.F32, cache)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "graph.xml"
    save_graph(path, 2.0)
    return path


def test_a_graph_is_found_again_and_computes_the_same(graph: Path, tmp_path: Path) -> None:
    first = compiler(tmp_path).compile(graph)
    second = compiler(tmp_path).compile(graph)

    assert (cached(first), cached(second)) == (False, True)
    assert computed(first) == computed(second) == 2.0


def test_other_weights_under_the_same_name_are_not_taken_for_the_old_ones(graph: Path, tmp_path: Path) -> None:
    # Given
    compiler(tmp_path).compile(graph)
    stored = graph.with_suffix(".bin")
    before = stored.stat()

    # When: the new file is as large and as old as the old one.
    weights = np.fromfile(stored, np.float32)
    np.where(weights == 2.0, 3.0, weights).astype(np.float32).tofile(stored)
    os.utime(stored, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert stored.stat().st_size == before.st_size
    again = compiler(tmp_path).compile(graph)

    # Then
    assert not cached(again)
    assert computed(again) == 3.0


def test_what_was_adapted_is_found_again_as_such(graph: Path, tmp_path: Path) -> None:
    # Given
    plain = compiler(tmp_path).compile(graph)
    first = compiler(tmp_path).compile(graph, in_bf16)

    # When
    second = compiler(tmp_path).compile(graph, in_bf16)

    # Then
    assert (cached(first), cached(second)) == (False, True)
    assert plain.output().element_type == ov.Type.f32
    assert first.output().element_type == second.output().element_type == ov.Type.bf16


def test_a_compiled_model_that_was_cut_off_is_made_again(graph: Path, tmp_path: Path) -> None:
    # Given: what a worker leaves that is killed while it writes.
    compiler(tmp_path).compile(graph)
    (blob,) = (tmp_path / "models").glob("*.blob")
    blob.chmod(0o600)
    os.truncate(blob, blob.stat().st_size // 2)

    # When
    again = compiler(tmp_path).compile(graph)

    # Then
    assert not cached(again)
    assert computed(again) == 2.0
    assert cached(compiler(tmp_path).compile(graph))


def test_properties_are_passed_on_and_those_of_other_devices_are_left_out(graph: Path) -> None:
    compiled = compiler().compile(graph, None, NUM_STREAMS=1, INFERENCE_NUM_THREADS=1, NPU_TURBO=True)

    assert compiled.get_property("NUM_STREAMS") == 1
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1


# The cores of the process: one that has computed shows its threads. --------------------------------

_COMPUTE = f"""
import json, os, sys
from pathlib import Path
import numpy as np
from askpix.worker.cores import chosen, take
from askpix.worker.engine.compiling import Compiler
from askpix.worker.engine.devices import Precision

cpus, threads = json.loads(sys.argv[1])
take(chosen(cpus, threads))
vision = Compiler("CPU", Precision.F32).compile(Path({str(demo_model() / "vision_encoder.xml")!r}))
vision(np.zeros((2, 120, 120, 3), np.uint8))
tasks = [int(task.name) for task in Path("/proc/self/task").iterdir()]
print(json.dumps({{
    "threads": vision.get_property("INFERENCE_NUM_THREADS"),
    "masks": sorted({{tuple(sorted(os.sched_getaffinity(task))) for task in tasks}}),
}}))
"""


def compute(cpus: str | None = None, threads: int | None = None, group: Path | None = None) -> tuple[int, list[int]]:
    """Returns with how many threads a process computes, and on which CPUs these may run.

    Args:
        group: a control group to run in.
    """
    command = [sys.executable, "-c", _COMPUTE, json.dumps([cpus, threads])]
    if group is not None:
        command = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    return said["threads"], sorted({cpu for mask in said["masks"] for cpu in mask})


def test_a_process_on_one_cpu_computes_there_with_one_thread() -> None:
    last = allowed()[-1]

    assert compute(cpus=str(last)) == (1, [last])


@pytest.mark.skipif(len(allowed()) < 2, reason="one thread is fewer than the CPUs of two or more")
def test_fewer_threads_than_cpus_are_placed_by_the_system_not_on_the_first_ones() -> None:
    assert compute(threads=1) == (1, sorted(allowed()))


@pytest.fixture
def half_a_cpu() -> Iterator[Path]:
    """A control group with a quota of half a CPU."""
    parents = {"cpu.max": Path("/sys/fs/cgroup"), "cpu.cfs_quota_us": Path("/sys/fs/cgroup/cpu")}
    limit, parent = next((pair for pair in parents.items() if (pair[1] / "cgroup.procs").exists()), ("", Path()))
    group = parent / f"askpix-test-{os.getpid()}"
    if not limit or not os.access(parent, os.W_OK):
        pytest.skip("no control group can be made here")
    group.mkdir()
    try:
        if not (group / limit).exists():
            pytest.skip("control groups do not limit processor time here")
        (group / limit).write_text("50000")
        yield group
    finally:
        group.rmdir()


@pytest.mark.skipif(len(allowed()) < 2, reason="one thread is fewer than the CPUs of two or more")
def test_a_control_group_of_half_a_cpu_gives_one_thread(half_a_cpu: Path) -> None:
    threads, _ = compute(group=half_a_cpu)

    assert threads == 1
