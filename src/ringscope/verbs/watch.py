"""Serves metrics of this machine's queues to Prometheus, on loopback: queues per process, slots used,
over-subscription, HIQ traffic, stuck queues.

The machine is read when a scrape asks, and never more often than --every; sysfs by anybody, debugfs by root. The HIQ's
counter rises only when queues are made, changed, evicted or gone: rate(ringscope_hiq_dwords_total[5m]).

  sudo ringscope watch --port 9470        then scrape http://127.0.0.1:9470/metrics
  sudo ringscope watch --once             one reading to the terminal, for a textfile collector
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer

from ringscope import log
from ringscope.capture.live import look
from ringscope.capture.moment import Taken
from ringscope.capture.paths import Paths
from ringscope.errors import InputError
from ringscope.join import case_of
from ringscope.join.progress import Progress
from ringscope.report import metrics
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
        log.info(f"http://{LOOPBACK}:{server.server_port}/metrics")
        server.serve_forever()
    return Result({"schema": SCHEMA}, lambda _: "")


class Machine:
    """A machine that is read again and again, and how far its queues got."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._progress: Progress | None = None

    def read(self) -> tuple[Progress, Taken]:
        """Its progress by now, and how the reading went; InputError when nothing can be read."""
        seen = look(self._paths)
        (state,) = case_of((seen.snapshot,)).states
        at = seen.taken.end.monotonic_ns
        self._progress = self._progress.then(at, state) if self._progress else Progress(at, state)
        return self._progress, seen.taken


class Watch:
    """The metrics of a machine, never renewed more often than ``every_s``."""

    def __init__(self, paths: Paths, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._machine = Machine(paths)
        self._every_s = every_s
        self._clock = clock
        self._text = ""
        self._due = float("-inf")

    def text(self) -> str:
        """The metrics; InputError when nothing can be read."""
        now = self._clock()
        if now >= self._due:
            progress, _ = self._machine.read()
            self._text = metrics.text(progress)
            self._due = now + self._every_s
        return self._text


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
