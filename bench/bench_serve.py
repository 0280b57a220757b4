"""A change on the served page: from the question to the whole answer, beside a server that only sends as many bytes.

The peer is ``http.server`` with a page of the same size in its hand; what is over it is simulating, tracing, answering
and writing the page. A goal of the page is that a change is seen within a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from bench import Row
from ringscope.scenario.variation import Variation
from ringscope.verbs.serve import BEGIN, Desk, Server
from ringscope.verbs.simulate import warm_up

EXAMPLES = Path(__file__).parents[1] / "examples"
CHANGES = (
    "p0.count=1", "p0.count=4", "p0.high=1", "p0.low=2", "p0.hw_queues=1", "p0.hw_queues=8", "rocm=6.1",
    "scheduler=nocpsch", "gpu=mi300x", "gpu=mi300a", "gpu=mi210", "partition=cpx",
)  # fmt: skip
TIMES = 2
GOAL_MS = 1000


@contextmanager
def _answering(server: HTTPServer) -> Iterator[int]:
    with server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _asked(port: int, path: str, headers: dict[str, str]) -> tuple[float, float, int, int]:
    """Milliseconds (and those of CPU time, both ends), status and bytes of a question on a connection of its own."""
    begun, worked = time.perf_counter(), time.process_time()
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return (time.perf_counter() - begun) * 1e3, (time.process_time() - worked) * 1e3, answer.status, len(body)


def _bare(port_bytes: int) -> float:
    """Milliseconds of the peer in the median."""
    body = b"x" * port_bytes

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with _answering(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        return median(_asked(port, "/", {})[0] for _ in range(50))


def run() -> list[Row]:
    warm_up()
    rows = []
    texts = {"two services (the one it begins with)": BEGIN}
    texts |= {path.stem: path.read_text() for path in (EXAMPLES / "over-subscribed.toml", EXAMPLES / "gangs.toml")}
    server = Server("127.0.0.1", 0, Desk.of(None))
    with _answering(server) as port:
        known = {"Host": f"127.0.0.1:{port}", "Cookie": f"{server.cookie}={server.token}"}
        for name, text in texts.items():
            state = Variation(text).packed
            taken, worked, sizes, refused = [], [], [], 0
            for change in CHANGES:
                asked = [_asked(port, f"/?s={state}&{change}", known) for _ in range(TIMES)]
                refused += asked[0][2] != 200
                if asked[0][2] == 200:
                    taken.append(min(ms for ms, *_ in asked))
                    worked.append(min(ms for _, ms, *_ in asked))
                    sizes.append(asked[0][3])
            bare = _bare(int(median(sizes)))
            refusals = f", {refused} refused" if refused else ""
            rows.append(
                Row(
                    f"{name}: {len(taken)} changes{refusals}",
                    f"median {median(taken):.0f} ms, max {max(taken):.0f} ms",
                    f"http.server {bare:.1f} ms",
                    f"{median(taken) / bare:.0f} x",
                    f"max < {GOAL_MS} ms",
                )
            )
            rows.append(Row(f"{name}: CPU time", f"median {median(worked):.0f} ms, max {max(worked):.0f} ms"))
            rows.append(Row(f"{name}: the page", f"{median(sizes) / 1000:.0f} kB, at most {max(sizes) / 1000:.0f} kB"))
    return rows
