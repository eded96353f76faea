"""What fetching costs: run `python bench/fetch.py [--images N] [--hosts N]`.

A web server of its own answers each request after 100 ms. Load threads, as a worker has them, fetch small images from
it (JPEG, 320x240); by turns they decode them too, for an engine that does nothing, and have them decoded in processes
of their own. What these and the server need, on the same cores, is not counted as processor time, but it is in the way.
In the last forms, hosts that never answer are asked at the same time, and nothing is known of any host before.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from blip.machine import described
from PIL import Image

from askpix.worker.access import Access
from askpix.worker.hosts import Hosts
from askpix.worker.image_form import ImageForm
from askpix.worker.images.fetch import Fetcher, host_of
from askpix.worker.images.fetch_rules import FetchRules
from askpix.worker.load_threads import LoadThreads
from askpix.worker.loading import Loader

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "fetch.json"
LATENCY_SECONDS = 0.1
FORM = ImageForm(width=384, height=384, resample="bicubic")
THREADS = 64
PROCESSES = 2
BESET = {"beside a silent host": 1, "among 100 silent hosts": 100}
"""Of hosts that never answer, in these forms; each has 50 images that come before all others."""

HERE = "fetched and decoded"
UNDER_WAY = 768
"""Images that threads are given before the first of them are done: three parts of 256."""

RATE_FLOOR, CORE_CEILING = 300, 0.6
"""Images a second at least, and the share of a core that fetching so many may take."""


class Nothing:
    """An engine that takes images, and does nothing with them."""

    image_form = FORM

    def open_image(self, pixels: object) -> object:
        return pixels


def picture() -> bytes:
    path = min((ROOT / "demo" / "images").glob("*.jpg"))
    data = io.BytesIO()
    with Image.open(path) as image:
        image.resize((320, 240)).save(data, "JPEG", quality=85)
    return data.getvalue()


def serve() -> None:
    """Answers at a free port of 127.0.0.0/8, which it prints, until its input ends."""
    body = picture()
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    class Page(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = transport
            self._had = b""

        def data_received(self, data: bytes) -> None:
            *asked, self._had = (self._had + data).split(b"\r\n\r\n")
            for _ in asked:
                asyncio.get_running_loop().call_later(LATENCY_SECONDS, self._transport.write, answer)

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Page, "0.0.0.0", 0, backlog=1_000)
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)

    asyncio.run(run())


@contextmanager
def server() -> Iterator[int]:
    """Yields the port of a server."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline())
        process.stdin.close()


def urls(count: int, hosts: int, port: int) -> Iterator[str]:
    for number in range(count):
        yield f"http://host-{number % hosts}.test:{port}/{number}.jpg"


def turn(load: Callable[[str], object], images: Iterator[str], threads: LoadThreads) -> tuple[int, float, float]:
    """Has all images loaded; returns how many there were, in how many seconds, and of a processor's."""
    room, ended = threading.Semaphore(UNDER_WAY), threading.Semaphore(0)

    def task(url: str) -> None:
        try:
            problem = load(url)
            assert problem is None, problem
            threads.judge(host_of(url), None)
        finally:
            room.release()
            ended.release()

    count, began, used = 0, time.monotonic(), time.process_time()
    for url in images:
        room.acquire()
        threads.put(lambda url=url: task(url), host_of(url))
        count += 1
    for _ in range(count):
        ended.acquire()
    return count, time.monotonic() - began, time.process_time() - used


def beset(hosts: int, loader: Loader, port: int) -> LoadThreads:
    """Returns threads that have images of hosts to load that never answer."""
    threads = LoadThreads(Hosts(places=THREADS, patience=30))

    def task(url: str) -> None:
        # As a worker does.
        if threads.refusal(host_of(url)) is None:
            threads.judge(host_of(url), loader.load(url, Nothing()).facts.problem)

    for number in range(hosts * 50):
        url = f"http://silent-{number % hosts}.test:{port}/"
        threads.put(lambda url=url: task(url), host_of(url))
    return threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=3_000, help="in each turn")
    parser.add_argument("--hosts", type=int, default=4, help="that they are on")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return

    look_up = socket.getaddrinfo
    socket.getaddrinfo = lambda _, *given, **named: look_up("127.0.0.1", *given, **named)
    access, rules = Access.of(networks=["127.0.0.0/8"]), FetchRules(connections=THREADS)
    loader, fetcher = Loader(access, rules), Fetcher(access, rules)
    threads = LoadThreads(Hosts(places=THREADS))
    apart = Loader(access, rules, decode_processes=PROCESSES)
    loads = {
        "fetched": lambda url: fetcher.fetch(url) and None,
        HERE: lambda url: loader.load(url, Nothing()).facts.problem,
        "decoded apart": lambda url: apart.load(url, Nothing()).facts.problem,
    }
    loads.update(dict.fromkeys(BESET, loads[HERE]))
    rounds: list[dict[str, dict[str, float]]] = []
    with server() as port, socket.create_server(("127.0.0.1", 0), backlog=1_000) as silent:
        silent_port = silent.getsockname()[1]
        for load in loads.values():
            turn(load, urls(500, options.hosts, port), threads)
        for _ in range(options.rounds):
            rounds.append({})
            for name, load in loads.items():
                own = beset(BESET[name], loader, silent_port) if name in BESET else threads
                count, seconds, used = turn(load, urls(options.images, options.hosts, port), own)
                if own is not threads:
                    own.close()
                rounds[-1][name] = {"rate": count / seconds, "processor_ms": 1000 * used / count}
                print(f"{name}: {count / seconds:.0f} images/s, {1000 * used / count:.2f} ms of a processor each")
    threads.close()
    apart.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    core = RATE_FLOOR * statistics.median(one["fetched"]["processor_ms"] for one in rounds) / 1000
    rate = statistics.median(one["decoded apart"]["rate"] for one in rounds)
    print(f"fetched and decoded as a worker does: {rate:.0f} images/s ({RATE_FLOOR} at least)")
    ratios = {
        name: statistics.median(one[name]["rate"] / one[HERE]["rate"] for one in rounds)
        for name in ("decoded apart", *BESET)
    }
    print(f"that is {ratios['decoded apart']:.2f} of decoding here instead of in {PROCESSES} processes apart")
    for name in BESET:
        print(f"{name}, decoding here: {ratios[name]:.2f}")
    print(f"fetching {RATE_FLOOR} a second: {core:.0%} of a core ({CORE_CEILING:.0%} at the most); peak {peak:.0f} MB")
    result = {
        "machine": described(),
        "images": options.images,
        "hosts": options.hosts,
        "rounds": rounds,
        "rate": rate,
        "ratios": ratios,
        "core": core,
        "peak_mb": peak,
    }
    if (options.images, options.hosts) == (3_000, 4):
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
