"""Ranks of a halo-exchange program on one MI300A, under caps on their queues: where the cliff is, and how deep.

The ranks go in step, as such a program does: a stencil kernel each, then exchanges one after another, each on a queue
of its own and waited for by all. What over-subscription costs is each exchange waiting for its queues to be mapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ringscope.engine.policies import Idle
from ringscope.engine.spec import HostThread, Op, Packet
from ringscope.records import replace
from ringscope.scenario.schema import DeviceChoice, Does, Kernel, KernelTime, ProcessKind, Step
from ringscope.scenario.studies.study import MS, Cell, Chart, Desk, Findings, Study, Table

if TYPE_CHECKING:
    from ringscope.scenario.build import Built

RANKS = (4, 8, 11, 12)
CAPS = (1, 2, 4)
EXCHANGES = 2
STREAMS = 8
"""More than any cap, so that a rank holds cap + 1 queues, as AMD's runs do under Open MPI."""
KERNELS = (
    Kernel("stencil", 228, KernelTime((600_000,)), vgprs=32),
    Kernel("exchange", 8, KernelTime((20_000,))),
)


def ranks_in_step(desk: Desk, ranks: int, cap: int, exchanges: int, **policies: Any) -> Built:
    """One host thread that drives all ranks: a request is an iteration, waited for after the stencil and each exchange.

    Exchange ``n`` runs on the last stream but ``n`` of every rank.
    """
    step = (Step(Does.KERNEL, "stencil"), Step(Does.KERNEL, "exchange"))
    kind = ProcessKind("rank", step, count=ranks, streams=(0,) * STREAMS, hw_queues=cap)
    built = desk.build(
        KERNELS, kind, device=DeviceChoice(gpu="mi300a"), horizon_ns=600 * MS, warmup_ns=100 * MS, **policies
    )
    sync = Packet(Op.SYNC)
    threads = [[built.spec.threads[n] for n in member.threads] for member in built.members]
    packets = [rank[0].packets[0] for rank in threads] + [sync]
    for number in range(exchanges):
        packets += [rank[-1 - number % STREAMS].packets[1] for rank in threads] + [sync]
    thread = HostThread(0, tuple(packets))
    return replace(built, spec=replace(built.spec, threads=(thread,), sources=built.spec.sources[:1]))


def iteration_ns(desk: Desk, ranks: int, cap: int, idle: Idle) -> tuple[float, int, bool]:
    """Mean time of an iteration, compute queues, and whether they are too many."""
    built = ranks_in_step(desk, ranks, cap, EXCHANGES, idle=idle)
    queues = sum(queue.is_compute for queue in built.queues)
    return desk.latencies(built).mean(0), queues, bool(built.limits)


def run(desk: Desk) -> Findings:
    """Every number of ranks and cap, under both readings of what an idle queue does."""
    rows: list[tuple[Cell, ...]] = []
    times: dict[tuple[int, int], float] = {}
    queues: dict[tuple[int, int], int] = {}
    over: dict[tuple[int, int], bool] = {}
    for ranks in RANKS:
        for cap in CAPS:
            key = ranks, cap
            other = Idle.BUSY_FIRST if desk.policies.idle is Idle.HOLD else Idle.HOLD
            times[key], queues[key], over[key] = iteration_ns(desk, ranks, cap, desk.policies.idle)
            beside = iteration_ns(desk, ranks, cap, other)[0]
            rows.append(
                (
                    ranks,
                    cap,
                    queues[key],
                    "over" if over[key] else "fits",
                    round(times[key] / MS, 2),
                    round(times[key] / times[ranks, 1], 2),
                    round(beside / MS, 2),
                )
            )
    head = ("ranks", "cap", "queues", "24 slots", "ms an iteration", "times cap 1", "other reading, ms")
    return Findings(
        conclusion=tuple(_conclusion(times, queues, over)),
        tables=(Table(f"One stencil kernel and {EXCHANGES} exchanges an iteration", head, tuple(rows)),),
        charts=(
            Chart(
                "Iteration by queues",
                "ms",
                tuple(
                    (f"{queues[key]} queues, {key[0]} ranks", times[key] / MS)
                    for key in sorted(times, key=lambda k: queues[k])
                ),
            ),
        ),
    )


def _conclusion(
    times: dict[tuple[int, int], float], queues: dict[tuple[int, int], int], over: dict[tuple[int, int], bool]
) -> Iterator[str]:
    fits = [key for key in times if not over[key]]
    past = [key for key in times if over[key]]
    if past and fits:
        yield f"the cliff lies between {max(queues[k] for k in fits)} and {min(queues[k] for k in past)} queues"
        inside = max(times[key] / times[key[0], 1] for key in fits)
        beyond = {key: times[key] / times[key[0], 1] for key in past}
        low, high = min(beyond, key=lambda k: beyond[k]), max(beyond, key=lambda k: beyond[k])
        yield (
            f"below it a cap costs at most {inside:.2f} times; past it {beyond[low]:.2g} times ({low[0]} ranks, cap "
            f"{low[1]}) to {beyond[high]:.2g} times ({high[0]} ranks, cap {high[1]})"
        )
    for ranks in RANKS:
        best = min(CAPS, key=lambda cap: times[ranks, cap])
        yield f"{ranks} ranks: cap {best} is best ({times[ranks, best] / MS:.2f} ms)"


STUDY = Study(
    "over-subscription",
    "What do ranks that share one MI300A lose when their queues outnumber its slots?",
    ("E18", "E21"),
    (
        "all ranks go in step; a real halo exchange waits for neighbours only",
        "GPU_MAX_HW_QUEUES is taken to cap the MPI library's queues as well; AMD's runs show up to one more a rank",
    ),
    run,
)
