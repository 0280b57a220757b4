"""Faults on purpose: what a run is asked to break, and when.

A fault is ``KIND[@POINT:N][=VALUE]``. POINT counts what the device has seen since the run began: ``create``
(CREATE_QUEUE calls) or ``packet`` (packets taken). Without a point a fault holds from the start.

    create@create:3=ENOSPC   the third CREATE_QUEUE fails with that errno (default ENOMEM)
    doorbells=4              a process finds no doorbell for a fifth queue (EBUSY)
    sdma=1                   the device has one SDMA queue to give (ENOMEM)
    memory=2G                VRAM ends there (ENOMEM)
    evict@packet:100=50ms    the process's queues are evicted at that packet, and restored later (default 10ms)
    hang@packet:100=50ms     the firmware hangs at that packet; the GPU is reset later, and all queues are lost
    reset@packet:100         the queue that took that packet is reset
    fence=5ms                every preemption takes so much longer
    kill@create:2            the process is killed there (or at a packet)
"""

from __future__ import annotations

import errno
import re
from collections import Counter
from collections.abc import Sequence

from ringscope.errors import InputError
from ringscope.records import dataclass

KINDS = {
    "create": ("create",),
    "doorbells": (),
    "sdma": (),
    "memory": (),
    "evict": ("packet",),
    "hang": ("packet",),
    "reset": ("packet",),
    "fence": (),
    "kill": ("create", "packet"),
}
"""Each kind of fault, with the points at which it can happen (none: it holds all the time)."""

_GRAMMAR = re.compile(r"(?P<kind>[a-z]+)(?:@(?P<point>[a-z]+):(?P<count>[0-9]+))?(?:=(?P<value>[0-9A-Za-z]+))?")
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_DEFAULT_NS = 10_000_000


@dataclass(frozen=True)
class Fault:
    """One fault. ``count`` is 0 when it has no point; ``value`` is an errno, a number, bytes or nanoseconds."""

    kind: str
    point: str
    count: int
    value: int


def parse(spec: str) -> Fault:
    """A fault as the user writes it; InputError saying what is wrong."""
    where = f"--fault {spec}"
    found = _GRAMMAR.fullmatch(spec)
    if not found or found["kind"] not in KINDS:
        raise InputError("no such fault", where, f"the kinds are {', '.join(KINDS)}")
    kind, points = found["kind"], KINDS[found["kind"]]
    point, count = found["point"] or "", int(found["count"] or 0)
    if bool(points) != bool(point) or (point and point not in points):
        raise InputError("has no such point", where, f"write {kind}@{points[0]}:N" if points else f"write {kind}=VALUE")
    if point and not count:
        raise InputError("counts from 1", where)
    return Fault(kind, point, count, _value(kind, found["value"], where))


def _value(kind: str, text: str | None, where: str) -> int:
    if kind == "create":
        code = getattr(errno, text or "ENOMEM", None)
        if not isinstance(code, int):
            raise InputError(f"no errno is called {text}", where)
        return code
    if kind in ("evict", "hang", "fence"):
        return time_ns(text or "10ms", where)
    if kind in ("reset", "kill"):
        if text:
            raise InputError("takes no value", where)
        return 0
    found = re.fullmatch(r"(\d+)([KMG]?)", text or "")
    if not found or (kind != "memory" and found[2]):
        raise InputError("needs a number", where, "such as memory=2G or sdma=1")
    return int(found[1]) * _SIZES[found[2]]


def time_ns(text: str, where: str) -> int:
    """Nanoseconds of a time such as ``50ms``; InputError naming ``where`` when it is none."""
    found = re.fullmatch(r"(\d+)(ns|us|ms|s)", text)
    if not found:
        raise InputError("needs a time", where, "such as 50ms")
    return int(found[1]) * _UNITS[found[2]]


class Faults:
    """The faults of a run, and how often each point was passed."""

    def __init__(self, specs: Sequence[str] = ()) -> None:
        self._faults = [parse(spec) for spec in specs]
        self._seen: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.counts_packets = any(fault.point == "packet" for fault in self._faults)

    def limit(self, kind: str) -> int | None:
        """The value of a fault that holds all the time; None when it was not asked for."""
        return next((fault.value for fault in self._faults if fault.kind == kind and not fault.point), None)

    def pass_point(self, point: str) -> list[Fault]:
        """One more of a point: the faults that happen now."""
        self._seen[point] += 1
        due = [fault for fault in self._faults if fault.point == point and fault.count == self._seen[point]]
        for fault in due:
            self.fired[fault.kind] += 1
        return due

    def refuse(self, kind: str) -> None:
        """Note that a limit was hit."""
        self.fired[kind] += 1
