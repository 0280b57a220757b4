"""Running a scenario and adding up what happened: throughput, latency, where the time went, what the device did."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ringscope.engine.run import Engine, Totals
from ringscope.engine.state import PARTS, Array
from ringscope.records import dataclass, replace
from ringscope.scenario.build import Built
from ringscope.scenario.schema import ProcessKind
from ringscope.tabular import Row, Tabular

STEPS = 200
"""How often progress is told in one run."""
_T95 = (0.0, 12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's t for a two-sided 95 % interval by degrees of freedom."""


@dataclass(frozen=True)
class Estimate:
    """A mean over replications and the half width of its 95 % interval (None with one replication)."""

    mean: float
    half_width: float | None = None

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """From one value a replication."""
        n = len(values)
        mean = math.fsum(values) / n
        if n == 1:
            return cls(mean)
        spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
        return cls(mean, _t95(n - 1) * spread)


def _t95(freedom: int) -> float:
    """Student's t; beyond the table the first terms of its expansion about the normal's, good to a thousandth."""
    if freedom < len(_T95):
        return _T95[freedom]
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


@dataclass(frozen=True)
class Share:
    """What the processes of one kind got; latencies and parts in nanoseconds.

    ``parts`` are the mean of where a request's time went; with :data:`PARTS` as keys they sum to ``mean_ns``.
    ``requests`` counts finished ones after the warm-up, of all replications; ``latency`` estimates their mean latency
    from the replications that finished any.
    """

    kind: ProcessKind
    requests: int
    per_second: Estimate
    per_second_each: tuple[float, ...]
    mean_ns: float
    p50_ns: float
    p90_ns: float
    p99_ns: float
    max_ns: float
    parts: dict[str, float]
    latency: Estimate


@dataclass(frozen=True)
class Outcome(Tabular):
    """One scenario, run; ``log`` has a row a finished request, ``totals`` an entry a replication."""

    built: Built
    shares: tuple[Share, ...]
    per_second: Estimate
    cu_busy: Estimate
    slots_used: Estimate
    totals: tuple[Totals, ...]
    logs: tuple[Array, ...]

    def records(self) -> Iterator[Row]:
        """A row a kind of process: what it got, its latency, and where a request's time went."""
        for share in self.shares:
            yield {
                "process": share.kind.name,
                "count": share.kind.count,
                "requests_per_second": share.per_second.mean,
                "ci95": share.per_second.half_width,
                "mean_ns": share.mean_ns,
                "p50_ns": share.p50_ns,
                "p99_ns": share.p99_ns,
                **{f"{part}_ns": ns for part, ns in share.parts.items()},
            }


def simulate(
    built: Built,
    tell: Callable[[float], None] | None = None,
    look: Callable[[Engine], None] | None = None,
    look_at_ns: int = 0,
) -> Outcome:
    """Run every replication of the scenario.

    Args:
        built: the scenario.
        tell: is told how much of the whole is done, 0 to 1.
        look: is called with the first replication's engine at ``look_at_ns``.
        look_at_ns: when.
    """
    scenario = built.scenario
    logs, totals = [], []
    for number in range(scenario.replications):
        spec = replace(built.spec, seed=(scenario.seed + number) & 0xFFFFFFFF) if number else built.spec
        engine = Engine(spec)
        if look is not None and number == 0:
            engine.run(look_at_ns)
            look(engine)
        if tell is not None:
            for step in range(1, STEPS + 1):
                engine.run(max(engine.now, scenario.horizon_ns * step // STEPS))
                tell((number + step / STEPS) / scenario.replications)
        engine.run(scenario.horizon_ns)
        logs.append(engine.log.copy())
        totals.append(engine.totals)
    kept = [log[log["done"] > scenario.warmup_ns] for log in logs]
    seconds = (scenario.horizon_ns - scenario.warmup_ns) / 1e9
    machine = built.spec.machine
    return Outcome(
        built,
        tuple(_share(kind, built, kept, seconds) for kind in scenario.processes),
        Estimate.of([len(log) / seconds for log in kept]),
        Estimate.of([t.busy_cu_ns / scenario.horizon_ns / machine.compute_units for t in totals]),
        Estimate.of([t.slot_ns / scenario.horizon_ns for t in totals]),
        tuple(totals),
        tuple(logs),
    )


def _share(kind: ProcessKind, built: Built, logs: list[Array], seconds: float) -> Share:
    members = [member for member in built.members if member.kind is kind]
    mine = [
        log[(log["thread"] >= members[0].threads.start) & (log["thread"] < members[-1].threads.stop)] for log in logs
    ]
    rows = np.concatenate(mine)
    each = tuple(
        sum(int(((log["thread"] >= m.threads.start) & (log["thread"] < m.threads.stop)).sum()) for log in logs)
        / seconds
        / len(logs)
        for m in members
    )
    latency = np.sort(rows["done"] - rows["arrival"])

    def quantile(q: float) -> float:
        return float(latency[min(len(latency) - 1, math.ceil(q * len(latency)) - 1)]) if len(latency) else math.nan

    mean = {part: float(rows[part].mean()) if len(rows) else 0.0 for part in PARTS}
    return Share(
        kind,
        len(rows),
        Estimate.of([len(log) / seconds for log in mine]),
        each,
        float(latency.mean()) if len(latency) else math.nan,
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        float(latency[-1]) if len(latency) else math.nan,
        mean,
        Estimate.of([float((log["done"] - log["arrival"]).mean()) for log in mine if len(log)] or [math.nan]),
    )
