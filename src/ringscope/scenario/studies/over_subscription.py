"""Ranks of a halo-exchange program on one MI300A, under caps on their queues: where the cliff is, and how deep.

The program is that of :mod:`ringscope.scenario.halo`, whose MPI library exchanges device buffers. What
over-subscription costs is each exchange waiting for the queues of neighbours to be mapped.
"""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.engine.policies import Idle
from ringscope.scenario import halo
from ringscope.scenario.studies.study import MS, Cell, Chart, Desk, Findings, Study, Table

RANKS = (4, 8, 11, 12)
CAPS = (1, 2, 4)


def iteration_ns(desk: Desk, ranks: int, cap: int, idle: Idle) -> tuple[float, int, bool]:
    """Mean time of an iteration, compute queues, and whether they are too many."""
    built = halo.launch(desk, ranks, cap)
    queues = sum(queue.is_compute for queue in built.queues)
    return halo.iteration_ns(desk, halo.Exchange.DEVICE, ranks, cap, idle=idle), queues, bool(built.limits)


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
        tables=(Table("A stencil kernel and an exchange in two directions an iteration", head, tuple(rows)),),
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
        "the grid of ranks is taken as square as it goes; the runlist's order is a race, of which a few are played",
        "GPU_MAX_HW_QUEUES is taken to cap the MPI library's queues as well; AMD's runs show up to one more a rank",
    ),
    run,
)
