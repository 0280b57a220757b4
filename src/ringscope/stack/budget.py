"""What a launch needs of one logical GPU, held against what the GPU has; before anything runs.

The queues of a process are not reckoned by a formula: one process is played on the modelled stack, stage by stage, and
its queues are counted. The limits are asked of the same stack. So a rule that changes there changes here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum
from functools import cache

from ringscope.errors import InputError
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.records import dataclass, replace
from ringscope.stack.hip import HipSettings
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.doorbells import PER_PROCESS, Bar, Slice
from ringscope.stack.kfd.node import SdmaQueues
from ringscope.stack.kfd.process import MAX_PROCESSES
from ringscope.stack.kfd.records import CreateQueue, KfdError
from ringscope.stack.machine import MachineSpec, NodeSpec, Scheduling
from ringscope.stack.program import Program
from ringscope.stack.rocm import RocmVersion

MOST_RANKS = 4096
MOST_STREAMS = 4096
_PID = 1


class Mpi(Enum):
    """The MPI library between the ranks; the value is its name on the command line."""

    NONE = "none"
    OPENMPI = "openmpi"
    CRAY_MPICH = "cray-mpich"


@dataclass(frozen=True)
class MpiStreams:
    """Streams of NORMAL priority that a library creates in MPI_Init and at its first device-buffer collective."""

    init: int
    collective: int
    source: str


MPI_STREAMS = {
    Mpi.NONE: MpiStreams(0, 0, ""),
    Mpi.OPENMPI: MpiStreams(
        4,
        3,
        "queues a rank with GPU_MAX_HW_QUEUES 1, 2, 4, 8: 2, 3, 5, 6 after MPI_Init and 2, 3, 5, 9 after a device-"
        "buffer Allreduce (amd/HPCTrainingExamples, Open MPI 5.0.10, ROCm 7.2.2); above 8 it may be more",
    ),
    Mpi.CRAY_MPICH: MpiStreams(0, 0, "nobody published its count: taken as none of its own"),
}
"""What is known of each library. A named table, for no library documents it."""


DEFAULT_SETTINGS = HipSettings()
DEFAULT_ROCM = RocmVersion((7, 0))


@dataclass(frozen=True)
class Job:
    """What is launched on one logical GPU (a KFD node: a device in SPX, or one partition).

    Attributes:
        ranks: processes on it.
        streams: streams that the program itself creates, besides the null stream that it uses too.
        priorities: whether those streams are spread over the three priorities, high first.
        mpi: the MPI library.
        cooperative: whether ranks launch cooperatively.
        settings: HIP's environment variables, the same for all ranks.
        rocm: their ROCm release.
    """

    ranks: int
    streams: int = 0
    priorities: bool = False
    mpi: Mpi = Mpi.NONE
    cooperative: bool = False
    settings: HipSettings = DEFAULT_SETTINGS
    rocm: RocmVersion = DEFAULT_ROCM

    def __post_init__(self) -> None:
        if not 1 <= self.ranks <= MOST_RANKS:
            raise InputError(f"{self.ranks} ranks", todo=f"give 1 to {MOST_RANKS}")
        if not 0 <= self.streams <= MOST_STREAMS:
            raise InputError(f"{self.streams} streams", todo=f"give 0 to {MOST_STREAMS}")

    def with_cap(self, cap: int) -> Job:
        """The same with another GPU_MAX_HW_QUEUES."""
        return replace(self, settings=replace(self.settings, gpu_max_hw_queues=cap))


@dataclass(frozen=True)
class Stage:
    """Queues of one process at a point of its life; ``refused`` says why the driver gave no more, if it did not."""

    name: str
    compute: int
    sdma: int
    refused: str = ""


def _life(program: Program, job: Job) -> Iterator[tuple[str, Callable[[], object]]]:
    """What a process does, in order: (name of the stage, deed)."""
    hip = program.devices[0]
    mpi = MPI_STREAMS[job.mpi]

    def copies() -> None:
        with suppress(KfdError):  # without an SDMA queue ROCr copies by kernels
            program.rocr.copy_queues(hip.node)

    def streams(count: int, priorities: tuple[int, ...]) -> Callable[[], object]:
        return lambda: [hip.stream_create(priorities[i % len(priorities)]) for i in range(count)]

    yield "first kernel, on the null stream", hip.null_stream
    if job.streams:
        priorities = (-1, 0, 1) if job.priorities else (0,)
        yield f"its {job.streams} streams", streams(job.streams, priorities)
    yield "first copy", copies
    if mpi.init:
        yield "MPI_Init", streams(mpi.init, (0,))
    if mpi.collective:
        yield "first collective on device buffers", streams(mpi.collective, (0,))
    if job.cooperative:
        yield "first cooperative launch", hip.cooperative_queue


def play(kfd: Kfd, job: Job, pid: int) -> tuple[Stage, ...]:
    """One process of the job on the first node of a driver's machine; ends at the first refusal."""
    program = Program(kfd, kfd.machine.nodes[:1], pid, job.rocm, job.settings)
    rows = [Stage("before any HIP call", 0, 0)]
    for name, deed in _life(program, job):
        refused = ""
        try:
            deed()
        except KfdError as error:
            refused = error.why
        queues = kfd.process(pid).queues.values()
        compute = sum(queue.compute is not None for queue in queues)
        rows.append(Stage(name, compute, len(queues) - compute, refused))
        if refused:
            break
    return tuple(rows)


