"""The report live in a browser, on loopback: change processes, streams, priorities, caps, scheduler and GPU by controls
and see slots, throughput and answers follow.

Give a scenario, or a capture: its machine is shown as it was, and becomes a model once something is changed. Without
either there is a scenario to begin with. The address holds the whole scenario, so that it can be sent; whoever opens it
needs a `ringscope serve` of their own. What would take longer than a moment is simulated over a shorter time; the page
says so.

  ringscope serve examples/over-subscribed.toml
  ringscope serve bundle.tar.gz --port 8000

The address that is printed holds a token, which makes this browser known to the server; nobody else is answered.
"""

from __future__ import annotations

import argparse
import hmac
import secrets
import select
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ringscope import log
from ringscope.errors import InputError, RingscopeError
from ringscope.evidence.collect import collect
from ringscope.join import Case, case_of
from ringscope.join.queues import JoinedQueue
from ringscope.records import dataclass
from ringscope.report.controls import Bar, bar
from ringscope.report.markup import duration
from ringscope.report.page import page
from ringscope.scenario import toml
from ringscope.scenario.schema import Scenario, parse
from ringscope.scenario.variation import FILE, KERNEL, LEVELS, Variation, controls_of
from ringscope.verbs import Result
from ringscope.verbs.explain import told
from ringscope.verbs.simulate import data, explained, kernel_times, traced, warm_up
from ringscope.verdicts import answers

SCHEMA = "ringscope.serve/1"
LOOPBACK = "127.0.0.1"
PORT = 9471

BUDGET_S = 0.3
"""CPU time for one pass over a scenario; there are two, one of them traced, and then the answers."""
TRACED = 3000
"""Packets after which the traced pass stops."""
ROUGH = 20
"""Finished requests below which a kind of process's figures say little."""
STREAMS = 2000
"""Most streams that are played here: beyond them building the scenario alone takes too long."""
MOST_AT_ONCE = 2

BEGIN = """\
name = "two services"

[device]
gpu = "mi308x"

[[kernel]]
name = "attention"
workgroups = 160
duration = "200 us"
vgprs = 128

[[kernel]]
name = "decode"
workgroups = 40
duration = "20 us"

[[process]]
name = "batch"
count = 2
streams = 3
request = ["attention*8"]

[[process]]
name = "interactive"
streams = ["high"]
request = ["decode*10"]
think = "500 us"

[run]
horizon = "100 ms"
warmup = "10 ms"
seed = 7
"""
UNKNOWN = "the capture tells of no known machine that runs HIP queues"
ASSUMED = (
    f"what its streams run is assumed: kernels of {KERNEL['workgroups']} workgroups that take {KERNEL['duration']}, "
    "one after another"
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("what", type=Path, nargs="?", metavar="CAPTURE|SCENARIO.toml", help="what to begin with")
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--host", default=LOOPBACK, metavar="IP", help="address to listen at; others than loopback let others in"
    )


def run(args: argparse.Namespace) -> Result:
    """Serve until interrupted."""
    if not 0 <= args.port < 1 << 16:
        raise InputError(f"--port is {args.port}", todo="give 1 to 65535")
    desk = Desk.of(args.what)
    warm_up()
    with Server(args.host, args.port, desk) as server:
        log.info(f"open {server.address}")
        if not ip_address(args.host).is_loopback:
            log.warning("not loopback: the token and all that is shown cross the network unencrypted")
        server.serve_forever()
    return Result({"schema": SCHEMA}, lambda _: "")


class Superseded(Exception):  # noqa: N818  not an error
    """Whoever asked has gone: something newer is wanted."""


Tell = Callable[[float], None]


