"""Asking one question of a made-up case, and making up the recordings for it."""

from __future__ import annotations

from collections.abc import Sequence

from ringscope.join import case_of
from ringscope.recording import Clock, Event, Kind, Recording, Source, Value
from ringscope.snapshot import Snapshot
from ringscope.verdicts import answers
from ringscope.verdicts.answer import Answer, Verdict

YES, NO, UNDECIDED = Verdict.YES, Verdict.NO, Verdict.UNDECIDED


def ask(question: str, *snapshots: Snapshot, recordings: Sequence[Recording] = ()) -> Answer:
    """The answer to the question with that id."""
    (found,) = (a for a in answers(case_of(snapshots, tuple(recordings))) if a.id == question)
    return found


def ring(pid: int, number: int) -> int:
    """Where ``machines.machine`` puts the ring of a process's queue."""
    return 0x7F00_0000_0000 + pid * 0x1000_0000 + number * 0x100_0000


def told(
    kind: Kind, *, at: float = 0, pid: int | None = None, clock: Clock = Clock.MONOTONIC, line: int = 1, **attrs: Value
) -> Event:
    """One event, ``at`` milliseconds."""
    return Event(round(at * 1e6), kind, attrs, Source("app.log", line), clock, pid)


def recorded(*events: Event, counters: dict[str, int] | None = None, **facts: Value) -> Recording:
    """A recording of those events."""
    return Recording("app.log", events, counters or {}, facts)


def log(streams: list[tuple[int, int, int]]) -> Recording:
    """A runtime's log: (stream, ring, HSA priority)."""
    return recorded(
        *(
            told(Kind.STREAM_CREATE, at=i, line=i + 1, stream=s, ring_base=r, priority=p)
            for i, (s, r, p) in enumerate(streams)
        )
    )


def kernels(pid: int, begin: float, end: float, count: int, busy: float = 1.0, workgroups: int = 320) -> list[Event]:
    """``count`` kernels of a process from ``begin`` to ``end`` ms, running ``busy`` of the time."""
    step = (end - begin) / count
    return [
        told(
            Kind.DISPATCH,
            at=begin + i * step,
            pid=pid,
            line=i + 1,
            begin=round((begin + i * step) * 1e6),
            end=round((begin + (i + busy) * step) * 1e6),
            grid=workgroups * 256,
            workgroup=256,
        )
        for i in range(count)
    ]