@cache
def stages(machine: MachineSpec, job: Job) -> tuple[Stage, ...]:
    """The queues of one process over its life on an otherwise empty machine; ``ranks`` does not matter here."""
    return play(Kfd(machine, keep_events=False), job, _PID)


@dataclass(frozen=True)
class Budget:
    """One limit of the GPU and what the launch needs of it.

    Attributes:
        name: what there is a limited number of.
        limit: how many.
        each: what one rank needs.
        need: what all ranks need together, or one rank where ``per_process``.
        beyond: what happens when it does not suffice.
        source: where the limit comes from.
        inferred: whether the limit is assumed and not known.
    """

    name: str
    limit: int
    each: int
    ranks: int
    beyond: str
    source: str
    per_process: bool = False
    inferred: bool = False

    @property
    def need(self) -> int:
        """What all ranks need together, or one where every process has its own."""
        return self.each if self.per_process else self.each * self.ranks

    @property
    def over(self) -> int:
        """By how much the need exceeds the limit."""
        return max(0, self.need - self.limit)

    @property
    def most_ranks(self) -> int:
        """How many ranks fit."""
        if self.per_process:
            return MOST_RANKS if self.each <= self.limit else 0
        return self.limit // self.each if self.each else MOST_RANKS


def _count(take: Callable[[], object]) -> int:
    """How often ``take`` succeeds before the driver refuses."""
    taken = 0
    try:
        while True:
            take()
            taken += 1
    except KfdError:
        return taken


@cache
def _sdma_limit(spec: NodeSpec) -> int:
    queues = SdmaQueues(spec)
    request = CreateQueue(spec.gpu_id, IoctlQueueType.SDMA, 0, 0, 0, 0)
    return _count(lambda: queues.allocate(request))


@cache
def _doorbell_limit(spec: NodeSpec) -> int:
    if not spec.soc15:
        return PER_PROCESS  # the queue id is the doorbell
    doorbells = Slice(Bar(spec), spec)
    return _count(lambda: doorbells.compute(0))


@cache
def _slots(machine: MachineSpec) -> int:
    return Kfd(machine, keep_events=False).snapshot().devices[0].slots_per_xcc


def budgets(machine: MachineSpec, job: Job) -> tuple[Budget, ...]:
    """Every limit of the first node of ``machine``, in the order a reader asks."""
    spec = machine.nodes[0]
    peak = stages(machine, job)[-1]
    static = spec.scheduling is Scheduling.NOCPSCH
    rotates = "queue creation fails" if static else "the firmware runs them in time slices"
    rows = [
        Budget(
            "hardware queue slots",
            _slots(machine),
            peak.compute,
            job.ranks,
            rotates,
            "slots of MEC1 that num_kcq leaves to KFD; more chain the runlist (pm_calc_rlib_size)",
        ),
        Budget(
            "processes at once (VMIDs)",
            spec.processes_at_once,
            1,
            job.ranks,
            rotates,
            "VMIDs of KFD, or hws_max_conc_proc (pm_calc_rlib_size)",
        ),
        Budget(
            "SDMA queues",
            _sdma_limit(spec),
            peak.sdma,
            job.ranks,
            "further ranks copy by kernels, which take compute queues",
            "engines x queues of each, less reserved ones (allocate_sdma_queue)",
            inferred=spec.part.sdma_engines is None,
        ),
        Budget(
            "queues of one process",
            spec.part.queues_per_process,
            peak.compute + peak.sdma,
            job.ranks,
            "queue creation fails",
            "pqm_create_queue",
            per_process=True,
        ),
        Budget(
            "doorbells of one process",
            _doorbell_limit(spec),
            peak.compute,
            job.ranks,
            "queue creation fails",
            "1024 less those that route to other engines (kfd_doorbell.c)",
            per_process=True,
        ),
        Budget(
            "processes of the driver", MAX_PROCESSES, 1, job.ranks, "opening /dev/kfd fails", "KFD_MAX_NUM_OF_PROCESSES"
        ),
    ]
    if job.cooperative:
        rows.append(Budget("cooperative queues", 1, 1, job.ranks, rotates, "gws_queue_count (pm_calc_rlib_size)"))
    return tuple(rows)


