"""The cost of over-subscription against AMD's own runs of three versions of one code; none of them was fitted to."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("numba")

from ringscope.scenario.launch import MOST_QUEUES, StepCost, step_cost
from ringscope.stack.budget import Job, Mpi, fits
from ringscope.stack.hip import HipSettings
from ringscope.stack.machine import MachineSpec

MI300A = MachineSpec.of("mi300a")
ITERATIONS = 50
VERSIONS = ("Ver1", "Ver6", "Ver8")


@dataclass(frozen=True)
class Measured:
    """One run of AMD's: seconds, and beside those of as many ranks with one queue each."""

    version: str
    ranks: int
    cap: int
    seconds: float
    unhindered: float

    @property
    def cost(self) -> StepCost:
        return cost(self.ranks, self.cap)

    @property
    def lost(self) -> float:
        return self.seconds - self.unhindered


@cache
def cost(ranks: int, cap: int, kernel_ns: int = 1_000_000) -> StepCost:
    found = step_cost(MI300A, job(ranks, cap), kernel_ns)
    assert found is not None
    return found


def job(ranks: int, cap: int) -> Job:
    return Job(ranks, mpi=Mpi.OPENMPI, settings=HipSettings(gpu_max_hw_queues=cap))


@pytest.fixture(scope="session")
def runs(shared: Path) -> list[Measured]:
    with (shared / "oversubscription" / "mi300a-spx-hip.csv").open() as file:
        rows = [
            (r["version"], int(r["ranks"]), int(r["gpu_max_hw_queues"]), float(r["total_s"]))
            for r in csv.DictReader(file)
        ]
    alone = {(version, ranks): seconds for version, ranks, cap, seconds in rows if cap == 1}
    return [Measured(*row, alone[row[0], row[1]]) for row in rows]


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Rank correlation, equal values sharing their rank."""

    def ranks(values: Sequence[float]) -> list[float]:
        order = sorted(values)
        return [order.index(v) + (order.count(v) - 1) / 2 for v in values]

    a, b = ranks(one), ranks(other)
    mean = (len(a) - 1) / 2
    top = sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    return float(top / (sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b)) ** 0.5)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_order_of_slow_downs_of_published_runs(version: str, runs: list[Measured]) -> None:
    rows = [run for run in runs if run.version == version]
    assert len(rows) == 12
    assert spearman([run.seconds / run.unhindered for run in rows], [run.cost.slower for run in rows]) > 0.8


def test_exactly_the_runs_beyond_24_queues_are_slowed(runs: list[Measured]) -> None:
    for run in runs:
        assert (
            (run.cost.slower > 1.5) == (run.ranks * (run.cap + 1) > 24) == (not fits(MI300A, job(run.ranks, run.cap)))
        )


def test_the_spread_that_check_prints(runs: list[Measured]) -> None:
    from ringscope.verbs.check import PUBLISHED_SPREAD

    over = [run for run in runs if run.cost.slower > 1.5]
    shares = [run.lost * 1e9 / ITERATIONS / (run.cost.ns - run.cost.alone_ns) for run in over]
    assert len(shares) == 15
    assert PUBLISHED_SPREAD.count("15") == 1
    assert f"{min(shares):.2g} to {max(shares):.2g} times" in PUBLISHED_SPREAD


def test_the_cost_lies_in_waiting_and_not_in_the_kernels() -> None:
    short, long = cost(8, 4, 100_000), cost(8, 4, 5_000_000)
    assert short.slower > 8 * long.slower
    assert abs((short.ns - short.alone_ns) - (long.ns - long.alone_ns)) < 10_000_000


def test_too_many_queues_are_not_simulated() -> None:
    assert step_cost(MI300A, Job(MOST_QUEUES)) is None


def test_the_same_launch_costs_the_same_again() -> None:
    assert step_cost(MI300A, job(5, 4)) == step_cost(MI300A, job(5, 4))
