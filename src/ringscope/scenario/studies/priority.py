"""Short kernels on a HIGH stream against long ones on a LOW stream: what priority does, under every reading of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

from ringscope.engine.policies import Priority
from ringscope.parts.mqd import PIPE_PRIORITY
from ringscope.recording import Kind
from ringscope.records import dataclass
from ringscope.scenario.schema import DeviceChoice, Does, Kernel, KernelTime, ProcessKind, Step
from ringscope.scenario.studies.study import MS, Cell, Chart, Desk, Findings, Latencies, Study, Table, spliced
from ringscope.stack.journal import TICK_NS
from ringscope.stack.kfd import Kfd
from ringscope.stack.machine import MachineSpec
from ringscope.stack.program import Program
from ringscope.stack.rehearse import FIRST_PID, ROCM

if TYPE_CHECKING:
    from ringscope.scenario.build import Built

HIGH, NORMAL, LOW = -1, 0, 1
KERNELS = (
    Kernel("urgent", 80, KernelTime((50_000,)), vgprs=128),
    Kernel("background", 2000, KernelTime((1_000_000,)), vgprs=128, jitter=0.2),
)
DEVICES = {
    "CPSCH": DeviceChoice(),
    "NOCPSCH": DeviceChoice(scheduler="nocpsch"),
    "MES": DeviceChoice(gpu="navi31"),
}
HELPED = 0.9
"""A latency below this share of the one without priority counts as helped."""


@dataclass(frozen=True)
class Case:
    """Two LOW streams and a HIGH one in one process or in two, under one scheduler and one reading.

    ``apart`` idle streams are created between them: three, and the runlist goes once round the pipes from one to the
    next, so that all share a pipe.
    """

    scheduler: str
    processes: int
    apart: int
    reading: Priority


def _kinds(case: Case) -> tuple[ProcessKind, ...]:
    """What sends the long kernels and what sends the short ones: in one process, the same streams twice."""
    idle = (NORMAL,) * case.apart
    low = (LOW, *idle, LOW)
    urgent, background = (Step(Does.KERNEL, "urgent", 4),), (Step(Does.KERNEL, "background", 4),)
    one = case.processes == 1
    # A process that came later stands first in the runlist, its own queue of ROCr's between its streams and the others.
    high = (*low, *idle, HIGH) if one else (*idle[1:], HIGH)
    return (
        ProcessKind("background", background, streams=high if one else low, hw_queues=8),
        ProcessKind("urgent", urgent, streams=high, hw_queues=8, arrival="poisson", interval_ns=15 * MS),
    )


def _built(desk: Desk, case: Case, *, alone: bool = False) -> Built:
    def build(*kinds: ProcessKind) -> Built:
        device = DEVICES[case.scheduler]
        return desk.build(KERNELS, *kinds, device=device, horizon_ns=400 * MS, priority=case.reading)

    long, short = _kinds(case)
    quiet: tuple[None, ...] = (None,) * case.apart
    if case.processes == 1:
        high = build(short)
        low = None if alone else build(long)
        return spliced([low, *quiet, low, *quiet, high])
    both = build(long, short)
    low = None if alone else both
    return spliced([low, *quiet, low, *quiet[1:], both])


def _share_a_pipe(built: Built, latencies: Latencies) -> bool | None:
    used = [thread.packets[0].queue for thread in built.spec.threads]
    pipes = {latencies.pipes[queue] for queue in used}
    return None if -1 in pipes else len(pipes) == 1


def run(desk: Desk) -> Findings:
    """Every scheduler, arrangement and reading, beside HIGH alone; then what the supposed fix would change."""
    rows: list[tuple[Cell, ...]] = []
    results: dict[Case, float] = {}
    pipes: dict[Case, bool | None] = {}
    for scheduler in DEVICES:
        for processes in (1, 2):
            for apart in (0, 3):
                alone_case = Case(scheduler, processes, apart, Priority.NONE)
                alone = desk.latencies(_built(desk, alone_case, alone=True)).quantile(0, 0.5)
                for reading in Priority:
                    case = Case(scheduler, processes, apart, reading)
                    built = _built(desk, case)
                    got = desk.latencies(built)
                    pipes[case] = _share_a_pipe(built, got)
                    results[case] = got.quantile(2, 0.5)
                    rows.append(
                        (
                            scheduler,
                            processes,
                            {True: "same", False: "different", None: "in turn"}[pipes[case]],
                            reading.name.lower(),
                            round(alone / 1000, 1),
                            round(got.quantile(2, 0.5) / 1000, 1),
                            round(got.quantile(2, 0.99) / 1000, 1),
                            round(got.rate(0) + got.rate(1), 1),
                        )
                    )
    head = ("scheduler", "processes", "pipe", "priority does", "alone p50 us", "p50 us", "p99 us", "LOW requests/s")
    fixes = tuple(_fix(before) for before in (True, False))
    bars = tuple(
        (f"{case.scheduler} {case.reading.name.lower()}", value / 1000)
        for case, value in results.items()
        if case.processes == 1 and case.apart == 0
    )
    return Findings(
        conclusion=tuple(_conclusion(desk, results, pipes, fixes)),
        tables=(
            Table("HIGH: four kernels of 50 us every 15 ms; two LOW: kernels of 1 ms, without end", head, tuple(rows)),
            Table(
                "The fix that note 2 asks for: what a HIGH and a LOW stream carry into the hardware",
                ("runtime", "HIGH priority", "pipe priority", "LOW priority", "pipe priority", "runlists sent"),
                fixes,
            ),
        ),
        charts=(Chart("HIGH p50, one process, two pipes", "us", bars),),
    )


def _fix(lost: bool) -> tuple[Cell, ...]:
    """A process with a HIGH and a LOW stream, on the runtime as note 2 supposes it, and as it is."""
    machine = MachineSpec.of("mi308x")
    kfd = Kfd(machine, now=count(0, TICK_NS).__next__)
    program = Program(kfd, machine.nodes[:1], FIRST_PID, ROCM, hard_coded_normal=lost)
    for priority in (HIGH, LOW):
        program.devices[0].stream_create(priority)
    high, low = list(kfd.process(FIRST_PID).queues.values())[-2:]
    runlists = sum(event.kind is Kind.RUNLIST for event in kfd.events)
    cells = [cell for q in (high, low) for cell in (q.request.priority, PIPE_PRIORITY[q.request.priority])]
    return ("priority lost (supposed)" if lost else "as released", *cells, runlists)


def _conclusion(
    desk: Desk, results: dict[Case, float], pipes: dict[Case, bool | None], fixes: tuple[tuple[Cell, ...], ...]
) -> Iterator[str]:
    for reading in Priority:
        if reading is Priority.NONE:
            continue
        pairs = [
            (case, value / results[Case(case.scheduler, case.processes, case.apart, Priority.NONE)])
            for case, value in results.items()
            if case.reading is reading
        ]
        for shared, where in ((False, "on different pipes"), (True, "on the same pipe")):
            mine = [ratio for case, ratio in pairs if pipes[case] is shared]
            if mine:
                best = min(mine)
                what = f"cut to {best:.0%} at best" if best < HELPED else "not cut"
                yield f"if priority works as {reading.name.lower()!r}, HIGH's median {where} is {what}"
    ours = desk.policies.priority
    at = Case("CPSCH", 1, 0, ours)
    gain = results[at] / results[Case("CPSCH", 1, 0, Priority.NONE)]
    yield (
        f"under the reading chosen ({ours.name.lower()}) a HIGH stream of the same process "
        + (f"waits {gain:.0%} of what it would without" if gain < HELPED else "gains nothing")
    )
    supposed, released = fixes
    yield (
        "the fix would change what reaches the hardware"
        if supposed[1:5] == released[1:5]
        else f"priority reaches the hardware without the fix: {released[1]} and {released[3]}, not {supposed[1]} twice"
    )
    same = {
        (case.processes, case.apart): results[case] / results[Case(case.scheduler, 1, case.apart, case.reading)]
        for case in results
        if case.processes == 2 and case.scheduler == "CPSCH" and case.reading is ours and case.apart == 0
    }
    for ratio in same.values():
        yield (
            "two processes instead of one change "
            + ("nothing" if abs(ratio - 1) < 0.1 else f"HIGH's median to {ratio:.0%}")
            + " where both fit the slots"
        )


STUDY = Study(
    "priority",
    "Does a HIGH stream's short kernel get ahead of a LOW stream's long ones?",
    ("E04", "E22", "E23", "E24"),
    (
        "what cp_hqd_pipe_priority and cp_hqd_queue_priority do is not documented: three readings are played, none is "
        "measured",
        "MES is played on an RDNA3 part, so its times are not those of an MI308X",
    ),
    run,
)
