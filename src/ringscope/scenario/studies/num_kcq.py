"""Compute rings that amdgpu keeps for itself: how many slots each setting leaves, and what that saves."""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.scenario.schema import DeviceChoice
from ringscope.scenario.studies import workload
from ringscope.scenario.studies.study import MS, Cell, Chart, Desk, Findings, Study, Table, listed

KCQ = (8, 2, 1)
PROCESSES = (4, 5, 6, 7)


def run(desk: Desk) -> Findings:
    """Four to seven processes of five queues under each setting."""
    rows: list[tuple[Cell, ...]] = []
    slots: dict[int, int] = {}
    waits: dict[tuple[int, int], float] = {}
    fits: dict[int, list[int]] = {kcq: [] for kcq in KCQ}
    for kcq in KCQ:
        for count in PROCESSES:
            built = desk.build(
                [workload.kernel()],
                workload.process(count),
                device=DeviceChoice(num_kcq=kcq),
                horizon_ns=300 * MS,
                warmup_ns=50 * MS,
            )
            got = desk.rates(built, workload.STEPS)
            slots[kcq] = len(built.slots)
            compute = sum(queue.is_compute for queue in built.queues)
            if not built.limits:
                fits[kcq].append(count)
            waits[kcq, count] = got.rotations
            rows.append(
                (kcq, slots[kcq], count, compute, "no" if built.limits else "yes", got.rotations, round(got.total, 1))
            )
    head = ("num_kcq", "slots", "processes", "queues", "fit", "rotations", "total QPS")
    return Findings(
        conclusion=tuple(_conclusion(slots, fits, waits)),
        tables=(Table("Processes of 4 streams (5 queues) on an MI308X", head, tuple(rows)),),
        charts=(Chart("Slots for KFD queues", "slots", tuple((f"num_kcq={kcq}", slots[kcq]) for kcq in KCQ)),),
    )


def _conclusion(
    slots: dict[int, int], fits: dict[int, list[int]], waits: dict[tuple[int, int], float]
) -> Iterator[str]:
    yield f"slots: {listed([f'{count} with num_kcq={kcq}' for kcq, count in slots.items()])}"
    for kcq, counts in fits.items():
        yield f"num_kcq={kcq}: {max(counts, default=0)} processes of five queues fit"
    helped = [count for count in PROCESSES if waits[KCQ[0], count] and not waits[KCQ[-1], count]]
    yield (
        f"giving rings back ends the time-slicing of {listed([str(count) for count in helped])} processes"
        if helped
        else "giving rings back ends no time-slicing here"
    )


STUDY = Study(
    "num-kcq",
    "How many more queues fit when amdgpu keeps fewer compute rings?",
    ("E34",),
    ("what the kernel does with fewer rings of its own (page-table and clear jobs) is not modelled",),
    run,
)
