"""Where claims are checked: runs of the stack under stated rules, and real captures; each made once and kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ringscope.claims.claim import Finding, Method, Reason
from ringscope.errors import InputError
from ringscope.evidence.collect import collect
from ringscope.join import Case, State, case_of
from ringscope.join.queues import JoinedQueue
from ringscope.parts.aql import PACKET_DWORDS
from ringscope.recording import Event, Kind, Recording, Source
from ringscope.snapshot import Device
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


@dataclass
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
    def runlist(self) -> tuple[int, ...]:
        """Words of the loaded runlist; none without one."""
        runlist = self.kfd.scheduler(self.gpu).runlist
        return runlist.words if runlist else ()

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


@dataclass(frozen=True)
class View:
    """One process with the test program's streams, as a run of the stack or a capture shows it."""

    method: Method
    name: str
    state: State

    @property
    def queues(self) -> tuple[JoinedQueue, ...]:
        """Its compute queues, newest first."""
        return tuple(queue for queue in self.state.queues if queue.is_compute)

    @property
    def device(self) -> Device:
        """The device that its queues are on."""
        return next(device for device in self.state.snapshot.devices if device.gpu_id == self.queues[0].gpu_id)

    def registers(self, name: str, bits: str | None = None) -> list[int]:
        """A register of every MQD copy and of every slot that holds one of the queues."""
        images = [mqd.image for queue in self.queues for mqd in queue.queue.mqds]
        images += [slot.hqd.image for queue in self.queues for slot in queue.slots]
        return [image.get(name, bits) for image in images]

    def judge(self, holds: bool, text: str, *at: Source) -> Reason:
        """A reason of what this view shows, read at the queues' MQDs if not said otherwise."""
        if self.method is Method.STACK:
            return self.method.judge(holds, text)
        return self.method.judge(holds, f"{self.name}: {text}", *(at or (queue.queue.source for queue in self.queues)))


@dataclass(frozen=True)
class Captured:
    """One captured run, before, while and after the program held queues; ``state`` is while."""

    name: str
    case: Case
    state: State


@dataclass(frozen=True)
class Captures:
    """Real captures: runs of one program, and the runtime's logs of the same program."""

    runs: tuple[Captured, ...] = ()
    logs: tuple[Recording, ...] = ()


class Lab:
    """Runs and captures for the checks, each made once.

    Args:
        captures: a folder with a subfolder a run and logs beside them; None does without.
        rules: what the stack plays by.
    """

    def __init__(self, captures: Path | None = None, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self._captures = captures
        self._runs: dict[object, Run] = {}
        self._findings: dict[str, Finding] = {}

    # The stack

    def machine(self, part: str = PART, **driver: Any) -> MachineSpec:
        """A machine of one device under the lab's rules, some switches of the driver changed."""
        return replace(MachineSpec.of(part), driver=replace(self.rules.driver, **driver))

    def fresh(
        self,
        *streams: tuple[int, ...],
        pids: tuple[int, ...] = (),
        part: str = PART,
        firmware: FirmwareSpec | None = None,
        hip: HipSettings | None = None,
        **driver: Any,
    ) -> Run:
        """A run of its own, for checks that go on with it."""
        rules = replace(self.rules, firmware=firmware or self.rules.firmware, hip=hip or self.rules.hip)
        pids = pids or tuple(range(PID, PID + len(streams)))
        return Run(self.machine(part, **driver), rules, streams, pids)

    def run(self, *streams: tuple[int, ...], **kept: Any) -> Run:
        """The run of these processes, made when first asked for; arguments as :meth:`fresh`. Only to be looked at."""
        key = (streams, tuple(sorted(kept.items())))
        if key not in self._runs:
            self._runs[key] = self.fresh(*streams, **kept)
        return self._runs[key]

    def processes(self, count: int, **kept: Any) -> Run:
        """``count`` processes of 16 streams each."""
        return self.run(*(NORMAL,) * count, **kept)

    @cached_property
    def life(self) -> Life:
        """The test program from start to end."""
        return life(self.fresh(()))

    # Captures

    @cached_property
    def captures(self) -> Captures:
        """The real captures, read once; InputError when the folder holds none of an MI308X with queues."""
        if self._captures is None:
            return Captures()
        if not self._captures.is_dir():
            raise InputError("no such folder of captures", str(self._captures))
        entries = sorted(self._captures.iterdir())
        runs = []
        for folder in (path for path in entries if any(path.glob("**/hqds"))):
            capture = collect([folder])
            case = case_of(capture.snapshots, capture.recordings)
            if case.main is not None and _of_part(case.main):
                runs.append(Captured(folder.name, case, case.main))
        if not runs:
            raise InputError(
                "no capture of an MI308X with queues", str(self._captures), "give a folder with a subfolder a capture"
            )
        logs = [log for path in entries if path.suffix == ".log" for log in collect([path]).recordings]
        return Captures(tuple(runs), tuple(logs))

    def views(self) -> Iterator[View]:
        """One process with 16 streams: as the stack makes it, then as each capture shows it."""
        yield View(Method.STACK, "stack", self.processes(1).state())
        for captured in self.captures.runs:
            yield View(Method.CAPTURE, captured.name, captured.state)

    # Other claims

    def finding(self, claim_id: str) -> Finding:
        """What became of another claim."""
        from ringscope.claims.ledger import CLAIMS  # noqa: PLC0415 - the ledger imports every check, and they this

        if claim_id not in self._findings:
            self._findings[claim_id] = CLAIMS[claim_id].examine(self)
        return self._findings[claim_id]


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


def _of_part(state: State) -> bool:
    devices = [device for device in state.snapshot.devices if state.on(device)]
    return any(part.key == PART for device in devices for part, _ in state.parts(device))
