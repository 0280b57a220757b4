"""From a scenario to a run: its processes are played on the stack, and the engine is given what came of it.

Which HSA queue a stream gets, the KFD queue behind it, its priority, CU mask and slot, the order of the runlist and who
schedules at all are the stack's answers; here they are only put into the engine's arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import count

from ringscope.engine import spec as engine
from ringscope.engine.costs import QUEUE_CREATE_NS, costs_for
from ringscope.engine.policies import Placement, Scheduler
from ringscope.engine.state import State, rounds
from ringscope.errors import InputError
from ringscope.parts.catalogue import Device
from ringscope.parts.mqd import PIPE_PRIORITY
from ringscope.records import dataclass, replace
from ringscope.scenario.changes import Call, Diary, Life, destroy
from ringscope.scenario.schema import (
    SCHEDULERS,
    Copy,
    DeviceChoice,
    Does,
    Kernel,
    KernelTime,
    ProcessKind,
    Scenario,
    Step,
)
from ringscope.snapshot import Snapshot
from ringscope.stack.hip import HipSettings
from ringscope.stack.journal import TICK_NS
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.process import Queue as KfdQueue
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.kfd.scheduler.cpsch import Cpsch
from ringscope.stack.machine import PROPOSALS, MachineSpec, NodeSpec, SchedPolicy, Scheduling
from ringscope.stack.program import Program
from ringscope.stack.rehearse import FIRST_PID
from ringscope.stack.rocm import RocmVersion

QUEUE_DESTROY_NS = 2_300_000
"""Between two deletions of HSA queues: 2.2 to 2.4 ms on an MI308X (ROCm 7.0.2 log)."""
MAX_ROWS = 100_000
"""Steps of all host threads together."""
MAX_CHANGES = 20_000
"""Queues that come and go during one run."""
RING_PACKETS = 16_384
"""Of the queue that a process creates and destroys again and again; as HIP's."""
_SCHEDULERS = {
    Scheduling.CPSCH: Scheduler.CPSCH,
    Scheduling.NOCPSCH: Scheduler.NOCPSCH,
    Scheduling.MES: Scheduler.MES,
}


@dataclass(frozen=True)
class Member:
    """One process of the scenario: its kind, its pid, and the host threads (one a stream) by number in the spec."""

    kind: ProcessKind
    pid: int
    threads: range


@dataclass(frozen=True)
class Built:
    """A scenario ready to run.

    ``kfd`` is the driver once every process is there, ``life`` every call that it gets. ``queues`` are its queues in
    the order of the spec's; ``slots`` is ``(pipe, queue)`` of every slot in the order of
    :attr:`ringscope.engine.spec.Machine.slots`; ``limits`` says why the device is over-subscribed once every process is
    there (empty: it is not); ``broken`` what a scheduler variant breaks in the driver.
    """

    scenario: Scenario
    node: NodeSpec
    kfd: Kfd
    life: Life
    members: tuple[Member, ...]
    queues: tuple[KfdQueue, ...]
    slots: tuple[tuple[int, int], ...]
    limits: tuple[str, ...]
    broken: tuple[str, ...]
    spec: engine.Spec

    def snapshot(self, state: State, label: str) -> Snapshot:
        """What the driver's files would show with the engine in ``state``: who sits where, and how far rings are."""
        kfd = self.life.until(int(state.g[0]["now"]))[0] if self.life.calls else self.kfd
        there = {(process.pid, qid): queue for process in kfd.processes for qid, queue in process.queues.items()}
        mec = kfd.node(self.node.gpu_id).mec
        mec.unmap()
        seats = {int(q): self.slots[slot] for slot, q in enumerate(state.slot) if q >= 0}
        vmids: dict[int, int] = {}
        for index, made in enumerate(self.queues):
            queue = there.get(_key(made))
            if queue is None or queue.compute is None:
                continue
            row = state.queue[index]
            read = int(row["done_packets"])
            waiting = sum(1 for p in state.packet if int(p["queue"]) == index and int(p["state"]) == 1)
            kfd.progress(queue.home.process.pid, queue.qid, read * 16, (read + waiting) * 16)
            if index in seats:
                pid = queue.home.process.pid
                vmids.setdefault(pid, self.node.vmids[len(vmids)])
                mec.load(queue.compute, *seats[index], vmids[pid])
        return kfd.snapshot(label)


