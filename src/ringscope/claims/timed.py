"""A steady load on the queues that a run of the stack made, played in time by the engine.

The notes never describe their workload, so nothing here is fitted to it: the load is one that fills the part, and what
counts is one run beside another.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ringscope.claims.runs import Run
from ringscope.stack.firmware import SlotOrder
from ringscope.stack.kfd.mqd import cu_masks
from ringscope.stack.machine import NodeSpec, Scheduling

if TYPE_CHECKING:
    from ringscope.engine.spec import Machine, Spec

HALF_SECOND_NS = 500_000_000


@dataclass(frozen=True)
class Load:
    """What each process does: so many streams send requests in closed loops, each of dependent kernels.

    ``workgroups`` of 4 waves and 32 KiB LDS are those of a kernel, two of which fit a CU; ``cus`` limits the process to
    as many CUs, as HSA_CU_MASK does; ``by_priority`` lets cp_hqd_pipe_priority decide who gets a free CU, which no
    source says of the hardware.
    """

    streams: int = 4
    kernels: int = 10
    workgroups: int = 320
    workgroup_ns: int = 85_000
    think_ns: int = 50_000
    cus: int | None = None
    by_priority: bool = False


@dataclass(frozen=True)
class Played:
    """What came of it.

    ``streams`` are the requests that each stream of each process finished, ``runlists`` those sent after the start,
    ``rotations`` how often the firmware mapped another part of a runlist that does not fit.
    """

    streams: tuple[tuple[int, ...], ...]
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


def play(run: Run, load: Load, time_ns: int = HALF_SECOND_NS) -> Played:
    """Let every process of a run work for ``time_ns``."""
    from ringscope.engine.run import Engine  # noqa: PLC0415 - compiles; most claims do without

    engine = Engine(_spec(run, load))
    before = engine.totals.runlists
    engine.run(time_ns)
    done = Counter(map(int, engine.log["thread"]))
    per_process = [range(place * load.streams, (place + 1) * load.streams) for place in range(len(run.pids))]
    streams = tuple(tuple(done[thread] for thread in threads) for threads in per_process)
    totals = engine.totals
    return Played(streams, totals.runlists - before, totals.rotations, time_ns / 1e9)


def _spec(run: Run, load: Load) -> Spec:
    from ringscope.engine import spec  # noqa: PLC0415
    from ringscope.engine.costs import costs_for  # noqa: PLC0415
    from ringscope.engine.policies import Policies, Priority  # noqa: PLC0415

    node = run.machine.nodes[0]
    mask = _mask(node, load.cus)
    order = _slots(node, run.rules.firmware.slot_order)
    listed = [queue for pid in reversed(run.pids) for queue in reversed(run.of(pid))]
    place = {(queue.pid, queue.queue.qid): index for index, queue in enumerate(listed)}
    fixed = {(process.pid, queue.qid): queue.slot for process in run.kfd.processes for queue in process.queues.values()}
    queues = tuple(
        spec.Queue(
            process=run.pids.index(queue.pid),
            rank=rank,
            pipe_priority=queue.pipe_priority or 0,
            queue_priority=queue.queue_priority or 0,
            slot=order.index(slot) if (slot := fixed[queue.pid, queue.queue.qid or 0]) else None,
            cu_mask=mask,
        )
        for rank, queue in enumerate(listed)
    )
    need = spec.Room(waves=4, vgprs=0, lds=32768)
    threads: list[spec.HostThread] = []
    sources: list[spec.Source] = []
    for pid in run.pids:
        mine = [stream for owner, stream in run.created if owner == pid][: load.streams]
        for stream in mine:
            kernel = spec.Packet(
                queue=place[pid, stream.queue.hsa.kmt.queue_id],
                workgroups=load.workgroups,
                time=spec.constant(load.workgroup_ns),
                need=need,
            )
            threads.append(spec.HostThread(len(sources), (kernel,) * load.kernels))
            sources.append(spec.Source(times=spec.constant(load.think_ns)))
    costs = costs_for(f"gfx{node.part.gfx}")
    policies = Policies(priority=Priority.PIPE if load.by_priority else Priority.NONE)
    return spec.Spec(_machine(node, order), queues, tuple(threads), tuple(sources), costs=costs, policies=policies)


def _machine(node: NodeSpec, order: list[tuple[int, int]]) -> Machine:
    from ringscope.engine.policies import Scheduler  # noqa: PLC0415
    from ringscope.engine.spec import Machine  # noqa: PLC0415

    return Machine(
        xccs=node.xccs,
        cus=tuple(map(sum, node.arrays)),
        pipes=node.part.mec_pipes,
        slots=tuple(pipe for pipe, _ in order),
        processes=node.processes_at_once,
        scheduler={
            Scheduling.CPSCH: Scheduler.CPSCH,
            Scheduling.NOCPSCH: Scheduler.NOCPSCH,
            Scheduling.MES: Scheduler.MES,
        }[node.scheduling],
    )


def _slots(node: NodeSpec, order: SlotOrder) -> list[tuple[int, int]]:
    """Slots in the order in which the firmware fills them."""
    return sorted(node.slots, key=None if order is SlotOrder.DOWN_A_PIPE else lambda slot: (slot[1], slot[0]))


def _mask(node: NodeSpec, cus: int | None) -> tuple[int, ...]:
    """The first ``cus`` CUs as the driver deals them out, a mask for every shader engine; empty for all."""
    if cus is None:
        return ()
    words = tuple(((1 << cus) - 1 >> 32 * i) & 0xFFFFFFFF for i in range(-(-cus // 32)))
    dealt = cu_masks(words, cus, xccs=node.xccs, arrays=node.arrays, wgp=node.gc >= (10,))
    return tuple(mask for xcc in dealt for mask in xcc)
