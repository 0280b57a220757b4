"""What time-slicing costs a launch whose ranks wait for each other: simulated, queue by queue.

The ranks of a :class:`~ringscope.stack.budget.Job` are played on the stack and exchange halos as a stencil code does
(:mod:`.halo`): every rank runs a kernel on its null stream and a few short ones, then waits for its neighbours on a
grid, whose halos the MPI library copies between device buffers on the queue it made last. Run once with the slots and
VMIDs there are and once with enough for everybody; the difference is what over-subscription costs. It lies in the
waiting and hardly depends on how long the kernels are; a model of throughput alone does not see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringscope.engine.costs import costs_for
from ringscope.engine.spec import HostThread, Packet, Queue, Room, Source, Spec, constant
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.records import dataclass, replace
from ringscope.scenario.build import engine_machine
from ringscope.scenario.halo import Exchange, Program
from ringscope.stack.budget import Job, play, stages
from ringscope.stack.kfd import Kfd
from ringscope.stack.machine import MachineSpec

if TYPE_CHECKING:
    from ringscope.engine.run import Engine
    from ringscope.recording import Recording
    from ringscope.scenario.record import Names

FIDELITY = (
    Behaviour(
        "launch.exchange",
        "ranks wait for their neighbours on a grid, and MPI copies halos between device buffers",
        Standing.INFERRED,
        "launches whose program is not known: a stencil code under a GPU-aware MPI",
        "GhostExchange_ArrayAssign_HIP Ver6 of amd/HPCTrainingExamples; held against AMD's runs of Ver1, Ver6 and Ver8",
        "tests/scenario/test_launch.py::test_the_order_of_slow_downs_of_published_runs",
    ),
)

STEPS = 20
SMALL_NS = 10_000
"""A kernel that packs or moves a halo; what it takes does not show beside a turn of the firmware's."""
MOST_QUEUES = 1024
_STRETCH_NS = 100_000_000
_WAVES = Room(waves=4, vgprs=0, lds=0)


@dataclass(frozen=True)
class StepCost:
    """One step of the launch, nanoseconds: as it would be ``alone_ns`` with room for every queue, and as it is."""

    alone_ns: int
    ns: int

    @property
    def slower(self) -> float:
        """How many times as long."""
        return self.ns / self.alone_ns


def step_cost(machine: MachineSpec, job: Job, kernel_ns: int = 1_000_000) -> StepCost | None:
    """Simulate a step whose kernel takes ``kernel_ns`` on every rank; None beyond :data:`MOST_QUEUES` queues."""
    if stages(machine, job)[-1].compute * job.ranks > MOST_QUEUES:
        return None
    names, spec = _steps(machine, job, kernel_ns)
    hardware = spec.machine
    slots = hardware.slots * -(-len(names.queues) // len(hardware.slots))
    room = replace(spec, machine=replace(hardware, slots=slots, processes=job.ranks))
    return StepCost(_step_ns(_played(room)), _step_ns(_played(spec)))


def recorded(machine: MachineSpec, job: Job, kernel_ns: int = 1_000_000) -> Recording:
    """The steps of :func:`step_cost` on the slots there are, played once more: who held which slot, and what ran."""
    from ringscope.engine.run import Engine  # noqa: PLC0415 - brings Numba along
    from ringscope.scenario.record import recording  # noqa: PLC0415

    names, spec = _steps(machine, job, kernel_ns)
    engine = Engine(spec, trace=True)
    engine.run(STEPS * _step_ns(_played(spec)))
    return recording(names, engine)


def _steps(machine: MachineSpec, job: Job, kernel_ns: int) -> tuple[Names, Spec]:
    """The ranks of the job, going through their steps; and what their queues and slots are called."""
    from ringscope.scenario.record import Names  # noqa: PLC0415 - brings Numba along

    node = machine.nodes[0]
    kfd = Kfd(machine, keep_events=False)
    for rank in range(job.ranks):
        play(kfd, job, rank)
    held = [
        (rank, [queue for queue in process.queues.values() if queue.compute is not None])
        for rank, process in enumerate(kfd.processes)
        if process.queues
    ]
    count = sum(len(queues) for _, queues in held)
    # A runlist names the newest process and its newest queue first.
    queues = [Queue(process=rank, rank=count - 1 - at) for at, rank in enumerate(r for r, own in held for _ in own)]
    first = [sum(len(own) for _, own in held[:at]) for at in range(len(held))]
    # Each process has ROCr's queue first, then that of the null stream; the newest is the one its library made last.
    compute = [at + min(1, len(own) - 1) for at, (_, own) in zip(first, held, strict=True)]
    exchange = [at + len(own) - 1 for at, (_, own) in zip(first, held, strict=True)]
    slots = kfd.node(node.gpu_id).mec.fill_order
    hardware = engine_machine(node, slots)
    groups = max(1, hardware.compute_units // job.ranks)

    def packets(queues: list[int], workgroups: int, time_ns: int) -> list[Packet]:
        return [Packet(queue=queue, workgroups=workgroups, time=constant(time_ns), need=_WAVES) for queue in queues]

    program = Program(
        Exchange.DEVICE,
        packets(compute, groups, kernel_ns),
        packets(compute, 1, SMALL_NS),
        packets(exchange, 1, SMALL_NS),
    )
    for _ in range(STEPS):
        program.iteration()
    names = Names(
        f"{STEPS} steps", node.gpu_id, tuple((rank, queue.qid) for rank, own in held for queue in own), tuple(slots)
    )
    costs = costs_for(f"gfx{node.part.gfx}")
    return names, Spec(
        hardware, tuple(queues), (HostThread(0, tuple(program.packets)),), (Source(limit=1),), costs=costs
    )


def _played(spec: Spec) -> Engine:
    from ringscope.engine.run import Engine  # noqa: PLC0415 - brings Numba along

    engine = Engine(spec)
    while not len(engine.log):
        # Not further than needed: an over-subscribed runlist goes round for ever.
        engine.run(engine.now + _STRETCH_NS)
    return engine


def _step_ns(engine: Engine) -> int:
    return int(engine.log["done"].max()) // STEPS