def binding(rows: tuple[Budget, ...]) -> Budget:
    """The limit that is reached first as ranks are added."""
    return min(rows, key=lambda row: row.most_ranks)


def fits(machine: MachineSpec, job: Job) -> bool:
    """Whether nothing is over and nothing refused."""
    return not stages(machine, job)[-1].refused and not any(row.over for row in budgets(machine, job))


def most_ranks(machine: MachineSpec, job: Job) -> int:
    """How many ranks of this kind fit; 0 when not even one does."""
    if stages(machine, job)[-1].refused:
        return 0
    return binding(budgets(machine, job)).most_ranks


@dataclass(frozen=True)
class Fix:
    """One change that makes it fit: what to turn (``knob``), and what that gives."""

    knob: str
    gives: str


def fixes(machine: MachineSpec, job: Job) -> tuple[Fix, ...]:
    """Changes that make a launch fit, found by trying: least intrusive first. Empty when it fits or nothing helps."""
    if fits(machine, job):
        return ()
    cap = job.settings.gpu_max_hw_queues
    found = []
    by_cap = {c: most_ranks(machine, job.with_cap(c)) for c in range(min(cap, 32), 0, -1)}
    enough = next((c for c, ranks in by_cap.items() if ranks >= job.ranks), None)
    if enough is not None:
        found.append(Fix(f"GPU_MAX_HW_QUEUES={enough}", _room(machine, job.with_cap(enough))))
    if most := most_ranks(machine, job):
        fewer = replace(job, ranks=most)
        found.append(Fix(f"{most} ranks on this GPU", _room(machine, fewer)))
    best = max(by_cap, key=lambda c: (by_cap[c], c))
    if enough is None and by_cap[best] > most:
        fewer = replace(job.with_cap(best), ranks=by_cap[best])
        found.append(Fix(f"GPU_MAX_HW_QUEUES={best} and {by_cap[best]} ranks on this GPU", _room(machine, fewer)))
    found += _other_modes(machine, job)
    found += _fewer_kernel_rings(machine, job)
    return tuple(found)


def _room(machine: MachineSpec, job: Job) -> str:
    slots = budgets(machine, job)[0]
    return f"{slots.need} of {slots.limit} slots"


def _other_modes(machine: MachineSpec, job: Job) -> Iterator[Fix]:
    """Partition modes in which the ranks, spread evenly over the device's nodes, fit."""
    device = machine.devices[0]
    now = len(device.gpu_ids)
    total = job.ranks * now
    for mode in device.part.partitions:
        if mode.nodes == now:
            continue
        other = replace(MachineSpec.of(device.part.key, partition=mode.name), driver=machine.driver)
        spread = replace(job, ranks=-(-total // mode.nodes))
        if fits(other, spread):
            where = f"{spread.ranks} ranks on each of {mode.nodes}" if mode.nodes > 1 else f"{total} ranks"
            yield Fix(f"{mode.name} mode, {where}", _room(other, spread))


def _fewer_kernel_rings(machine: MachineSpec, job: Job) -> Iterator[Fix]:
    """The largest amdgpu.num_kcq with which it fits."""
    for rings in range(machine.driver.kernel_compute_rings - 1, -1, -1):
        other = replace(machine, driver=replace(machine.driver, num_kcq=rings))
        if fits(other, job):
            yield Fix(f"amdgpu.num_kcq={rings} at boot", _room(other, job))
            return
