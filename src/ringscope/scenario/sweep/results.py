"""What a point of a sweep gives: numbers worked out of what its runs left, for many points at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ringscope.engine.state import PARTS, Array
from ringscope.records import dataclass
from ringscope.scenario.build import Built
from ringscope.scenario.outcome import Outcome
from ringscope.scenario.schema import Scenario

OVERALL = (
    "requests_per_s",
    "requests",
    "mean_ns",
    "p50_ns",
    "p90_ns",
    "p99_ns",
    "max_ns",
    "cu_busy",
    "slots_used",
    "compute_queues",
    "oversubscribed",
    "runlists",
    "rotations",
    "preemptions",
    "events",
)
"""Results of all processes together: requests finished after the warm-up, their latency, what the device did.

Means over replications where there are several; ``cu_busy`` is a share, ``oversubscribed`` 0 or 1. Then follow the
shares of a request's mean latency, ``host_share`` to ``run_share``.
"""
EACH = ("requests_per_s", "mean_ns", "p50_ns", "p99_ns")
"""Results of the processes of one kind, where the scenario has several."""
_COUNTED = ("busy_cu_ns", "slot_ns", "runlists", "rotations", "preemptions", "events")

Columns = dict[str, Sequence[Any] | Array]
"""A table: by name, a value a point; None where there is none, in an array of numbers NaN."""


class Runs(NamedTuple):
    """What runs left: by :data:`_COUNTED` and run what each counted; finished requests, run after run; their ends."""

    counted: dict[str, Array]
    log: Array
    ends: Array

    @classmethod
    def of(cls, g: Array, log: Array, ends: Array) -> Runs:
        """From the global row of every run, the logs one after another, and where each of them ends."""
        counted = {name: g[name].astype(np.int64) for name in _COUNTED}
        counted["busy_cu_ns"] += g["busy_cus"] * g["now"]
        counted["slot_ns"] += g["slots_used"] * g["now"]
        return cls(counted, log, ends)


@dataclass(frozen=True)
class Asked:
    """What of a point has to be known to read its runs.

    ``threads`` are the first host thread of each kind of processes, and the one after its last.
    """

    horizon_ns: int
    warmup_ns: int
    replications: int
    compute_units: int
    compute_queues: int
    oversubscribed: bool
    threads: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, scenario: Scenario, built: Built) -> Asked:
        """Of a scenario; ``built`` may be another's that has the same queues and threads."""
        ranges, members = [], iter(built.members)
        for kind in scenario.processes:
            mine = [next(members).threads for _ in range(kind.count)]
            ranges.append((mine[0].start, mine[-1].stop))
        return cls(
            scenario.horizon_ns,
            scenario.warmup_ns,
            scenario.replications,
            built.spec.machine.compute_units,
            sum(queue.is_compute for queue in built.queues),
            bool(built.limits),
            tuple(ranges),
        )


def names(kinds: Sequence[str]) -> tuple[str, ...]:
    """The results of a scenario with these kinds of processes, in order."""
    each = (f"{kind}.{name}" for kind in kinds for name in EACH) if len(kinds) > 1 else ()
    return (*OVERALL, *(f"{part}_share" for part in PARTS), *each)


def results(outcome: Outcome) -> dict[str, Any]:
    """What :func:`names` says, of one outcome."""
    scenario = outcome.built.scenario
    counted = {name: np.array([getattr(totals, name) for totals in outcome.totals]) for name in _COUNTED}
    runs = Runs(counted, np.concatenate(outcome.logs), np.cumsum([len(log) for log in outcome.logs]))
    found = read_out([Asked.of(scenario, outcome.built)], runs, [kind.name for kind in scenario.processes])
    return first(found)


def first(rows: Mapping[str, Sequence[Any] | Array]) -> dict[str, Any]:
    """The first of some rows, in Python's own types."""
    return {name: plain(values[0]) for name, values in rows.items()}


