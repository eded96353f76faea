"""What `make audit` finds fails a build; that nobody could be asked is said, and does not."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]

FAULT = {
    "id": "PYSEC-2026-1",
    "summary": "tells strangers the time",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "six", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
            "versions": ["1.17.0"],
        }
    ],
}


@contextmanager
def advisories(faulty: str | None) -> Iterator[str]:
    """A server that is asked about packages in the way of osv.dev, and knows a fault of one of them."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(query["package"]["name"])
            body = json.dumps({"vulns": [FAULT]} if asked[-1] == faulty else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()
    thread.join()
    assert faulty is None or {"celery", "torch", "flower", "pytest", "botocore"} <= set(asked)


def audit(tmp_path: Path, url: str) -> tuple[int, str]:
    command = [sys.executable, ROOT / "deploy" / "audit.py", "-s", "osv", "--osv-url", url]
    done = subprocess.run([*command, "--cache-dir", tmp_path], capture_output=True, text=True)
    return done.returncode, done.stderr


def test_a_fault_that_is_known_fails(tmp_path: Path) -> None:
    with advisories("six") as url:
        code, said = audit(tmp_path, url)

    assert code == 1
    assert said == "1 known faults:\nsix 1.17.0: PYSEC-2026-1, mended in 99.0\n"


def test_where_none_is_known_all_is_well(tmp_path: Path) -> None:
    with advisories(None) as url:
        code, said = audit(tmp_path, url)

    assert code == 0
    assert said.startswith("no known fault in ")


def test_where_nobody_can_be_asked_it_says_so_and_fails_nothing(tmp_path: Path) -> None:
    code, said = audit(tmp_path, "http://127.0.0.1:9/v1/query")

    assert code == 0
    assert said.startswith("NOT AUDITED: ")


def test_a_fault_of_pip_audit_s_own_is_no_clean_bill(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "deploy" / "audit.py", "--no-such-option"]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 2
    assert "pip-audit failed" in done.stderr
