"""Runs a spec: gives the compiled engine its arrays, more room when it asks, and reads the results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ringscope.engine import core
from ringscope.engine.spec import Spec, SpecError
from ringscope.engine.state import ID_BITS, LIMIT_NS, TIME_SHIFT, Array, build

_GROWN = {core.MORE_EVENTS: "heap", core.MORE_WORKGROUPS: "workgroup", core.MORE_LOG: "log", core.MORE_TRACE: "trace"}


@dataclass(frozen=True)
class Totals:
    """What one run counted; times in nanoseconds.

    ``events`` are the ones that did something, ``stale`` those of preempted workgroups. ``busy_cu_ns`` is the time
    integral of CUs with at least one workgroup, ``slot_ns`` that of occupied slots (of one XCC).
    """

    now: int
    events: int
    stale: int
    packets: int
    workgroups: int
    preemptions: int
    saved_waves: int
    runlists: int
    rotations: int
    dropped: int
    busy_cu_ns: int
    slot_ns: int


class Engine:
    """One run, from its spec to any instant.

    The same spec and the same outside events give the same bytes, however often the run is interrupted. ``trace``
    keeps a row for every packet (:data:`ringscope.engine.state.TRACE`).
    """

    def __init__(self, spec: Spec, trace: bool = False) -> None:
        self.spec = spec
        self.state = build(spec, trace)
        self.run(0)

    @property
    def now(self) -> int:
        """Simulated nanoseconds since the start."""
        return int(self.state.g[0]["now"])

    def run(self, until_ns: int) -> None:
        """Let everything up to and including ``until_ns`` happen."""
        if not self.now <= until_ns < LIMIT_NS:
            raise SpecError(f"a run goes from {self.now} to at most {LIMIT_NS} ns; {until_ns} is outside")
        while (short := core.run(self.state, until_ns)) != core.DONE:
            self._grow(_GROWN[short])

    def _grow(self, name: str) -> None:
        old: Array = getattr(self.state, name)
        size = 2 * old.size
        if name == "workgroup" and size > 1 << ID_BITS:
            size = 1 << ID_BITS
            if old.size >= size:
                raise SpecError(f"more than {size} workgroups are running or saved at once")
        new = np.zeros(size, old.dtype)
        new[: old.size] = old
        self.state = self.state._replace(**{name: new})

    @property
    def next_event(self) -> int | None:
        """When something happens next, None if never."""
        held = int(self.state.g[0]["events_held"])
        return int(self.state.heap[0]) >> TIME_SHIFT if held else None

    @property
    def totals(self) -> Totals:
        """The counters up to now."""
        g = self.state.g[0]
        values = {name: int(g[name]) for name in Totals.__dataclass_fields__}
        values["busy_cu_ns"] += int(g["busy_cus"] * (g["now"] - g["busy_since"]))
        values["slot_ns"] += int(g["slots_used"] * (g["now"] - g["slots_since"]))
        return Totals(**values)

    @property
    def log(self) -> Array:
        """One row a finished request, in the order in which they finished."""
        return self.state.log[: int(self.state.g[0]["log_rows"])]

    @property
    def trace(self) -> Array:
        """One row a finished packet, in the order in which they finished."""
        return self.state.trace[: int(self.state.g[0]["trace_rows"])]