def _key(queue: KfdQueue) -> tuple[int, int]:
    return queue.home.process.pid, queue.qid


def machine_of(device: DeviceChoice) -> MachineSpec:
    """The stack's machine for a device; InputError when the part cannot be scheduled as asked."""
    wanted, _, variant = (device.scheduler or "").partition(":")
    if device.scheduler is not None and device.scheduler not in SCHEDULERS:
        raise InputError(f"{device.scheduler!r} is no scheduler", todo=f"one of {', '.join(SCHEDULERS)}")
    policy = SchedPolicy.NO_HWS if wanted == "nocpsch" else SchedPolicy.HWS
    # Hybrid asks which processes get static slots: the first one.
    given = {"static_pids": frozenset({FIRST_PID})} if variant == "hybrid" else {}
    machine = MachineSpec.of(
        device.gpu,
        partition=device.partition,
        num_kcq=device.num_kcq,
        hws_max_conc_proc=device.hws_max_conc_proc,
        queue_ids=device.queue_ids,
        sched_policy=policy,
        proposal=PROPOSALS[variant](**given) if variant else None,
    )
    real = machine.nodes[0].scheduling.value
    if wanted and wanted != real:
        raise InputError(
            f"{device.gpu} is scheduled by {real}, not {wanted}", "device.scheduler", f"leave it out or give {real}"
        )
    return machine


def engine_machine(node: NodeSpec, slots: tuple[tuple[int, int], ...]) -> engine.Machine:
    """What of a KFD node the engine has to know."""
    part = node.part
    return engine.Machine(
        xccs=node.xccs,
        cus=tuple(map(sum, node.arrays)),
        cu=engine.Room(
            waves=part.simd_per_cu * part.waves_per_simd,
            vgprs=part.simd_per_cu * engine.VGPR_UNITS_PER_SIMD,
            lds=part.lds_bytes,
            workgroups=part.simd_per_cu * part.waves_per_simd,
        ),
        pipes=part.mec_pipes,
        slots=tuple(pipe for pipe, _ in slots),
        processes=node.processes_at_once,
        sdma_engines=sum(node.sdma_engines),
        scheduler=_SCHEDULERS[node.scheduling],
    )


def room(part: Device, waves: int, vgprs: int, lds: int) -> engine.Room:
    """What a workgroup of so many waves takes of a CU: ``vgprs`` registers a wave, ``lds`` bytes."""
    per_simd = part.vgpr_bytes_per_cu // (part.simd_per_cu * part.wave_size * 4)
    units = engine.vgpr_units(waves, vgprs, per_simd, 8 if per_simd >= 512 else 4, part.waves_per_simd)
    return engine.Room(waves, units, lds)


@dataclass(frozen=True)
class Role:
    """What of a :class:`ProcessKind` the stack sees.

    ``copies``: whether it needs copy queues; ``churns``: whether it has one more queue that comes and goes.
    """

    count: int
    streams: tuple[int, ...]
    hw_queues: int
    cu_mask: int
    copies: bool
    churns: bool

    @classmethod
    def of(cls, kind: ProcessKind) -> Role:
        """The role of a kind."""
        copies = any(step.does is Does.COPY for step in _flat(kind))
        return cls(kind.count, kind.streams, kind.hw_queues, kind.cu_mask, copies, bool(kind.churn_ns))


@dataclass(frozen=True)
class Actor:
    """One process on the stack: all its queues, the one behind each stream, those that copy; and its calls.

    The one that comes and goes, if any, is the last, and the last call creates it.
    """

    pid: int
    queues: tuple[KfdQueue, ...]
    rings: tuple[KfdQueue, ...]
    engines: tuple[KfdQueue, ...]
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Played:
    """The stack once every process is there; ``slots`` in the order in which the firmware fills them."""

    machine: MachineSpec
    node: NodeSpec
    kfd: Kfd
    slots: tuple[tuple[int, int], ...]
    actors: tuple[Actor, ...]

    @cached_property
    def hardware(self) -> engine.Machine:
        """The node, to the engine."""
        return engine_machine(self.node, self.slots)


