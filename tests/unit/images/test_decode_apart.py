"""Decoding in processes of their own: as in the worker's, but what goes wrong there stays there."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from helpers import pictures
from helpers.processes import wait_until

from askpix.worker.image_form import ImageForm
from askpix.worker.images import apart
from askpix.worker.images.apart import DecodeProcesses
from askpix.worker.images.decode import decode
from askpix.worker.images.decoder import Decoder
from askpix.worker.item_errors import ImageError
from askpix.worker.memory_room import Room
from askpix.worker.stopwatch import Stopwatch

FORM = ImageForm(width=60, height=40, resample="bicubic")
AS_IT_IS = ImageForm(width=None, height=None, resample="bicubic")
POISONED = Path(__file__).parents[2] / "faults" / "poisoned"


def _processes(number: int = 1, seconds: float = 30) -> DecodeProcesses:
    return DecodeProcesses(number, seconds, room=Room(256_000_000), stopwatch=Stopwatch())


@pytest.fixture
def processes() -> Iterator[DecodeProcesses]:
    processes = _processes()
    yield processes
    processes.close()


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the next processes fail over images with certain ends."""
    monkeypatch.setenv("PYTHONPATH", str(POISONED))


def _error(processes: DecodeProcesses | Decoder, data: bytes, form: ImageForm = FORM) -> ImageError:
    with pytest.raises(ImageError) as raised:
        processes.decode(data, form)
    return raised.value


@pytest.mark.parametrize("form", [FORM, AS_IT_IS], ids=["resized", "as it is"])
def test_what_is_decoded_apart_is_the_same(processes: DecodeProcesses, form: ImageForm) -> None:
    for data in (pictures.jpeg(), pictures.exif_rotated_jpeg(), pictures.transparent_palette_png()):
        apart, here = processes.decode(data, form), decode(data, form)
        assert np.array_equal(apart.pixels, here.pixels)
        assert (apart.width, apart.height) == (here.width, here.height)


@pytest.mark.parametrize("data", [b"", b"text", pictures.truncated_jpeg()], ids=["nothing", "text", "half a JPEG"])
def test_what_cannot_be_decoded_has_the_same_code(processes: DecodeProcesses, data: bytes) -> None:
    with pytest.raises(ImageError) as raised:
        decode(data, FORM)
    error = _error(processes, data)
    assert (error.code, error.message, error.retryable) == (
        raised.value.code,
        raised.value.message,
        raised.value.retryable,
    )


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize(
    ("end", "code", "words", "retryable"),
    [
        ("#crash", "decoder_died", "SIGSEGV", False),
        ("#exit", "decoder_died", "exit code 1", False),
        ("#slow", "decoder_died", "exit code 1", False),
        # Twice, as others may have meant the process.
        ("#killed", "out_of_memory", "the system ended", True),
        ("#spin", "decode_timeout", "far longer", False),
    ],
)
def test_the_end_of_a_decoder_costs_one_image(end: str, code: str, words: str, retryable: bool) -> None:
    processes = _processes()
    error = _error(processes, pictures.jpeg() + end.encode())
    assert (error.code, error.retryable) == (code, retryable)
    assert words in error.message
    assert processes.decode(pictures.jpeg(), FORM).pixels.shape == (40, 60, 3)
    processes.close()


@pytest.mark.usefixtures("poisoned")
def test_a_decoder_that_has_to_be_ended_has_not_run_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_DYING_SECONDS", 0.1)
    processes = _processes()
    error = _error(processes, pictures.jpeg() + b"#linger")
    assert (error.code, error.retryable) == ("decoder_died", False)
    assert "had to be ended" in error.message
    assert processes.decode(pictures.jpeg(), FORM).pixels.shape == (40, 60, 3)
    processes.close()


@pytest.mark.usefixtures("poisoned")
def test_an_image_that_hangs_is_given_up() -> None:
    processes = _processes(seconds=1)
    error = _error(processes, pictures.jpeg() + b"#hang")
    assert (error.code, error.retryable) == ("decode_timeout", False)
    processes.close()