def plain(value: Any) -> Any:
    """A number of an array as Python's own, NaN as None; anything else as it is."""
    if isinstance(value, np.float64):
        return None if np.isnan(value) else float(value)
    return value


def read_out(points: Sequence[Asked], runs: Runs, kinds: Sequence[str]) -> dict[str, Array]:
    """The results of all points; each has as many runs as replications, one after another."""
    replications = np.array([point.replications for point in points])
    point_of = np.repeat(np.arange(len(points)), replications)
    run = np.repeat(np.arange(len(point_of)), np.diff(runs.ends, prepend=0))
    counted = runs.log["done"] > np.array([point.warmup_ns for point in points])[point_of][run]
    log, run = runs.log[counted], run[counted]
    horizon_ns = np.array([point.horizon_ns for point in points])
    seconds = (horizon_ns - np.array([point.warmup_ns for point in points])) / 1e9

    def mean(values: Array) -> Array:
        """Of a number a run, by point."""
        if len(values) == len(points):
            return values.astype(float)
        cuts = np.cumsum(replications)[:-1]
        return np.array([math.fsum(part) / len(part) for part in np.split(values, cuts)])

    def latencies(log: Array, run: Array) -> tuple[dict[str, Array], Array]:
        """What :data:`OVERALL` begins with, of some of the requests; and the sum of their latencies."""
        point = point_of[run]
        took = log["done"] - log["arrival"]
        in_order = took[np.lexsort((took, point))]
        n = np.bincount(point, minlength=len(points))
        first = np.cumsum(n) - n
        none = n == 0

        def quantile(q: float) -> Array:
            at = first + np.ceil(q * n).astype(np.int64) - 1
            return _unless(none, in_order[np.where(none, 0, at)] if len(in_order) else np.zeros(len(n)))

        whole = _sums(took, first, n)
        per_second = np.bincount(run, minlength=len(point_of)) / seconds[point_of]
        found = {
            "requests_per_s": mean(per_second),
            "requests": n.astype(float),
            "mean_ns": _unless(none, whole / np.maximum(n, 1)),
        }
        quantiles = {"p50_ns": 0.5, "p90_ns": 0.9, "p99_ns": 0.99, "max_ns": 1.0}
        return found | {name: quantile(q) for name, q in quantiles.items()}, whole

    columns, whole = latencies(log, run)
    cus = np.array([point.compute_units for point in points])
    columns["cu_busy"] = mean(runs.counted["busy_cu_ns"] / horizon_ns[point_of] / cus[point_of])
    columns["slots_used"] = mean(runs.counted["slot_ns"] / horizon_ns[point_of])
    columns["compute_queues"] = np.array([point.compute_queues for point in points], float)
    columns["oversubscribed"] = np.array([point.oversubscribed for point in points], float)
    for name in _COUNTED[2:]:
        columns[name] = mean(runs.counted[name])
    n = np.bincount(point_of[run], minlength=len(points))
    for part in PARTS:
        share = _sums(log[part], np.cumsum(n) - n, n) / np.maximum(whole, 1)
        columns[f"{part}_share"] = _unless(whole == 0, share)
    if len(kinds) > 1:
        threads = np.array([point.threads for point in points])[point_of[run]]
        for number, kind in enumerate(kinds):
            mine = (log["thread"] >= threads[:, number, 0]) & (log["thread"] < threads[:, number, 1])
            found, _ = latencies(log[mine], run[mine])
            columns |= {f"{kind}.{name}": found[name] for name in EACH}
    return columns


def _sums(values: Array, first: Array, n: Array) -> Array:
    """Sums of ``n`` values each, from ``first`` on."""
    whole = np.concatenate([[0], np.cumsum(values)])
    summed: Array = whole[first + n] - whole[first]
    return summed


def _unless(none: Array, values: Array) -> Array:
    """``values`` as numbers; NaN where there is none."""
    found: Array = np.where(none, np.nan, values)
    return found
