"""Serves metrics of this machine's queues to Prometheus, on loopback: queues per process, slots used,
over-subscription, HIQ traffic, stuck queues.

The machine is read when a scrape asks, and never more often than --every; sysfs by anybody, debugfs by root. The HIQ's
counter rises only when queues are made, changed, evicted or gone: rate(ringscope_hiq_dwords_total[5m]).

  sudo ringscope watch --port 9470        then scrape http://127.0.0.1:9470/metrics
  sudo ringscope watch --once             one reading to the terminal, for a textfile collector
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from ringscope.capture.moment import take
from ringscope.capture.paths import Paths, line
from ringscope.errors import InputError
from ringscope.evidence.collect import collect
from ringscope.join import Case, State, case_of
from ringscope.report import metrics
from ringscope.snapshot import Snapshot
from ringscope.verbs import Result
from ringscope.verbs.capture import seconds

SCHEMA = "ringscope.watch/1"
LOOPBACK = "127.0.0.1"
PORT = 9470


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help="on 127.0.0.1 (default: %(default)s)")
    parser.add_argument("--every", default="15s", metavar="TIME", help="read at most so often (default: %(default)s)")
    parser.add_argument("--once", action="store_true", help="print one reading and end")


def run(args: argparse.Namespace) -> Result:
    """Serve until interrupted, or print once."""
    watch = Watch(Paths(), seconds(args.every))
    if args.once:
        text = watch.text()
        return Result({"schema": SCHEMA, "metrics": text}, lambda _: text)
    if not 0 <= args.port < 1 << 16:
        raise InputError(f"--port is {args.port}", todo="give 1 to 65535")
    watch.text()  # what cannot be read is found out now, not at the first scrape
    try:
        server = HTTPServer((LOOPBACK, args.port), handler(watch.text))
    except OSError as error:
        raise InputError(f"port {args.port}: {error.strerror}", todo="give another --port") from None
    with server:
        print(f"ringscope: http://{LOOPBACK}:{server.server_port}/metrics", file=sys.stderr)
        server.serve_forever()
    return Result({"schema": SCHEMA}, lambda _: "")


class Watch:
    """The last two readings of a machine, never renewed more often than ``every_s``."""

    def __init__(self, paths: Paths, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._paths = paths
        self._every_s = every_s
        self._clock = clock
        self._states: tuple[State, ...] = ()
        self._text = ""
        self._due = float("-inf")

    def text(self) -> str:
        """The metrics; InputError when nothing can be read."""
        now = self._clock()
        if now >= self._due:
            self._states = (*self._states[-1:], *case_of((self._reading(),)).states)
            self._text = metrics.text(Case(self._states))
            self._due = now + self._every_s
        return self._text

    def _reading(self) -> Snapshot:
        """The machine now. A machine that holds no queue has nothing but its topology."""
        taken = take(self._paths, "now")
        topology = self._paths.kfd / "topology"
        if not taken.files and not topology.is_dir():
            raise InputError("nothing can be read here", str(self._paths.kfd), "ringscope doctor says what is missing")
        with tempfile.TemporaryDirectory(prefix="ringscope-") as name:
            for path, data in taken.files.items():
                file = Path(name, "now", path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
            (snapshot,) = collect([name, *([topology] if topology.is_dir() else [])]).snapshots
        # An empty folder of processes leaves no file, and says that no process has the driver open.
        listed = {"proc"} if "/sys/class/kfd/kfd/proc" not in dict(taken.unread) else set()
        processes = tuple(
            replace(process, name=line(self._paths.proc / str(process.pid) / "comm")) for process in snapshot.processes
        )
        return replace(snapshot, processes=processes, sources=snapshot.sources | listed)


def handler(text: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    """A handler that serves what ``text`` returns at ``/metrics``."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            """Answer a scrape."""
            if self.path.split("?")[0] != "/metrics":
                self.send_error(404, "only /metrics is served")
                return
            try:
                body = text().encode()
            except InputError as error:
                self.send_error(503, str(error).encode("ascii", "replace").decode())
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not news."""

    return Handler
