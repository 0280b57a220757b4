"""Runs of the stack under stated rules: processes, the streams they create, the kernels they launch, their end."""

from __future__ import annotations

from functools import cached_property

from ringscope.join import Case, State, case_of
from ringscope.join.queues import JoinedQueue
from ringscope.parts.aql import PACKET_DWORDS
from ringscope.recording import Event, Kind
from ringscope.records import dataclass, field
from ringscope.snapshot import Packet
from ringscope.stack.firmware import FirmwareSpec
from ringscope.stack.hip import HipSettings, Stream
from ringscope.stack.kfd import Kfd
from ringscope.stack.machine import DriverSpec, MachineSpec
from ringscope.stack.program import Program
from ringscope.stack.rocm import RocmVersion

PART = "mi308x"
PID = 94314
STREAMS, KERNELS = 16, 6
"""Streams of the notes' test program, and the kernels it launches on each."""
NORMAL = (0,) * STREAMS


@dataclass(frozen=True)
class Rules:
    """The rules that the stack plays by. The defaults are those of the notes' machine; a claim may change one more."""

    driver: DriverSpec = field(default_factory=DriverSpec)
    firmware: FirmwareSpec = field(default_factory=FirmwareSpec)
    rocm: RocmVersion = field(default_factory=lambda: RocmVersion((7, 0)))
    hip: HipSettings = field(default_factory=HipSettings)
    hard_coded_normal: bool = False


@dataclass(eq=False)
class Run:
    """Processes on a modelled machine, still running.

    ``streams`` holds, per process, the priorities of the streams it creates.
    """

    machine: MachineSpec
    rules: Rules
    streams: tuple[tuple[int, ...], ...]
    pids: tuple[int, ...]
    kfd: Kfd = field(init=False)
    programs: list[Program] = field(init=False, default_factory=list)
    created: list[tuple[int, Stream]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.kfd = Kfd(self.machine, self.rules.firmware)
        for pid, priorities in zip(self.pids, self.streams, strict=True):
            self.start(pid, priorities)

    def start(self, pid: int, priorities: tuple[int, ...]) -> Program:
        """Start a process and let it create its streams."""
        rules = self.rules
        nodes = self.machine.nodes[:1]
        program = Program(self.kfd, nodes, pid, rules.rocm, rules.hip, hard_coded_normal=rules.hard_coded_normal)
        self.programs.append(program)
        self.create(program, priorities)
        return program

    def create(self, program: Program, priorities: tuple[int, ...]) -> None:
        """Let a process create streams."""
        for priority in priorities:
            self.created.append((program.pid, program.devices[0].stream_create(priority)))

    @property
    def gpu(self) -> int:
        """The device that everything runs on."""
        return self.machine.nodes[0].gpu_id

    @property
    def hiq_dwords(self) -> int:
        """Write pointer of the HIQ; 0 where the scheduler has none."""
        hiq = self.kfd.node(self.gpu).hiq
        return hiq.wptr_dwords if hiq else 0

    def state(self, label: str = "stack") -> State:
        """The state now, joined as a capture's is."""
        return case_of((self.kfd.snapshot(label),)).states[0]

    @property
    def runlist(self) -> tuple[Packet, ...]:
        """Packets of the loaded runlist; none without one."""
        device = self.kfd.snapshot().device(self.gpu)
        return device.runlist.packets if device and device.runlist else ()

    @cached_property
    def queues(self) -> tuple[JoinedQueue, ...]:
        """The queues when first asked, process by process, newest first."""
        return self.state().queues

    def of(self, pid: int) -> list[JoinedQueue]:
        """Queues of a process, oldest first."""
        return [queue for queue in reversed(self.queues) if queue.pid == pid]

    def launch(self, kernels: int = KERNELS) -> int:
        """Run ``kernels`` kernels on every stream, one packet each, doorbell by doorbell; how many that were."""
        packets: dict[tuple[int, int], int] = {}
        for _ in range(kernels):
            for pid, stream in self.created:
                queue = (pid, stream.queue.hsa.kmt.queue_id)
                packets[queue] = packets.get(queue, 0) + 1
                self.kfd.progress(*queue, packets[queue] * PACKET_DWORDS, packets[queue] * PACKET_DWORDS)
        return sum(packets.values())

    def events(self, kind: Kind) -> list[Event]:
        """What the driver noted of one kind."""
        return [event for event in self.kfd.events if event.kind is kind]

    def ioctls(self, kind: Kind) -> list[Event]:
        """Calls of one kind that the processes made into the driver."""
        return [event for program in self.programs for event in program.journal.layer("thunk") if event.kind is kind]


@dataclass(frozen=True)
class Life:
    """A program from start to end: HIQ write pointers after each stage, and the joined states."""

    case: Case
    hiq: tuple[int, int, int, int]
    kernels: int

    @property
    def moved(self) -> tuple[int, int, int]:
        """HIQ dwords while queues were created, while kernels ran, while queues went."""
        return self.hiq[1] - self.hiq[0], self.hiq[2] - self.hiq[1], self.hiq[3] - self.hiq[2]


def life(run: Run, streams: tuple[int, ...] = NORMAL, kernels: int = KERNELS) -> Life:
    """Let a process with no streams yet live its life: create them, launch kernels, end in order."""
    (program,) = run.programs
    states = [run.kfd.snapshot("before")]
    hiq = [run.hiq_dwords]
    run.create(program, streams)
    states.append(run.kfd.snapshot("created"))
    hiq.append(run.hiq_dwords)
    launched = run.launch(kernels)
    states.append(run.kfd.snapshot("ran"))
    hiq.append(run.hiq_dwords)
    program.exit()
    states.append(run.kfd.snapshot("after"))
    hiq.append(run.hiq_dwords)
    return Life(case_of(tuple(states)), (hiq[0], hiq[1], hiq[2], hiq[3]), launched)
