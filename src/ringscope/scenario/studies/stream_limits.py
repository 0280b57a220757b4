"""Sixteen, 32 and 64 streams under GPU_MAX_HW_QUEUES from 1 to 24: how many queues they make, what that is worth."""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.scenario.schema import Does, Kernel, KernelTime, ProcessKind, Step
from ringscope.scenario.studies.study import MS, Cell, Chart, Desk, Findings, Study, Table

STREAMS = (16, 32, 64)
CAPS = (1, 2, 4, 8, 16, 24)
STEPS = 6
KERNEL = Kernel("short", 4, KernelTime((9_000,)), waves=4)
"""The notes' test launches kernels of 4 workgroups of 256 work-items, 9 us each, six on every stream."""


def run(desk: Desk) -> Findings:
    """Queues, over-subscription and rate of every pair."""
    rows: list[tuple[Cell, ...]] = []
    queues: dict[tuple[int, int], int] = {}
    rates: dict[tuple[int, int], float] = {}
    over: dict[tuple[int, int], bool] = {}
    slots = 0
    for streams in STREAMS:
        for cap in CAPS:
            kind = ProcessKind("program", (Step(Does.KERNEL, "short", STEPS),), streams=(0,) * streams, hw_queues=cap)
            built = desk.build([KERNEL], kind, horizon_ns=60 * MS, warmup_ns=10 * MS)
            got = desk.rates(built, STEPS)
            key = streams, cap
            slots = len(built.slots)
            queues[key], rates[key] = sum(queue.is_compute for queue in built.queues), got.total * STEPS
            over[key] = bool(built.limits)
            rows.append(
                (
                    streams,
                    cap,
                    queues[key],
                    f"{streams / (queues[key] - 1):g}",
                    "yes" if over[key] else "no",
                    round(rates[key]),
                    got.rotations,
                )
            )
    head = ("streams", "cap", "queues", "streams a queue", "over-subscribed", "kernels/s", "rotations")
    return Findings(
        conclusion=tuple(_conclusion(queues, rates, over, slots)),
        tables=(Table("Kernels of 4 workgroups and 9 us, six a request, on every stream", head, tuple(rows)),),
        charts=(
            Chart(f"{STREAMS[0]} streams", "kernels/s", tuple((f"cap {cap}", rates[STREAMS[0], cap]) for cap in CAPS)),
        ),
    )


def _conclusion(
    queues: dict[tuple[int, int], int],
    rates: dict[tuple[int, int], float],
    over: dict[tuple[int, int], bool],
    slots: int,
) -> Iterator[str]:
    rule = all(made == min(key) + 1 for key, made in queues.items())
    yield (
        f"{len(queues)} of {len(queues)} cases make min(streams, GPU_MAX_HW_QUEUES) + 1 queues"
        if rule
        else "the number of queues is not min(streams, GPU_MAX_HW_QUEUES) + 1"
    )
    default = {queues[streams, 4] for streams in STREAMS}
    yield f"by default (4) {STREAMS[0]} to {STREAMS[-1]} streams make {min(default)} queues of {slots} slots"
    first = [key for key, is_over in over.items() if is_over]
    yield (
        f"over-subscribed from {queues[first[0]]} queues on ({first[0][0]} streams, cap {first[0][1]})"
        if first
        else "no case is over-subscribed"
    )
    for streams in STREAMS:
        best = max(CAPS, key=lambda cap: rates[streams, cap])
        yield f"{streams} streams: cap {best} is best, {rates[streams, best] / rates[streams, 4]:.2f} times the default"


STUDY = Study(
    "stream-limits",
    "How many hardware queues do many streams make, and what does GPU_MAX_HW_QUEUES buy?",
    ("E19", "E20", "E21"),
    (
        "kernels are independent between streams and cost no host time: the host would set a limit of its own",
        "measured, 16 queues gain little over 8 (gfx1151) and 8 can lose to 4 (gfx1100): the engine has no cost for a "
        "pipe that changes queues, so its gain beyond the number of pipes is an upper bound",
    ),
    run,
)
