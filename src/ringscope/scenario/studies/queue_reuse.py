"""Are queues shared? Between processes, and between the streams of one; and what a shared ring costs a short stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ringscope.scenario.schema import Does, Kernel, KernelTime, ProcessKind, Step
from ringscope.scenario.studies import workload
from ringscope.scenario.studies.study import MS, Cell, Chart, Desk, Findings, Study, Table, spliced

if TYPE_CHECKING:
    from ringscope.scenario.build import Built

CAPS = (1, 2, 4)
KERNELS = (Kernel("long", 40, KernelTime((400_000,))), Kernel("short", 4, KernelTime((10_000,))))


def _objects(built: Built) -> dict[str, int]:
    """How many different ones the queues of all processes have."""
    kfd, queues = built.kfd, built.queues
    slots = [kfd.slot(queue.home.process.pid, queue.qid) for queue in queues]
    return {
        "queues": len(queues),
        "queue ids": len({queue.qid for queue in queues}),
        "MQDs": len({queue.mqd_address for queue in queues}),
        "doorbells": len({queue.doorbell for queue in queues}),
        "rings": len({(queue.home.process.pid, queue.request.ring_base) for queue in queues}),
        "slots": len({slot for slot in slots if slot is not None}),
    }


def run(desk: Desk) -> Findings:
    """What alike processes have of their own; then a short stream beside a long one, on a shared ring and not."""
    rows: list[tuple[Cell, ...]] = []
    objects: dict[tuple[int, int], dict[str, int]] = {}
    for count, streams in ((1, 1), (2, 1), (2, 4), (4, 4)):
        built = desk.build([workload.kernel()], workload.process(count, streams=streams))
        objects[count, streams] = _objects(built)
        rows.append((count, streams, *objects[count, streams].values()))
    shares: list[tuple[Cell, ...]] = []
    slowed: dict[int, float] = {}
    alone = short_stream_ns(desk, 4, beside=False)
    for cap in CAPS:
        got = short_stream_ns(desk, cap, beside=True)
        slowed[cap] = got / alone
        shares.append((cap, round(alone / 1000, 1), round(got / 1000, 1), round(slowed[cap], 2)))
    names = tuple(objects[1, 1])
    return Findings(
        conclusion=tuple(_conclusion(objects, slowed)),
        tables=(
            Table("Alike processes: different ones in all", ("processes", "streams each", *names), tuple(rows)),
            Table(
                "A short stream beside a long one in one process, by GPU_MAX_HW_QUEUES",
                ("cap", "alone p50 us", "beside p50 us", "times"),
                tuple(shares),
            ),
        ),
        charts=(Chart("Short stream slowed", "times", tuple((f"cap {cap}", ratio) for cap, ratio in slowed.items())),),
    )


def short_stream_ns(desk: Desk, cap: int, *, beside: bool) -> float:
    """Median latency of the short stream, ns."""

    def build(name: str) -> Built:
        kind = ProcessKind(name, (Step(Does.KERNEL, name, 4),), streams=(0, 0), hw_queues=cap)
        return desk.build(KERNELS, kind, horizon_ns=200 * MS)

    return desk.latencies(spliced([build("long") if beside else None, build("short")])).quantile(int(beside), 0.5)


def _conclusion(objects: dict[tuple[int, int], dict[str, int]], slowed: dict[int, float]) -> Iterator[str]:
    model = objects[1, 1]
    yield f"a process that uses one stream holds {model['queues']} queues: its own and ROCr's"
    shared = sorted(
        {name for got in objects.values() for name, number in got.items() if number < got["queues"]} - {"queue ids"}
    )
    repeated = any(got["queue ids"] < got["queues"] for got in objects.values())
    yield (
        f"between processes {', '.join(shared)} are shared"
        if shared
        else "between processes no MQD, doorbell, ring or slot is shared"
        + (": only the ids repeat, and an id is a handle of its process" if repeated else "")
    )
    worst = max(slowed, key=lambda cap: slowed[cap])
    free = [cap for cap, ratio in slowed.items() if ratio < 1.1]
    yield (
        f"within a process two streams on one ring wait for each other: {slowed[worst]:.3g} times slower at cap {worst}"
        + (f", not at cap {min(free)} or more" if free else "")
        if slowed[worst] > 1.1
        else "within a process a shared ring costs nothing"
    )


STUDY = Study(
    "queue-reuse",
    "Do processes or streams share queues, and what does a shared one cost?",
    ("E05", "E06", "E27"),
    ("streams get their queue by the rule of the release chosen (ROCm 7.0); later ones weigh the queues' depth",),
    run,
)