Play = Callable[[DeviceChoice, tuple[Role, ...]], Played]


def play(device: DeviceChoice, roles: tuple[Role, ...]) -> Played:
    """Let the processes make their streams on the modelled stack; the same answer whenever it is asked the same.

    Raises:
        InputError: the part cannot be had like that.
        KfdError: the driver refuses a queue.
    """
    machine = machine_of(device)
    node = machine.nodes[0]
    kfd = Kfd(machine, now=count(0, TICK_NS).__next__)
    diary = Diary(kfd)
    rocm = RocmVersion.parse(device.rocm)
    slots = kfd.node(node.gpu_id).mec.fill_order
    actors: list[Actor] = []
    try:
        for role in roles:
            for _ in range(role.count):
                actors.append(_act(role, diary, node, FIRST_PID + len(actors), rocm))
    except KfdError as error:
        broken = [breakage.what for breakage in kfd.breakages if breakage.what != error.why]
        if not broken:
            raise
        raise KfdError(error.errno, f"{error.why} ({device.scheduler}: {broken[-1]})") from error
    kfd.flush(node.gpu_id)
    return Played(machine, node, kfd, slots, tuple(actors))


def _act(role: Role, diary: Diary, node: NodeSpec, pid: int, rocm: RocmVersion) -> Actor:
    first = len(diary.calls)
    program = Program(diary, (node,), pid, rocm, HipSettings(gpu_max_hw_queues=role.hw_queues))
    device = program.devices[0]
    if role.cu_mask:
        streams = [device.stream_create_with_cu_mask(role.cu_mask) for _ in role.streams]
    else:
        streams = [device.stream_create(priority) for priority in role.streams]
    sdma = [queue.queue_id for queue in program.rocr.copy_queues(node)] if role.copies else []
    if role.churns:
        program.rocr.queue_create(node, RING_PACKETS)
    queues = diary.kfd.process(pid).queues
    rings = tuple(queues[stream.queue.hsa.kmt.queue_id] for stream in streams)
    engines = tuple(queues[qid] for qid in sdma)
    return Actor(pid, tuple(queues.values()), rings, engines, tuple(diary.calls[first:]))


def build(scenario: Scenario, play: Play = play) -> Built:
    """Play the processes on the stack and put the outcome into an engine spec.

    Many scenarios that the stack cannot tell apart may share a ``play`` that remembers; their snapshots may not be
    taken then, for they would write to one :class:`Kfd`.

    Raises:
        InputError: the scenario asks for what the part or the engine cannot do.
        KfdError: the driver refuses a queue.
    """
    played = play(scenario.device, tuple(map(Role.of, scenario.processes)))
    try:
        assembly = _Assembly(scenario, played)
        kinds = (kind for kind in scenario.processes for _ in range(kind.count))
        for kind, actor in zip(kinds, played.actors, strict=True):
            assembly.add(kind, actor)
        return assembly.finish()
    except engine.SpecError as error:
        raise InputError(str(error), scenario.name) from error