@dataclass(frozen=True)
class Desk:
    """What a server shows: the scenario to begin with, and the capture that it was made of, if one was given.

    ``folder`` holds the traces that the file given on the command line names; no other trace is ever opened.
    """

    variation: Variation | None
    capture: Any = None
    folder: Path | None = None

    @classmethod
    def of(cls, path: Path | None) -> Desk:
        """From a scenario, a capture, or nothing; InputError when it is neither."""
        if path is None:
            return cls(Variation(BEGIN))
        if path.suffix == ".toml" and path.is_file():
            desk = cls(Variation(toml.read(path)), folder=path.parent)
            parse(desk.begun.text, str(path), path.parent, kernel_times)
            return desk
        capture = collect([path])
        return cls(modelled(case_of(capture.snapshots, capture.recordings)), told(capture).data)

    @property
    def begun(self) -> Variation:
        """The scenario to begin with; InputError when the capture tells of no machine that is known."""
        if self.variation is None:
            raise InputError(UNKNOWN, todo="give a scenario")
        return self.variation

    def chosen(self, fields: Mapping[str, str]) -> Variation:
        """The scenario that an address asks for; InputError when it asks for none."""
        wanted = dict(fields)
        base = Variation.unpacked(wanted.pop("s")) if "s" in wanted else self.begun
        self.scenario(base)  # only what is a scenario has controls
        return base.changed(wanted)

    def scenario(self, variation: Variation) -> Scenario:
        """The scenario of a text, its streams counted."""
        scenario = parse(variation.text, FILE, self.folder or Path(), self._times)
        streams = sum(kind.count * len(kind.streams) for kind in scenario.processes)
        if streams > STREAMS:
            raise InputError(f"{streams} streams are too many here", todo=f"at most {STREAMS}; simulate takes more")
        return scenario

    def _times(self, path: Path, kernel: str) -> list[int]:
        """Traces: those that the file given at the start names, and no path that an address brings."""
        if self.folder is not None and self.variation is not None:
            for row in toml.values_of(self.variation.text, FILE).get("kernel", ()):
                for key in ("duration", "workgroup_duration"):
                    named = row.get(key)
                    if isinstance(named, dict) and "trace" in named and self.folder / named["trace"] == path:
                        return kernel_times(path, kernel)
        raise InputError(
            "names a trace, which is not opened for an address", todo="start ringscope serve with the file"
        )

    def page(self, fields: Mapping[str, str], tell: Tell) -> bytes:
        """The page that an address asks for."""
        if self.capture is not None and not fields:
            return self._captured(self.capture)
        variation = self.chosen(fields)
        result, said = played(self.scenario(variation), tell)
        return page(result, bar(self._bar(variation, said, f"/?s={variation.packed}")))

    def text(self, fields: Mapping[str, str], tell: Tell) -> bytes:
        """The scenario as it is played, for ``ringscope simulate``."""
        from ringscope.scenario.bounded import bounded  # noqa: PLC0415

        variation = self.chosen(fields)
        cut = bounded(self.scenario(variation), BUDGET_S, tell).scenario
        values = toml.values_of(variation.text, FILE)
        values["run"] |= {"horizon": f"{cut.horizon_ns} ns", "warmup": f"{cut.warmup_ns} ns"}
        values["run"]["replications"] = cut.replications
        return toml.text_of(values).encode()

    def _captured(self, capture: Mapping[str, Any]) -> bytes:
        if self.variation is None:
            return page(capture, bar(Bar("", "", (), (), (f"As captured. It cannot be played: {UNKNOWN}.",))))
        said = f"As captured. Change something, or press Simulate, to play it as a model; {ASSUMED}."
        return page(capture, bar(self._bar(self.variation, [said], "")))

    def _bar(self, variation: Variation, said: list[str], address: str) -> Bar:
        values = toml.values_of(variation.text, FILE)
        controls = controls_of(values)
        kinds = [
            (
                str(process.get("name", f"process {number + 1}")),
                [vars(control) for control in controls if control.field.startswith(f"p{number}.")],
            )
            for number, process in enumerate(values["process"])
        ]
        device = [vars(control) for control in controls if control.choices]
        return Bar(variation.packed, address, device, kinds, said, bool(self.capture and address))


def played(scenario: Scenario, tell: Tell) -> tuple[dict[str, Any], list[str]]:
    """What ``simulate --answers --json`` prints of a scenario, or of as much of it as there is time for; and that."""
    from ringscope.scenario.bounded import bounded  # noqa: PLC0415
    from ringscope.scenario.outcome import simulate  # noqa: PLC0415

    built = bounded(scenario, BUDGET_S, tell)
    outcome = simulate(built, tell)
    case = traced(built, TRACED, tell)
    found = answers(case)
    result = data(outcome) | explained(built, case, found)
    said = [f"Simulated {duration(built.scenario.horizon_ns)}."]
    if built.scenario.horizon_ns < scenario.horizon_ns:
        said = [
            f"Cut short, to answer at once: {duration(built.scenario.horizon_ns)} of the "
            f"{duration(scenario.horizon_ns)} asked for were simulated. ringscope simulate plays them all."
        ]
    elif built.scenario.replications < scenario.replications:
        said.append(f"{built.scenario.replications} of {scenario.replications} replications, to answer at once.")
    rough = [f"{share.kind.name}: {share.requests}" for share in outcome.shares if share.requests < ROUGH]
    if rough:
        said.append(f"Few requests finished, so that figures are rough ({', '.join(rough[:4])}).")
    return result, said


def modelled(case: Case) -> Variation | None:
    """The machine of a capture as a scenario; None when it is not known which machine, or nobody holds a queue.

    Alike processes become one kind. Streams are those of the logs, or one a queue where there is no log.
    """
    main = case.main
    if main is None:
        return None
    queues = [queue for queue in main.queues if queue.is_compute and queue.name.startswith("HIP")]
    device = next((device for device in main.snapshot.devices if main.on(device)), None)
    parts = main.parts(device) if device else []
    if device is None or not parts or not queues:
        return None
    held: dict[int, list[JoinedQueue]] = {}
    for queue in queues:
        if queue.gpu_id == device.gpu_id:
            held.setdefault(queue.pid, []).append(queue)
    kinds: Counter[tuple[tuple[str, ...], int]] = Counter()
    names: dict[tuple[tuple[str, ...], int], str] = {}
    for pid, mine in held.items():
        streams = [stream.queue for stream in case.streams if stream.pid == pid and stream.queue] or mine
        levels = tuple(sorted((_level(queue) for queue in streams), key=LEVELS.index))
        kind = levels, max(Counter(_level(queue) for queue in mine).values())
        kinds[kind] += 1
        names.setdefault(kind, mine[0].process.name or f"like {pid}")
    part, mode = parts[0]
    return Variation(
        toml.text_of(
            {
                "name": f"like {main.snapshot.label}"[:200],
                "device": {"gpu": part.key, "partition": mode.name.lower()},
                "kernel": [dict(KERNEL)],
                "process": [
                    {
                        "name": names[levels, cap],
                        "count": min(count, 512),
                        "streams": list(levels),
                        "hw_queues": min(cap, 64),
                        "request": [f"{KERNEL['name']}*10"],
                    }
                    for (levels, cap), count in kinds.items()
                ],
                "run": {"horizon": "50 ms", "warmup": "5 ms", "seed": 1},
            }
        )
    )


