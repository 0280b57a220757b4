"""A simulated run as a Recording: what a profiler and the driver's log of it would hold, for verdicts and reports."""

from __future__ import annotations

from ringscope.engine.run import Engine
from ringscope.engine.spec import Op
from ringscope.recording import Clock, Event, Kind, Recording, Source, Value
from ringscope.scenario.build import Built

WORKGROUP = 64
"""Work-items of a modelled wave, by which grids are given: only the number of workgroups is modelled."""


def recording(built: Built, engine: Engine) -> Recording:
    """Every finished dispatch and copy of a run with ``trace=True``, in order of completion, and what was counted.

    A dispatch begins with its first workgroup and ends with its last; times are simulated ns. ``runlists`` and
    ``queue-changes`` are counters: the engine counts them and keeps no times.
    """
    gpu = built.node.gpu_id
    events: list[Event] = []
    for row in engine.trace:
        packet = engine.state.packet[int(row["packet"])]
        op = Op(int(packet["op"]))
        if op not in (Op.DISPATCH, Op.COPY):
            continue
        queue = built.queues[int(row["queue"])]
        begin, end = int(row["first"]), int(row["done"])
        attrs: dict[str, Value] = {"qid": queue.qid, "gpu_id": gpu, "begin": begin, "end": end}
        attrs |= {"dispatch": int(row["sent"]), "complete": end}
        if op is Op.DISPATCH:
            attrs |= {"grid": int(packet["workgroups"]) * WORKGROUP, "workgroup": WORKGROUP}
        kind = Kind.DISPATCH if op is Op.DISPATCH else Kind.COPY
        source = Source(built.scenario.name, len(events) + 1)
        events.append(Event(begin, kind, attrs, source, Clock.SIMULATED, queue.home.process.pid))
    dispatches = sum(event.kind is Kind.DISPATCH for event in events)
    counters = {
        "dispatches": dispatches,
        "runlists": engine.totals.runlists,
        "queue-changes": sum(control.at_ns <= engine.now for control in built.spec.controls),
    }
    return Recording(built.scenario.name, tuple(events), counters)