def test_an_image_that_takes_more_memory_than_its_size_calls_for_is_given_up(processes: DecodeProcesses) -> None:
    # Given 60 KB of text chunks that unpack to 190 MB of letters that take four bytes each
    chunk = zlib.compress(("\U0001f300" + "x" * 1_000_000).encode(), 9)
    data = pictures.one_pixel_png()
    texts = b"".join(_chunk(b"iTXt", b"%d\0\1\0\0\0" % key + chunk) for key in range(60))
    bomb = data[:33] + texts + data[33:]

    # Then
    error = _error(processes, bomb)
    assert (error.code, error.retryable) == ("out_of_memory", True)
    assert processes.decode(pictures.jpeg(), FORM).pixels.shape == (40, 60, 3)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_large_images_wait_for_each_other() -> None:
    # Given two processes, and room for one large image
    room = Room(40_000_000)
    processes = DecodeProcesses(2, 30, room=room, stopwatch=Stopwatch())
    large = pictures.encoded(pictures.product().resize((3_000, 3_000)), "PNG", compress_level=1)
    room.take(30_000_000)
    ended = threading.Semaphore(0)

    def decode_one() -> None:
        assert processes.decode(large, FORM).width == 3_000
        ended.release()

    threads = [threading.Thread(target=decode_one) for _ in range(2)]
    for thread in threads:
        thread.start()

    # Then none goes on before there is room; and a small one needs none
    wait_until(lambda: len(room._order) == 2, within=20, what="both asking for memory")
    assert not ended.acquire(blocking=False)
    room.give_back(30_000_000)
    assert all(ended.acquire(timeout=20) for _ in range(2))
    for thread in threads:
        thread.join()
    room.take(40_000_000)
    assert processes.decode(pictures.jpeg(), FORM).width == 260
    processes.close()


def test_a_process_that_has_grown_makes_way_for_another(processes: DecodeProcesses) -> None:
    large = pictures.encoded(pictures.product().resize((3_800, 3_800)), "WEBP", lossless=True, method=0)
    for _ in range(3):
        assert processes.decode(large, FORM).width == 3_800
        # Whether it has grown is up to the C library; what it has, it does not keep.
        pid = _pid(processes)
        assert pid is None or _kept_mb(pid) < 140


def test_processes_end_when_their_worker_does() -> None:
    code = (
        "import os, signal\n"
        "from askpix.worker.images.apart import DecodeProcesses\n"
        "from askpix.worker.memory_room import Room\n"
        "from askpix.worker.stopwatch import Stopwatch\n"
        "processes = DecodeProcesses(1, 30, room=Room(1), stopwatch=Stopwatch())\n"
        "print(processes._idle.queue[-1]._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], stdout=subprocess.PIPE, text=True)
    assert done.returncode == -9
    wait_until(lambda: not Path(f"/proc/{int(done.stdout)}").exists(), within=20, what="its end")


def _pid(processes: DecodeProcesses) -> int | None:
    process = processes._idle.queue[-1]
    return None if process is None else process._process.pid


def _kept_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@pytest.mark.parametrize("processes", [0, 1])
def test_both_ways_of_decoding_give_the_same(processes: int) -> None:
    decoder = Decoder(processes, 30, stopwatch=Stopwatch())
    assert np.array_equal(decoder.decode(pictures.jpeg(), FORM).pixels, decode(pictures.jpeg(), FORM).pixels)
    decoder.close()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_process_that_was_ended_by_others_blames_no_image(processes: DecodeProcesses, ending: int) -> None:
    processes.decode(pictures.jpeg(), FORM)
    pid = _pid(processes)
    assert pid is not None
    os.kill(pid, ending)
    assert processes.decode(pictures.jpeg(), FORM).width == 260


def test_no_image_gets_the_answer_to_another(processes: DecodeProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: an answer that could not be read, as there was no memory for it
    def fail(*_: object) -> None:
        raise MemoryError

    other = pictures.encoded(pictures.product().resize((700, 500)))
    with monkeypatch.context() as patched:
        patched.setattr(Connection, "recv_bytes", fail)
        with pytest.raises(MemoryError):
            processes.decode(other, FORM)

    # Then
    assert processes.decode(pictures.jpeg(), FORM).width == 260