class _Assembly:
    """Collects queues, host threads and changes, process by process."""

    def __init__(self, scenario: Scenario, played: Played) -> None:
        self.scenario, self.played = scenario, played
        self.node, self.kfd = played.node, played.kfd
        self.requests = Requests(scenario, played)
        self.costs = costs_for(f"gfx{self.node.part.gfx}", **scenario.costs)
        self.queues: list[KfdQueue] = []
        self.number: dict[KfdQueue, int] = {}
        self.threads: list[engine.HostThread] = []
        self.sources: list[engine.Source] = []
        self.before: list[Call] = []
        self.calls: list[tuple[int, Call]] = []
        self.late: set[KfdQueue] = set()
        self.members: list[Member] = []
        self.rows = 0

    def add(self, kind: ProcessKind, actor: Actor) -> None:
        """One more process: its streams, its copy queues where it copies, its host threads."""
        mine = list(actor.queues)
        for queue in mine:
            self.number[queue] = len(self.queues)
            self.queues.append(queue)
        ready = self._life(kind, actor)
        rings = [self.number[queue] for queue in actor.rings]
        engines = [self.number[queue] for queue in actor.engines]
        first = len(self.threads)
        shared = self._source(kind, ready) if kind.arrival != "closed" else None
        for stream in range(len(rings)):
            source = self._source(kind, ready) if shared is None else shared
            packets = self.requests.packets(kind, rings, engines, stream)
            self.rows += len(packets)
            if self.rows > MAX_ROWS:
                raise InputError(f"the requests have more than {MAX_ROWS} steps", self.scenario.name)
            self.threads.append(engine.HostThread(source, packets))
        self.members.append(Member(kind, actor.pid, range(first, len(self.threads))))

    def _life(self, kind: ProcessKind, actor: Actor) -> int:
        """The calls that bring the process's queues and take them away; when the process is ready."""
        calls, stays = list(actor.calls), list(actor.queues)
        comes = calls.pop() if kind.churn_ns else None
        if kind.churn_ns:
            self.late.add(stays.pop())
        ready = kind.start_ns or 0
        if kind.start_ns is None:
            self.before += calls
        else:
            self.late.update(stays)
            for call in calls:
                ready += QUEUE_CREATE_NS if call.change is engine.Change.CREATE else 0
                self.calls.append((ready, call))
        if kind.stop_ns is not None:
            stop = max(kind.stop_ns, ready)  # whoever is still starting cannot stop yet
            for position, queue in enumerate(stays):
                self.calls.append((stop + position * QUEUE_DESTROY_NS, destroy(*_key(queue))))
        if comes is not None:
            self._churn(kind, ready, comes)
        return ready

    def _churn(self, kind: ProcessKind, ready: int, comes: Call) -> None:
        """A queue created and destroyed again and again; processes that are alike take turns."""
        turn = kind.churn_ns * sum(member.kind is kind for member in self.members) // kind.count
        last = self.scenario.horizon_ns if kind.stop_ns is None else kind.stop_ns
        times = range(ready + turn + kind.churn_ns // 2 + 1, last - kind.churn_ns // 2, kind.churn_ns)
        if len(self.calls) + 2 * len(times) > MAX_CHANGES:
            raise InputError(f"more than {MAX_CHANGES} queues come and go", self.scenario.name)
        goes = destroy(comes.pid, comes.queue_id)
        self.calls += [at for time in times for at in ((time, comes), (time + kind.churn_ns // 2, goes))]

    def _source(self, kind: ProcessKind, ready: int) -> int:
        self.sources.append(source(kind, ready))
        return len(self.sources) - 1

    def finish(self) -> Built:
        """The spec, now that every process is there."""
        slots = self.played.slots
        scheduler = self.kfd.scheduler(self.node.gpu_id)
        order: list[KfdQueue] = []
        limits: tuple[str, ...] = ()
        if isinstance(scheduler, Cpsch):
            runlist = scheduler.runlist
            order = [queue for home in runlist.processes for queue in home.newest_first()] if runlist else []
            limits = tuple(limit.value for limit in scheduler.limits)
        elif self.kfd.node(self.node.gpu_id).mec.waiting:
            limits = ("more queues than slots or VMIDs, which MES swaps",)
        self.calls.sort(key=lambda call: call[0])
        life = Life(self.played.machine, tuple(self.before), tuple(self.calls))
        controls, broken = self._controls(life)
        ranks = {queue: rank for rank, queue in enumerate(order)}
        homes = {pid: index for index, pid in enumerate(member.pid for member in self.members)}
        spec = engine.Spec(
            machine=self.played.hardware,
            queues=tuple(
                engine.Queue(
                    process=homes[queue.home.process.pid],
                    rank=ranks.get(queue, len(ranks) + number),
                    pipe_priority=PIPE_PRIORITY[queue.request.priority],
                    queue_priority=queue.request.priority,
                    slot=slots.index(queue.slot) if queue.slot is not None else None,
                    cu_mask=cu_mask(queue.cu_masks, self.node.arrays),
                    sdma_engine=queue.sdma.engine if queue.sdma is not None else None,
                    active=queue not in self.late,
                )
                for number, queue in enumerate(self.queues)
            ),
            threads=tuple(self.threads),
            sources=tuple(self.sources),
            controls=controls,
            costs=self.costs,
            policies=self.scenario.policies,
            seed=self.scenario.seed,
        )
        return Built(
            self.scenario,
            self.node,
            self.kfd,
            life,
            tuple(self.members),
            tuple(self.queues),
            slots,
            limits,
            broken,
            spec,
        )

    def _controls(self, life: Life) -> tuple[tuple[engine.Control, ...], tuple[str, ...]]:
        """What the driver makes of every change, for the engine; and what that breaks."""
        kfd, sent = life.until(self.scenario.horizon_ns) if life.calls else (self.kfd, ())
        number = {_key(queue): index for queue, index in self.number.items()}
        priority = {_key(queue): 7 for queue in self.queues}  # every queue is created NORMAL
        controls = []
        for together in sent:
            for position, call in enumerate(together.calls):
                key = call.pid, call.queue_id
                priority[key] = priority[key] if call.priority is None else call.priority
                level = priority[key]
                controls.append(
                    engine.Control(
                        together.at_ns,
                        call.change,
                        number[key],
                        PIPE_PRIORITY[level],
                        level,
                        joins=position > 0,
                        fenced=together.fenced,
                    )
                )
        return tuple(controls), tuple(dict.fromkeys(breakage.what for breakage in kfd.breakages))


def source(kind: ProcessKind, ready: int) -> engine.Source:
    """Where requests come from once the process is ``ready``."""
    arrival = {
        "closed": engine.Arrival.CLOSED,
        "poisson": engine.Arrival.OPEN,
        "trace": engine.Arrival.TRACE,
    }[kind.arrival]
    times = engine.constant(kind.interval_ns)
    if arrival is engine.Arrival.OPEN:
        times = engine.exponential(kind.interval_ns)
    # Requests of a shared source are limited together, those of a closed loop stream by stream.
    limit = kind.limit if kind.limit is None or kind.arrival == "closed" else kind.limit * len(kind.streams)
    return engine.Source(arrival, times, kind.trace_ns, ready, limit)


class Requests:
    """Makes packets of the steps of a request; ``made`` says by id of which kernel or copy, while this lives."""

    def __init__(self, scenario: Scenario, played: Played) -> None:
        self.scenario, self.part, self.machine = scenario, played.node.part, played.hardware
        self.dispatches: dict[tuple[str, int, int, bool], engine.Packet] = {}
        self.made: dict[int, str] = {}

    def packets(
        self, kind: ProcessKind, rings: Sequence[int], engines: Sequence[int], stream: int
    ) -> tuple[engine.Packet, ...]:
        """One request of a stream: ``rings`` has the queue behind every stream, ``engines`` those that copy.

        Raises:
            InputError: it has too many steps, or one that the engine cannot run.
        """
        packets: list[engine.Packet] = []

        def send(step: Step, ring: int) -> int | None:
            """Append the step's packets; the index of the last one that the device completes."""
            if len(packets) + step.times > MAX_ROWS:
                raise InputError(f"a request has more than {MAX_ROWS} steps", self.scenario.name)
            packet = self._packet(step, kind, ring, engines)
            packets.extend([packet] * step.times)
            return len(packets) - 1 if packet.op in (engine.Op.DISPATCH, engine.Op.COPY) else None

        def wait(ring: int, steps: list[int]) -> None:
            """What hipStreamWaitEvent sends: barrier packets of up to five signals."""
            for at in range(0, len(steps), 5):
                after = tuple(steps[at : at + 5])
                packets.append(engine.Packet(engine.Op.BARRIER_AND, ring, after=after, host_ns=kind.submit_ns))

        last: int | None = None
        for item in kind.request:
            if isinstance(item, Step):
                sent = send(item, rings[stream])
                last = last if sent is None else sent
                if item.does is Does.COPY and sent is not None:
                    wait(rings[stream], [sent])
                continue
            ends = []
            for number, branch in enumerate(item):
                ring = rings[(stream + number) % len(rings)]
                if last is not None and number:
                    wait(ring, [last])
                sent_here = [sent for step in branch for sent in [send(step, ring)] if sent is not None]
                ends += sent_here[-1:]
            wait(rings[stream], ends)
            last = len(packets) - 1
        return tuple(packets)

    def _packet(self, step: Step, kind: ProcessKind, ring: int, engines: Sequence[int]) -> engine.Packet:
        if step.does is Does.SYNC:
            return engine.Packet(engine.Op.SYNC)
        if step.does is Does.HOST:
            return engine.Packet(engine.Op.HOST, host_ns=step.host_ns)
        if step.does is Does.COPY:
            copy = self.scenario.copies[step.name]
            packet = _copy_packet(copy, engines[copy.engine % len(engines)], kind)
            self.made[id(packet)] = step.name
            return packet
        # A request repeats its kernels; equal packets are one object, which spec and state then work out once.
        alike = (step.name, ring, kind.submit_ns, kind.barrier)
        try:
            if alike not in self.dispatches:
                self.dispatches[alike] = packet = self.dispatch(self.scenario.kernels[step.name], kind, ring)
                self.made[id(packet)] = step.name
        except engine.SpecError as error:
            raise InputError(f"kernel {step.name!r}: {error}", self.scenario.name) from error
        return self.dispatches[alike]

    def dispatch(self, kernel: Kernel, kind: ProcessKind, ring: int) -> engine.Packet:
        """The packet that a process of this kind sends for a kernel."""
        packet = engine.Packet(
            engine.Op.DISPATCH,
            ring,
            workgroups=kernel.workgroups,
            jitter_permille=round(kernel.jitter * 1000),
            need=room(self.part, kernel.waves, kernel.vgprs, kernel.lds),
            barrier=kind.barrier,
            host_ns=kind.submit_ns,
        )
        placement = self.scenario.policies.placement
        times, share = _workgroup_times(kernel.time, self.machine, packet, placement), 0
        if kernel.bandwidth:
            running = min(kernel.workgroups, self.machine.compute_units * self.machine.cu.holds(packet.need))
            share = max(1, round(kernel.bandwidth * 1e6 / running))
        return replace(packet, time=times, bandwidth_ppm=share)


def _flat(kind: ProcessKind) -> list[Step]:
    steps: list[Step] = []
    for item in kind.request:
        steps += [item] if isinstance(item, Step) else [step for branch in item for step in branch]
    return steps


def _copy_packet(copy: Copy, queue: int, kind: ProcessKind) -> engine.Packet:
    return engine.Packet(
        engine.Op.COPY, queue, time=engine.Times(copy.time.quantiles), barrier=kind.barrier, host_ns=kind.submit_ns
    )


def _workgroup_times(
    time: KernelTime, machine: engine.Machine, packet: engine.Packet, placement: Placement
) -> engine.Times:
    """Times of one workgroup such that the kernel alone takes what was asked for.

    Its workgroups run in rounds; with jitter the mean one lasts half the jitter longer, so that much is taken off.
    """
    if time.per_workgroup:
        return engine.Times(time.quantiles)
    by = turns(machine, packet, placement)
    return engine.Times(tuple(max(1, 2000 * whole // by) for whole in time.quantiles))


def turns(machine: engine.Machine, packet: engine.Packet, placement: Placement) -> int:
    """2000 times the workgroups that a CU runs one after another when the packet is alone, the mean jitter on top."""
    return rounds(machine, packet, (), placement) * (2000 + packet.jitter_permille)


def cu_mask(written: tuple[tuple[int, ...], ...], arrays: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """The masks that the driver wrote (16 bits a shader array) as bits over the CUs of each shader engine."""
    masks = []
    for xcc in written:
        for word, engine_arrays in zip(xcc, arrays, strict=False):
            bits, at = 0, 0
            for sh, cus in enumerate(engine_arrays):
                bits |= (word >> 16 * sh & ((1 << cus) - 1)) << at
                at += cus
            masks.append(bits)
    return tuple(masks)
