"""How long every question takes on a full machine: 4096 queues of 64 processes on one MI308X, beside joining them."""

from __future__ import annotations

import time

from bench import Row
from ringscope.join import case_of
from ringscope.stack import budget
from ringscope.stack.hip import HipSettings
from ringscope.stack.machine import MachineSpec
from ringscope.stack.rehearse import ProcessSpec, rehearse
from ringscope.verdicts import QUESTIONS

PROCESSES, STREAMS = 64, 63


def run() -> list[Row]:
    """Each question alone, and the slowest; then the check of one launch."""
    process = ProcessSpec((0,) * STREAMS, settings=HipSettings(gpu_max_hw_queues=STREAMS))
    crowd = rehearse(MachineSpec.of("mi308x"), [process] * PROCESSES)
    snapshots = (crowd.snapshot("one"), crowd.snapshot("two"))
    begun = time.perf_counter()
    case = case_of(snapshots)
    joined = time.perf_counter() - begun
    seconds = {}
    for question in QUESTIONS:
        begun = time.perf_counter()
        found = question(case)
        seconds[found.id] = time.perf_counter() - begun
    slowest = max(seconds, key=lambda name: seconds[name])
    begun = time.perf_counter()
    budget.fixes(MachineSpec.of("mi300a"), budget.Job(12, streams=3, mpi=budget.Mpi.OPENMPI))
    checked = time.perf_counter() - begun
    queues = PROCESSES * (STREAMS + 1)
    total = sum(seconds.values())
    return [
        Row(
            f"{len(QUESTIONS)} questions about {queues} queues",
            f"{total:.2f} s",
            "joining them",
            f"{total / joined:.1f}x",
        ),
        Row(f"the slowest of them, {slowest}", f"{seconds[slowest]:.2f} s"),
        Row("every knob tried for one launch of 12 ranks", f"{checked * 1e3:.0f} ms"),
    ]
