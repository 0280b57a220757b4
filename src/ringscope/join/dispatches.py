"""Kernels as a trace shows them: who ran what, from when to when, and how many workgroups that was."""

from __future__ import annotations

from math import prod

from ringscope.recording import Event, Kind, Recording, Value
from ringscope.records import dataclass


@dataclass(frozen=True, slots=True)
class Kernel:
    """One dispatch that ran; ns of the recording's clock, ``workgroups`` None when the trace has no sizes.

    ``device`` is what the trace calls it: a gpu_id, or the number of its node (a profiler's agent).
    """

    begin_ns: int
    end_ns: int
    pid: int | None
    device: int | None
    workgroups: int | None
    event: Event


def kernels_of(recording: Recording) -> tuple[Kernel, ...]:
    """The dispatches of a recording that say when they began and ended, in order of their beginning."""
    found = []
    for event in recording.of(Kind.DISPATCH):
        begin, end = event.attrs.get("begin"), event.attrs.get("end")
        if not isinstance(begin, int) or not isinstance(end, int) or end < begin:
            continue
        gpu = event.attrs.get("gpu_id", event.attrs.get("agent"))
        workgroups = _workgroups(event.attrs.get("grid"), event.attrs.get("workgroup"))
        found.append(Kernel(begin, end, event.pid, gpu if isinstance(gpu, int) else None, workgroups, event))
    return tuple(sorted(found, key=lambda kernel: (kernel.begin_ns, kernel.end_ns)))


def _workgroups(grid: Value | None, group: Value | None) -> int | None:
    """How many workgroups a grid holds: each a number of work-items, or several as in ``1024x8x1`` or ``1024,8,1``."""
    try:
        sizes = [tuple(map(int, str(value).replace("x", ",").split(","))) for value in (grid, group)]
    except ValueError:
        return None
    if len(sizes[0]) != len(sizes[1]) or min(*sizes[0], 0) < 0 or min(sizes[1]) < 1:
        return None
    total: int = prod(-(-items // size) for items, size in zip(*sizes, strict=True))
    return total


@dataclass(frozen=True, slots=True)
class Occupation:
    """How full a stretch of time was: ``busy_ns`` with a kernel running, ``filled_ns`` workgroups for every CU."""

    span_ns: int
    busy_ns: int
    filled_ns: int

    @property
    def busy(self) -> float:
        """Share of the span with at least one kernel running."""
        return self.busy_ns / self.span_ns if self.span_ns else 0.0

    @property
    def filled(self) -> float:
        """Share of the span in which the running kernels had at least one workgroup for every CU."""
        return self.filled_ns / self.span_ns if self.span_ns else 0.0


def occupation(kernels: tuple[Kernel, ...], cus: int | None) -> Occupation:
    """Sweep over kernels of one device; ``filled_ns`` is 0 where CUs or sizes are not known.

    A kernel counts with all its workgroups as long as it runs, so that ``filled_ns`` is an upper bound.
    """
    if not kernels:
        return Occupation(0, 0, 0)
    edges = sorted(
        [(kernel.begin_ns, 1, kernel.workgroups or 0) for kernel in kernels]
        + [(kernel.end_ns, -1, -(kernel.workgroups or 0)) for kernel in kernels]
    )
    running = groups = busy = filled = 0
    last = edges[0][0]
    for time, step, workgroups in edges:
        if running:
            busy += time - last
            if cus and groups >= cus:
                filled += time - last
        running += step
        groups += workgroups
        last = time
    return Occupation(edges[-1][0] - edges[0][0], busy, filled)
