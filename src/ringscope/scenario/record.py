"""A simulated run as a Recording: what a profiler and the driver's log of it would hold, for verdicts and reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ringscope.engine.codes import MAPPED, SAVING, UNMAPPED
from ringscope.engine.run import Engine
from ringscope.engine.spec import Change, Op, Spec
from ringscope.engine.state import WAVES_SHIFT
from ringscope.recording import Clock, Event, Kind, Recording, Source, Value
from ringscope.records import dataclass
from ringscope.scenario.build import Built
from ringscope.scenario.units import spoken

WORKGROUP = 64
"""Work-items of a modelled wave, by which grids are given: only the number of workgroups is modelled."""
_CHANGES = {
    Change.CREATE: Kind.QUEUE_CREATE,
    Change.DESTROY: Kind.QUEUE_DESTROY,
    Change.UPDATE: Kind.QUEUE_UPDATE,
    Change.EVICT: Kind.QUEUE_EVICT,
    Change.RESTORE: Kind.QUEUE_RESTORE,
}


@dataclass(frozen=True)
class Names:
    """What a run's queues and slots are called: ``(pid, qid)`` of each queue, ``(pipe, queue)`` of each slot.

    A recording that ends before ``horizon_ns`` says so.
    """

    origin: str
    gpu_id: int
    queues: tuple[tuple[int, int], ...]
    slots: tuple[tuple[int, int], ...]
    horizon_ns: int = 0

    @classmethod
    def of(cls, built: Built) -> Names:
        """Those of a scenario."""
        queues = tuple((queue.home.process.pid, queue.qid) for queue in built.queues)
        return cls(built.scenario.name, built.node.gpu_id, queues, built.slots, built.scenario.horizon_ns)


@dataclass(frozen=True)
class Fullness:
    """How full an XCC was at a moment: CUs with a workgroup on them, and waves."""

    at_ns: int
    xcc: int
    cus: int
    waves: int

    @classmethod
    def of(cls, engine: Engine) -> tuple[Fullness, ...]:
        """Of every XCC, now."""
        machine, cu = (
            engine.spec.machine,
            engine.state.cu.reshape(engine.spec.machine.xccs, len(engine.spec.machine.cus), -1),
        )
        real = np.arange(cu.shape[2]) < np.array(machine.cus)[:, None]
        used = np.where(real, machine.cu.waves - (cu >> WAVES_SHIFT & 0xFF), 0)
        return tuple(
            cls(engine.now, xcc, int((used[xcc] > 0).sum()), int(used[xcc].sum())) for xcc in range(machine.xccs)
        )


def recording(names: Names, engine: Engine, fullness: Iterable[Fullness] = ()) -> Recording:
    """What happened in a run with ``trace=True``, in order of completion, and what was counted.

    A dispatch begins with its first workgroup and ends with its last; times are simulated ns. Beside every finished
    dispatch and copy there are the changes of queues, runlists, who got which slot when, and ``fullness``.
    ``runlists`` and ``queue-changes`` are counters, too.
    """
    told = sorted(
        [
            *_work(names, engine),
            *_changes(names, engine.spec, engine.now),
            *_slots(names, engine),
            *_full(names, fullness),
        ],
        key=lambda item: item[0],
    )
    events = tuple(
        Event(at, kind, attrs, Source(names.origin, line), Clock.SIMULATED, pid)
        for line, (_, at, kind, attrs, pid) in enumerate(told, 1)
    )
    counters = {
        "dispatches": sum(event.kind is Kind.DISPATCH for event in events),
        "runlists": engine.totals.runlists,
        "queue-changes": sum(control.at_ns <= engine.now for control in engine.spec.controls),
    }
    notes: tuple[str, ...] = ()
    if engine.now < names.horizon_ns:
        notes = (f"{names.origin}: traced to {spoken(engine.now)} of {spoken(names.horizon_ns)}, not to its end",)
    return Recording(names.origin, events, counters, notes=notes)


_Told = tuple[int, int, Kind, dict[str, Value], int | None]
"""When it was over, when it began, what it was, its attributes, its process."""


def _work(names: Names, engine: Engine) -> Iterator[_Told]:
    for packet, queue, sent, _, begin, end in engine.trace.tolist():
        row = engine.state.packet[packet]
        op = Op(int(row["op"]))
        if op not in (Op.DISPATCH, Op.COPY):
            continue
        pid, qid = names.queues[queue]
        attrs: dict[str, Value] = {"qid": qid, "gpu_id": names.gpu_id, "begin": begin, "end": end}
        attrs |= {"dispatch": sent, "complete": end}
        sdma = engine.spec.queues[queue].sdma_engine
        if op is Op.DISPATCH:
            attrs |= {"grid": int(row["workgroups"]) * WORKGROUP, "workgroup": WORKGROUP}
        elif sdma is not None:
            attrs["engine"] = sdma
        yield end, begin, Kind.DISPATCH if op is Op.DISPATCH else Kind.COPY, attrs, pid


def _changes(names: Names, spec: Spec, now_ns: int) -> Iterator[_Told]:
    for control in spec.controls:
        if control.at_ns <= now_ns:
            pid, qid = names.queues[control.queue]
            attrs: dict[str, Value] = {"qid": qid, "gpu_id": names.gpu_id}
            yield control.at_ns, control.at_ns, _CHANGES[control.change], attrs, pid


def _slots(names: Names, engine: Engine) -> Iterator[_Told]:
    """Queues that come into slots and leave them, and runlists; a save that the run's end cut off has no end."""
    came: dict[int, tuple[int, int]] = {}
    saving: dict[int, int] = {}

    def told(kind: Kind, queue: int, slot: int, begin: int, end: int) -> _Told:
        (pid, qid), (pipe, place) = names.queues[queue], names.slots[slot]
        attrs: dict[str, Value] = {"qid": qid, "gpu_id": names.gpu_id, "pipe": pipe, "queue": place}
        return begin, begin, kind, attrs | {"duration_ns": end - begin}, pid

    running = set()
    for at, queue, slot, state in engine.residence.tolist():
        if queue < 0:
            yield at, at, Kind.RUNLIST, {"gpu_id": names.gpu_id}, None
        elif state == SAVING:
            saving[queue] = at
        elif state == UNMAPPED:
            _, where = came.pop(queue)
            running.discard(queue)
            yield told(Kind.QUEUE_UNMAP, queue, where, saving.pop(queue, at), at)
        else:
            since, _ = came.setdefault(queue, (at, slot))
            if state == MAPPED:
                running.add(queue)
                yield told(Kind.QUEUE_MAP, queue, slot, since, at)
    for queue, (since, slot) in came.items():
        if queue not in running:
            yield told(Kind.QUEUE_MAP, queue, slot, since, engine.now)
        if queue in saving:
            yield told(Kind.QUEUE_UNMAP, queue, slot, saving[queue], engine.now)


def _full(names: Names, fullness: Iterable[Fullness]) -> Iterator[_Told]:
    for one in fullness:
        attrs: dict[str, Value] = {"gpu_id": names.gpu_id, "xcc": one.xcc, "cus": one.cus, "waves": one.waves}
        yield one.at_ns, one.at_ns, Kind.OCCUPANCY, attrs, None
