"""Where the time went, small enough to print: per queue the stretches in which it ran, per slot whose queue it held,
per XCC how full it was, per kernel what it took.

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
"""Lanes of queues that are kept, those that began first; the rest is counted."""

SLOTS = 64
"""Slots that are kept, in their order; the rest is counted."""

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


def _slots(recording: Recording, first: int, column_ns: int) -> list[dict[str, Any]]:
    """Each slot with whom it held; a span of several stays has a name when they are one queue's."""
    stays: dict[tuple[int, int, int], list[tuple[int, int, str]]] = {}
    for stay in recording.residencies():
        stays.setdefault(stay.slot, []).append((stay.begin_ns - first, stay.end_ns - first, stay.name))
    several = len({gpu for gpu, _, _ in stays}) > 1
    return [
        {
            "name": (f"gpu {gpu:x} " if several else "") + f"pipe {pipe} queue {queue}",
            "runs": len(held),
            "spans": _spans(sorted(held), column_ns),
        }
        for (gpu, pipe, queue), held in sorted(stays.items(), key=lambda item: (item[0][0], item[0][2], item[0][1]))
    ]


def _occupancy(recording: Recording, first: int) -> list[dict[str, Any]]:
    """Per XCC ``[ns, CUs busy]`` at each moment that the recording looked, and the most of them."""
    points: dict[tuple[int, int], list[list[int]]] = {}
    for event in recording.of(Kind.OCCUPANCY):
        gpu, xcc, cus = (event.attrs.get(name, 0) for name in ("gpu_id", "xcc", "cus"))
        if isinstance(gpu, int) and isinstance(xcc, int) and isinstance(cus, int):
            points.setdefault((gpu, xcc), []).append([event.time_ns - first, cus])
    several = len({gpu for gpu, _ in points}) > 1
    return [
        {
            "name": (f"gpu {gpu:x} " if several else "") + f"XCC {xcc}",
            "most": max(cus for _, cus in shown),
            "points": shown,
        }
        for (gpu, xcc), shown in sorted(points.items())
    ]


def timeline(recording: Recording) -> dict[str, Any] | None:
    """A recording's kernels, copies, slots and CUs in JSON types; None when nothing says when it began and ended.

    Times of spans are ns after ``begin_ns``, which is in the recording's clock. ``busy_ns`` of ``span_ns`` had a kernel
    running, copies apart.
    """
    lanes: dict[str, list[tuple[int, int, str]]] = {}
    costs: dict[str, _Cost] = {}
    edges: list[int] = []
    clock = None
    for event in recording.of(Kind.DISPATCH, Kind.COPY):
        times = _interval(event)
        if times is None:
            continue
        name = str(event.attrs.get("kernel" if event.kind is Kind.DISPATCH else "direction", event.kind.value))
        clock = clock or event.clock
        edges += times
        lanes.setdefault(lane_of(event), []).append((*times, name))
        costs.setdefault(name, _Cost()).add(times[1] - times[0])
    for stay in recording.residencies():
        clock = clock or stay.event.clock
        edges += (stay.begin_ns, stay.end_ns)
    if clock is None:
        return None
    first, last = min(edges), max(edges)
    column_ns = (last - first) // COLUMNS
    slots = _slots(recording, first, column_ns)
    devices = {word for name in lanes for word in name.split(", ") if word.startswith("gpu ")}
    same = devices.pop() if len(devices) == 1 else None  # which one is no news then
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
        "occupancy": _occupancy(recording, first),
        "slots": slots[:SLOTS],
        "more_slots": len(slots[SLOTS:]),
        "lanes": [
            {
                "name": ", ".join(word for word in name.split(", ") if word != same) or name,
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