def _level(queue: JoinedQueue) -> str:
    """The stream priority behind a queue: pipes know low, medium and high."""
    return {0: "low", 2: "high"}.get(queue.pipe_priority if queue.pipe_priority is not None else 1, "normal")


class Server(ThreadingHTTPServer):
    """The server, bound: it answers whoever shows the token, under the names by which it is reached."""

    daemon_threads = True

    def __init__(self, host: str, port: int, desk: Desk) -> None:
        self.desk = desk
        self.token = secrets.token_urlsafe(24)
        self.turn = threading.Semaphore(MOST_AT_ONCE)
        try:
            version = ip_address(host).version
        except ValueError:
            raise InputError(f"--host is {host!r}", todo="give an IP address, such as 127.0.0.1") from None
        self.address_family = socket.AF_INET6 if version == 6 else socket.AF_INET
        try:
            super().__init__((host, port), Handler)
        except OSError as error:
            raise InputError(f"port {port}: {error.strerror}", todo="give another --port") from None
        name = f"[{host}]" if version == 6 else host
        names = {name, "localhost"} if ip_address(host).is_loopback else {name}
        self.hosts = {f"{one}:{self.server_port}" for one in names}
        self.address = f"http://{name}:{self.server_port}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """The cookie's name: cookies do not tell ports apart."""
        return f"ringscope-{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no news."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection. It opens no file that a request names, and changes nothing."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30
    server_version = "ringscope"
    sys_version = ""

    def do_GET(self) -> None:
        """A page, a scenario, or why not."""
        asked = urlsplit(self.path)
        try:
            fields = dict(parse_qsl(asked.query, keep_blank_values=True, max_num_fields=4000))
        except ValueError:
            self._answer(400, b"That is no address of this server.\n")
            return
        refusal = self._refusal()
        if refusal:
            self._answer(403, refusal.encode())
        elif "token" in fields:
            self._admit(fields["token"])
        elif not self._known():
            self._answer(403, b"Open the address that ringscope serve printed: it makes this browser known.\n")
        elif asked.path == "/":
            self._make(lambda tell: self.server.desk.page(fields, tell), "text/html")
        elif asked.path == "/scenario.toml":
            self._make(lambda tell: self.server.desk.text(fields, tell), "application/toml")
        else:
            self._answer(404, b"There is nothing here.\n")

    def _refusal(self) -> str:
        """Why a request is none of a user's own: another name (DNS rebinding), or another page that asks."""
        if self.headers.get("Host", "") not in self.server.hosts:
            return "This server answers to its own address only.\n"
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc not in self.server.hosts:
            return "Another page may not ask this server.\n"
        site, mode = self.headers.get("Sec-Fetch-Site", "none"), self.headers.get("Sec-Fetch-Mode", "navigate")
        if site not in ("same-origin", "none") and mode != "navigate":
            return "Another page may not ask this server.\n"
        return ""

    def _known(self) -> bool:
        try:
            morsel = SimpleCookie(self.headers.get("Cookie", "")).get(self.server.cookie)
        except CookieError:
            return False
        return morsel is not None and self._right(morsel.value)

    def _right(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.server.token.encode())

    def _admit(self, token: str) -> None:
        """The token for a cookie, so that it does not stay in the address, which is there to be sent."""
        if not self._right(token):
            self._answer(403, b"That is not this server's token.\n")
            return
        cookie = f"{self.server.cookie}={self.server.token}; HttpOnly; SameSite=Lax; Path=/"
        self._answer(303, b"", more={"Location": "/", "Set-Cookie": cookie})

    def _make(self, make: Callable[[Tell], bytes], kind: str) -> None:
        with self.server.turn:
            try:
                self._tell(0)
                body = make(self._tell)
            except Superseded:
                self.close_connection = True
                return
            except RingscopeError as error:
                self._answer(422, f"{error}\n".encode())
                return
        self._answer(200, body, kind)

    def _tell(self, _: float) -> None:
        """Is whoever asked still there? A browser that asks anew hangs up on the old question."""
        if select.select([self.connection], [], [], 0)[0] and not self.connection.recv(1, socket.MSG_PEEK):
            raise Superseded

    def _answer(
        self, status: int, body: bytes, kind: str = "text/plain", more: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": "frame-ancestors 'none'",  # the page itself holds the rest
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        for name, value in {**headers, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not news."""
