"""Alike processes under a steady load, played in time.

The notes never describe their workload, so nothing here is fitted to it: the load is one that fills the part, and what
counts is one run beside another.
"""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec

from ringscope.claims.runs import PART, Rules
from ringscope.records import dataclass
from ringscope.stack.machine import QueueIds

HORIZON_NS = 500_000_000


@dataclass(frozen=True)
class Load:
    """So many processes; each has streams that send requests in closed loops, each of dependent kernels.

    Attributes:
        processes: how many, all alike.
        streams: HIP priority of each stream of a process.
        kernels: of one request.
        workgroups: of one kernel, of 4 waves and 32 KiB LDS, so that two fit a CU.
        workgroup_ns: how long one runs.
        think_ns: between two requests of a stream.
        cus: CUs that each stream may use; None is all of them.
        by_priority: whether cp_hqd_pipe_priority decides who gets a free CU, which no source says of the hardware.
        scheduler: ``cpsch`` or ``nocpsch``; None is the part's own.
        queue_ids: how the driver numbers queues; None is the lab's rule.
    """

    processes: int = 1
    streams: tuple[int, ...] = (0,) * 4
    kernels: int = 10
    workgroups: int = 320
    workgroup_ns: int = 85_000
    think_ns: int = 50_000
    cus: int | None = None
    by_priority: bool = False
    scheduler: str | None = None
    queue_ids: QueueIds | None = None


@dataclass(frozen=True)
class Played:
    """What came of it.

    ``streams`` are the requests that each stream of each process finished, ``runlists`` those sent after the start,
    ``rotations`` how often the firmware mapped another part of a runlist that does not fit, ``queues`` what the driver
    was asked for.
    """

    streams: tuple[tuple[int, ...], ...]
    queues: int
    runlists: int
    rotations: int
    seconds: float

    @property
    def requests(self) -> tuple[int, ...]:
        """Requests by process."""
        return tuple(map(sum, self.streams))

    @property
    def total(self) -> int:
        """Requests of all processes."""
        return sum(self.requests)


def available() -> bool:
    """Whether the engine can be used here: it needs NumPy and Numba."""
    return find_spec("numba") is not None and find_spec("numpy") is not None


def play(rules: Rules, load: Load, horizon_ns: int = HORIZON_NS) -> Played:
    """Let the processes work for ``horizon_ns`` under the stack's rules, as far as a scenario can state them."""
    # Compiles, and needs packages that most claims do without.
    from ringscope.engine.policies import Policies, Priority  # noqa: PLC0415
    from ringscope.engine.run import Engine  # noqa: PLC0415
    from ringscope.scenario.build import build  # noqa: PLC0415
    from ringscope.scenario.schema import (  # noqa: PLC0415
        DeviceChoice,
        Does,
        Kernel,
        KernelTime,
        ProcessKind,
        Scenario,
        Step,
    )

    driver = rules.driver
    built = build(
        Scenario(
            name="claim",
            device=DeviceChoice(
                PART,
                rocm=str(rules.rocm),
                scheduler=load.scheduler,
                num_kcq=driver.num_kcq,
                hws_max_conc_proc=driver.hws_max_conc_proc,
                queue_ids=load.queue_ids or driver.queue_ids,
            ),
            kernels={"kernel": Kernel("kernel", load.workgroups, KernelTime((load.workgroup_ns,), True), lds=32768)},
            copies={},
            processes=(
                ProcessKind(
                    "process",
                    (Step(Does.KERNEL, "kernel", load.kernels),),
                    load.processes,
                    load.streams,
                    rules.hip.gpu_max_hw_queues,
                    cu_mask=(1 << load.cus) - 1 if load.cus else 0,
                    interval_ns=load.think_ns,
                ),
            ),
            horizon_ns=horizon_ns,
            policies=Policies(priority=Priority.PIPE if load.by_priority else Priority.NONE),
        )
    )
    engine = Engine(built.spec)
    before = engine.totals.runlists
    engine.run(horizon_ns)
    done = Counter(map(int, engine.log["thread"]))
    totals = engine.totals
    return Played(
        tuple(tuple(done[thread] for thread in member.threads) for member in built.members),
        len(built.queues),
        totals.runlists - before,
        totals.rotations,
        horizon_ns / 1e9,
    )
