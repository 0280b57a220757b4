"""Where the time went, small enough to print: per queue the stretches in which it ran, per kernel what it took.

A trace may hold a hundred thousand kernels; a picture has a thousand columns. So kernels of one queue that overlap, or
lie closer than a picture can show, become one span with their number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ringscope.join.dispatches import kernels_of, occupation
from ringscope.recording import Event, Kind, Recording
from ringscope.records import dataclass

COLUMNS = 500
"""Columns that a picture is taken to have: gaps and kernels narrower than one are not kept apart."""

LANES = 32
"""Lanes that are kept, those that began first; the rest is counted."""

KERNELS = 20
"""Kernels that are named, those that took longest; the rest is added up."""


@dataclass
class _Cost:
    """What all runs of one kernel took, in ns."""

    count: int = 0
    total_ns: int = 0
    min_ns: int = 0
    max_ns: int = 0

    def add(self, duration_ns: int) -> None:
        self.min_ns = min(self.min_ns, duration_ns) if self.count else duration_ns
        self.max_ns = max(self.max_ns, duration_ns)
        self.count += 1
        self.total_ns += duration_ns


def lane_of(event: Event) -> str:
    """What an event ran on, in words: ``process 4242, agent 9, queue 0``; a copy's lane is the process's."""
    words = [f"process {event.pid}"] if event.pid is not None else []
    if event.kind is Kind.COPY:
        return ", ".join([*words, "copies"])
    gpu = event.attrs.get("gpu_id")
    words += [f"gpu {gpu:x}"] if isinstance(gpu, int) else []
    words += [f"{name} {event.attrs[name]}" for name in ("agent", "queue", "qid", "stream") if name in event.attrs]
    return ", ".join(words) or "kernels"


def _interval(event: Event) -> tuple[int, int] | None:
    begin, end = event.attrs.get("begin"), event.attrs.get("end")
    return (begin, end) if isinstance(begin, int) and isinstance(end, int) and begin <= end else None


def _spans(runs: Iterable[tuple[int, int, str]], column_ns: int) -> list[dict[str, Any]]:
    """Runs in order of their beginning as spans that do not overlap; a span of several runs has no name."""
    spans: list[dict[str, Any]] = []
    for begin, end, name in runs:
        last = spans[-1] if spans else None
        narrow = last is not None and min(end - begin, last["end_ns"] - last["begin_ns"]) < column_ns
        if last is not None and begin < last["end_ns"] + (column_ns if narrow else 0):
            last["end_ns"] = max(last["end_ns"], end)
            last["count"] += 1
            last["name"] = name if last["name"] == name else None
        else:
            spans.append({"begin_ns": begin, "end_ns": end, "count": 1, "name": name})
    return spans


def timeline(recording: Recording) -> dict[str, Any] | None:
    """A recording's kernels and copies in JSON types; None when none says when it began and ended.

    Times of spans are ns after ``begin_ns``, which is in the recording's clock. ``busy_ns`` of ``span_ns`` had a kernel
    running, copies apart.
    """
    lanes: dict[str, list[tuple[int, int, str]]] = {}
    costs: dict[str, _Cost] = {}
    clock = None
    for event in recording.of(Kind.DISPATCH, Kind.COPY):
        times = _interval(event)
        if times is None:
            continue
        name = str(event.attrs.get("kernel" if event.kind is Kind.DISPATCH else "direction", event.kind.value))
        clock = clock or event.clock
        lanes.setdefault(lane_of(event), []).append((*times, name))
        costs.setdefault(name, _Cost()).add(times[1] - times[0])
    if clock is None:
        return None
    first = min(begin for runs in lanes.values() for begin, _, _ in runs)
    last = max(end for runs in lanes.values() for _, end, _ in runs)
    column_ns = (last - first) // COLUMNS
    ordered = sorted(lanes.items(), key=lambda lane: (min(lane[1]), lane[0]))
    ranked = sorted(costs.items(), key=lambda cost: (-cost[1].total_ns, cost[0]))
    kernels = occupation(kernels_of(recording), None)
    return {
        "origin": recording.origin,
        "clock": clock.value,
        "begin_ns": first,
        "shown_ns": last - first,
        "span_ns": kernels.span_ns,
        "busy_ns": kernels.busy_ns,
        "lanes": [
            {
                "name": name,
                "runs": len(runs),
                "spans": _spans(sorted((b - first, e - first, what) for b, e, what in runs), column_ns),
            }
            for name, runs in ordered[:LANES]
        ],
        "more_lanes": len(ordered[LANES:]),
        "kernels": [{"name": name, **vars(cost)} for name, cost in ranked[:KERNELS]],
        "more_kernels": len(ranked[KERNELS:]),
        "more_total_ns": sum(cost.total_ns for _, cost in ranked[KERNELS:]),
    }
