"""What time-slicing costs a launch whose ranks wait for each other: simulated, queue by queue.

The ranks of a :class:`~ringscope.stack.budget.Job` are played on the stack and go through steps as a stencil code does:
every rank runs a kernel on its null stream, all wait for all, every rank exchanges on the queue its library made last,
all wait for all. Run once with the slots and VMIDs there are and once with enough for everybody; the difference is what
over-subscription costs. Ranks wait at every meeting until the last of them is mapped again, so the cost lies in the
exchange and hardly depends on how long the kernels are; a model of throughput alone does not see it.

That a step has :data:`MEETINGS` is calibrated: on AMD's published runs of one code version (Ver6), and held against the
two others (tests).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringscope.engine.costs import costs_for
from ringscope.engine.spec import HostThread, Op, Packet, Queue, Room, Source, Spec, constant
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.records import dataclass, replace
from ringscope.scenario.build import engine_machine
from ringscope.stack.budget import Job, play, stages
from ringscope.stack.kfd import Kfd
from ringscope.stack.machine import MachineSpec

if TYPE_CHECKING:
    from ringscope.engine.run import Engine
    from ringscope.recording import Recording
    from ringscope.scenario.record import Names

FIDELITY = (
    Behaviour(
        "launch.meetings",
        "ranks of a stencil code wait for each other twice a step",
        Standing.CALIBRATED,
        "GROMACS-like halo exchanges on an MI300A",
        "AMD's runs of Ver6; Ver1 and Ver8 are predicted",
        "tests/scenario/test_launch.py::test_the_meetings_of_a_step_are_those_that_fit_the_calibration_best",
    ),
)

MEETINGS = 2
"""Times a step that all ranks wait for each other: after the kernel and after the exchange."""
STEPS = 20
EXCHANGE_NS = 20_000
"""A small kernel that packs or moves a halo; what it takes does not show beside a turn of the firmware's."""
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

    @property
    def wait_ns(self) -> int:
        """What one meeting waits for queues to be mapped again."""
        return max(0, self.ns - self.alone_ns) // MEETINGS


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
    step = (
        *(Packet(queue=q, workgroups=groups, time=constant(kernel_ns), need=_WAVES) for q in compute),
        Packet(op=Op.SYNC),
        *(Packet(queue=q, workgroups=1, time=constant(EXCHANGE_NS), need=_WAVES) for q in exchange),
        Packet(op=Op.SYNC),
    )
    names = Names(
        f"{STEPS} steps", node.gpu_id, tuple((rank, queue.qid) for rank, own in held for queue in own), tuple(slots)
    )
    costs = costs_for(f"gfx{node.part.gfx}")
    return names, Spec(hardware, tuple(queues), (HostThread(0, step),), (Source(limit=STEPS),), costs=costs)


def _played(spec: Spec) -> Engine:
    from ringscope.engine.run import Engine  # noqa: PLC0415 - brings Numba along

    engine = Engine(spec)
    while len(engine.log) < STEPS:
        # Not further than needed: an over-subscribed runlist goes round for ever.
        engine.run(engine.now + _STRETCH_NS)
    return engine


def _step_ns(engine: Engine) -> int:
    return int(engine.log["done"].max()) // STEPS
