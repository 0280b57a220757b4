"""Which rings and slots user queues have, how they relate to amdgpu's own rings, and whether more of those help."""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.scenario.schema import DeviceChoice
from ringscope.scenario.studies import workload
from ringscope.scenario.studies.study import MS, Cell, Chart, Desk, Findings, Study, Table

PROCESSES = 2
RINGS = (1, 2, 4, 8)
"""Compute rings that amdgpu keeps (num_kcq): what the notes' mapping would spread processes over."""


def run(desk: Desk) -> Findings:
    """The slots of two processes' queues, and their rate under more and fewer rings of amdgpu's."""
    rows: list[tuple[Cell, ...]] = []
    rates: dict[int, float] = {}
    common: dict[int, int] = {}
    rule: list[bool] = []
    for rings in RINGS:
        built = desk.build(
            [workload.kernel()],
            workload.process(PROCESSES),
            device=DeviceChoice(num_kcq=rings),
            horizon_ns=300 * MS,
            warmup_ns=50 * MS,
        )
        node, part = built.node, built.node.part
        every = {(pipe, queue) for pipe in range(part.mec_pipes) for queue in range(part.queues_per_pipe)}
        amdgpu = every - set(node.slots)
        used = {slot for q in built.queues if (slot := built.kfd.slot(q.home.process.pid, q.qid)) is not None}
        common[rings] = len(amdgpu & used)
        rates[rings] = desk.rates(built, workload.STEPS).total
        if rings == RINGS[-1]:
            runlist = sorted(zip(built.spec.queues, built.queues, strict=True), key=lambda pair: pair[0].rank)
            first = min(queue for _, queue in node.slots)
            for k, (_, queue) in enumerate(runlist):
                slot = built.kfd.slot(queue.home.process.pid, queue.qid)
                pipe, number = slot or (-1, -1)
                rule.append((pipe, number) == (k % part.mec_pipes, first + k // part.mec_pipes))
                ring = f"{queue.request.ring_base:#x}"
                rows.append((k, queue.home.process.pid, queue.qid, ring, f"{pipe}.{number}"))
    return Findings(
        conclusion=tuple(_conclusion(rows, rates, common, rule)),
        tables=(
            Table("Runlist order", ("place", "process", "queue id", "ring", "pipe.queue"), tuple(rows)),
            Table(
                "By the rings that amdgpu keeps",
                ("rings", "of them in use by processes", "total QPS"),
                tuple((rings, common[rings], round(rates[rings], 1)) for rings in RINGS),
            ),
        ),
        charts=(Chart("Rate by amdgpu's rings", "QPS", tuple((f"{n} rings", rate) for n, rate in rates.items())),),
    )


def _conclusion(
    rows: list[tuple[Cell, ...]], rates: dict[int, float], common: dict[int, int], rule: list[bool]
) -> Iterator[str]:
    rings = {(row[1], row[3]) for row in rows}
    yield f"{len(rows)} queues of {PROCESSES} processes have {len(rings)} rings, in the processes' own memory"
    shared = sum(common.values())
    yield (
        "none of them sits on a ring of amdgpu's: a mapping of processes to those maps nothing"
        if not shared
        else f"{shared} of them sit on rings of amdgpu's"
    )
    spread = max(rates.values()) / min(rates.values()) - 1
    yield (
        f"from {min(rates)} to {max(rates)} rings of amdgpu's the rate changes by {spread:.1%}: "
        + ("no effect" if spread < 0.02 else "an effect")
    )
    yield (
        "the k-th queue of the runlist sits on pipe k mod 4, first free queue + k div 4"
        if all(rule)
        else f"{rule.count(False)} of {len(rule)} queues break the rule of pipe k mod 4"
    )


STUDY = Study(
    "ring-mapping",
    "Would mapping processes to different amdgpu rings help?",
    ("E05", "E06", "E15"),
    ("that the firmware fills slots pipe by pipe is what all captures show; it is not documented",),
    run,
)
