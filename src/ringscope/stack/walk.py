"""Streams walked down the stack: every layer runs, and each says what it made of the one above.

:func:`walk` creates streams in one process on a modelled machine and reads what came of them: from the layers' own
journal, from the steps that the driver took, and from MQDs and slots at the end. No value is known beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ringscope.errors import InputError
from ringscope.parts.aql import PACKET_BYTES, PACKET_DWORDS
from ringscope.recording import Event, Kind, Value
from ringscope.records import dataclass, field
from ringscope.snapshot import Device, Hqd, Queue, Snapshot
from ringscope.stack.hip import HipDevice, HipSettings, Stream, StreamPriority
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import Action, CreatedQueue, CreateQueue, Step, UpdateQueue
from ringscope.stack.machine import MachineSpec, NodeSpec, Scheduling
from ringscope.stack.program import Program
from ringscope.stack.rocm import DYNAMIC, HIGH, IGNORE_PRIORITY, RING_PACKETS, RULES, RocmVersion
from ringscope.stack.rocr import UTILITY, HsaPriority, doorbell_value

PID = 4242
WORKGROUPS = 320
"""Workgroups of the dispatch whose life is told: four for every CU of an MI308X."""
RULES_MET = (HIGH, RING_PACKETS, DYNAMIC, IGNORE_PRIORITY)
"""The rules by release that a new stream meets."""
CAPTURED_QUEUES = 5
"""Queues mapped at once in the MI308X captures; where further ones sit is extrapolated."""
PIPE_PRIORITIES = ("LOW", "MEDIUM", "HIGH")
"""``enum pipe_priority`` (T/amdkfd/kfd_mqd_manager.c)."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one layer did. ``sure`` is False where the rule behind it is inferred and not documented."""

    layer: str
    act: str
    says: str
    sure: bool = True


@dataclass(frozen=True)
class Walk:
    """One stream's way down, and one packet's life on its queue.

    ``values`` are what the way leaves at each layer, under the same names in every walk, so that walks can be held side
    by side: priorities as each layer counts them, ``thunk_priority`` (its name, or why there is none), ioctls,
    ``hiq_dwords``, registers, ``slot`` as pipe.queue and ``vmid``, both empty while no slot is free. ``notes`` say what
    is not certain.
    """

    machine: MachineSpec
    rocm: RocmVersion
    priority: StreamPriority
    hard_coded_normal: bool
    lines: tuple[Line, ...]
    packet: tuple[Line, ...]
    values: Mapping[str, Value]
    notes: tuple[str, ...]

    @property
    def node(self) -> NodeSpec:
        """The KFD node that the stream lives on."""
        return self.machine.nodes[0]


@dataclass
class _Watched:
    """The driver, with every call's steps kept in order."""

    kfd: Kfd
    calls: list[tuple[Step, ...]] = field(default_factory=list)

    def _kept(self, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        self.calls.append(steps)
        return steps

    def open(self, pid: int) -> object:
        return self.kfd.open(pid)

    def create_queue(self, pid: int, request: CreateQueue) -> CreatedQueue:
        created = self.kfd.create_queue(pid, request)
        self._kept(created.steps)
        return created

    def update_queue(self, pid: int, request: UpdateQueue) -> tuple[Step, ...]:
        return self._kept(self.kfd.update_queue(pid, request))

    def destroy_queue(self, pid: int, queue_id: int) -> tuple[Step, ...]:
        return self._kept(self.kfd.destroy_queue(pid, queue_id))

    def set_cu_mask(self, pid: int, queue_id: int, mask: tuple[int, ...]) -> tuple[Step, ...]:
        return self._kept(self.kfd.set_cu_mask(pid, queue_id, mask))

    def alloc_queue_gws(self, pid: int, queue_id: int, num_gws: int) -> tuple[Step, ...]:
        return self._kept(self.kfd.alloc_queue_gws(pid, queue_id, num_gws))

    def exit(self, pid: int) -> tuple[Step, ...]:
        return self.kfd.exit(pid)


def walk(
    machine: MachineSpec,
    rocm: RocmVersion,
    priorities: Sequence[StreamPriority],
    settings: HipSettings | None = None,
    *,
    stream: int = 1,
    hard_coded_normal: bool = False,
) -> tuple[Walk, ...]:
    """Create streams of every priority in turn, ``stream`` of each, in one process; follow the last of each priority.

    Raises:
        InputError: ``stream`` is less than 1.
        KfdError: the driver refuses a queue.
    """
    if stream < 1:
        raise InputError(f"stream {stream}", todo="count streams from 1")
    settings = settings or HipSettings()
    kfd = Kfd(machine)
    driver = _Watched(kfd)
    program = Program(driver, machine.nodes[:1], PID, rocm, settings, hard_coded_normal=hard_coded_normal)
    device, journal = program.devices[0], program.journal
    for _ in range(stream - 1):
        for priority in priorities:
            device.stream_create(priority)
    made = []
    for priority in priorities:
        happened, called = len(journal.events), len(driver.calls)
        followed = device.stream_create(priority)
        made.append((priority, followed, _place(device, followed), journal.events[happened:], driver.calls[called:]))
    snapshot = kfd.snapshot()
    notes = tuple(_notes(kfd, rocm, settings, hard_coded_normal=hard_coded_normal))
    walks = []
    for priority, followed, place, events, calls in made:
        end = _End(snapshot, machine.nodes[0], followed)
        lines = (*_descent(events, calls, machine.nodes[0], place), *end.lines())
        values = _values(events, calls, followed, place) | end.values()
        walks.append(Walk(machine, rocm, priority, hard_coded_normal, lines, tuple(end.packet()), values, notes))
    return tuple(walks)


def _place(device: HipDevice, stream: Stream) -> int:
    """Which queue of its pool a stream was given, counted from 1 as they were made."""
    return next(pool.index(stream.queue) + 1 for pool in device.pools.values() if stream.queue in pool)


def _descent(events: list[Event], calls: list[tuple[Step, ...]], node: NodeSpec, place: int) -> Iterator[Line]:
    """The layers down to the driver, in the order in which they acted."""
    steps = iter(calls)
    pool = next(event.attrs for event in events if event.kind is Kind.POOL_COUNTS)
    acquired = next(event.attrs for event in events if event.kind is Kind.QUEUE_ACQUIRE)
    for event in events:
        attrs, layer = event.attrs, event.source.file
        if layer == "hip" and event.kind is Kind.API:
            created = next(event.attrs for event in events if event.kind is Kind.STREAM_CREATE)
            yield Line(
                "HIP", f"{attrs['name']}({attrs['priority']})", _pool(pool, acquired, int(created["priority"]), place)
            )
        elif layer == "rocr":
            yield _rocr(attrs)
        elif layer == "thunk":
            yield _ioctl(event, node)
            yield _kfd(next(steps))


def _pool(counts: Mapping[str, Value], acquired: Mapping[str, Value], priority: int, place: int) -> str:
    name = HsaPriority(priority).name
    held = f"pool {name}: {counts[name.lower()]} of {counts['maximum']} queues"
    return (
        f"{held}, shares #{place} (now {acquired['refs']} streams)"
        if acquired["reused"]
        else f"{held}, makes a new one"
    )


def _rocr(attrs: Mapping[str, Value]) -> Line:
    if "packets" in attrs:
        size = _size(int(attrs["packets"]) * PACKET_BYTES)
        first = ", ROCr's own" if attrs["name"] == UTILITY else ""
        says = f"{attrs['packets']} packets ({size}), constructed {attrs['priority']}{first}"
        return Line("ROCr", str(attrs["name"]), says)
    if not attrs["forwarded"]:
        return Line("ROCr", str(attrs["name"]), "stops here: NORMAL is hard-coded")
    says = f"{attrs['priority']} → thunk {attrs['level']}"
    if attrs["priority"] == HsaPriority.HIGH.name:
        before, after = HIGH
        changed = f"{after.since[0]}.{after.since[1]}"
        says += (
            f" ({before.value.name} before {changed})"
            if attrs["level"] == after.value.name
            else f" ({after.value.name} from {changed} on)"
        )
    return Line("ROCr", str(attrs["name"]), says)


def _ioctl(event: Event, node: NodeSpec) -> Line:
    attrs = event.attrs
    if event.kind is not Kind.QUEUE_CREATE:
        return Line("thunk", "UPDATE_QUEUE", f"qid {attrs['qid']}, priority {attrs['priority']}")
    parts = [f"priority {attrs['priority']}"]
    if attrs["cwsr_bytes"]:
        each = f"{node.xccs} × " if node.xccs > 1 else ""
        parts.append(f"save area {each}{attrs['cwsr_bytes']:#x}")
    parts.append(f"EOP {_size(int(attrs['eop_bytes']))}" if attrs["eop_bytes"] else "no EOP")
    return Line("thunk", "CREATE_QUEUE", f"{', '.join(parts)} → qid {attrs['qid']}")


_ACTS = {
    Action.UNMAP_QUEUES: "unmap",
    Action.QUERY_STATUS: "fence",
    Action.RUN_LIST: "runlist",
    Action.HQD_LOAD: "load the slot",
    Action.HQD_DESTROY: "empty the slot",
    Action.MES_ADD_QUEUE: "MES ADD_QUEUE",
    Action.MES_REMOVE_QUEUE: "MES REMOVE_QUEUE",
}


def _kfd(steps: tuple[Step, ...]) -> Line:
    """What the driver did: packets with their dwords, and what that meant for the queues of the device."""
    names = [_ACTS.get(step.action, step.action.value) + (f" {step.dwords}" if step.dwords else "") for step in steps]
    says = [f"HIQ +{dwords} dwords"] if (dwords := sum(step.dwords for step in steps)) else []
    for step in steps:
        if step.action is Action.UNMAP_QUEUES:
            says.append(f"{_queues(step.queues)} preempted")
        elif step.action is Action.RUN_LIST:
            says.append(f"runlist of {_queues(step.queues)}")
    return Line("KFD", " + ".join(names) or "nothing to do", ", ".join(says) or "no other queue is touched")


def _queues(count: int) -> str:
    return f"{count} queue" if count == 1 else f"{count} queues"


class _End:
    """Where the stream's queue ended up: its MQD and its slot."""

    def __init__(self, snapshot: Snapshot, node: NodeSpec, stream: Stream) -> None:
        self.node = node
        self.hsa = stream.queue.hsa
        qid = self.hsa.kmt.queue_id
        self.queue: Queue = next(queue for _, queue in snapshot.queues if queue.qid == qid)
        self.device = next(device for device in snapshot.devices if device.gpu_id == node.gpu_id)
        self.slots = tuple(_slots_of(self.device, self.queue))
        self.mqd = self.queue.mqds[0].image

    @property
    def doorbell(self) -> int:
        """Dword index of the queue's doorbell in the BAR."""
        return self.mqd.get("cp_hqd_pq_doorbell_control", "doorbell_offset")

    def pipe_priority(self) -> str:
        value = self.mqd.get("cp_hqd_pipe_priority")
        return f"{value} {PIPE_PRIORITIES[value]}"

    def slot(self) -> str:
        return f"pipe {self.slots[0].pipe} queue {self.slots[0].queue}" if self.slots else "none is free"

    @property
    def slot_is_captured(self) -> bool:
        """Whether a capture shows the firmware fill slots in this order: an MI308X with up to five queues does."""
        mapped = sum(slot.active for slot in self.device.hqds) // self.node.xccs
        return self.node.part.key == "mi308x" and 0 < mapped <= CAPTURED_QUEUES

    def vmid(self) -> Value:
        return self.slots[0].image.get("cp_hqd_vmid", "vmid") if self.slots else ""

    def lines(self) -> Iterator[Line]:
        """MQD and slot."""
        mqd, ring = self.mqd, self.hsa.kmt.ring
        copies = f"MQD ×{len(self.queue.mqds)}" if len(self.queue.mqds) > 1 else "MQD"
        base = mqd.get64("cp_hqd_pq_base_lo", "cp_hqd_pq_base_hi")
        yield Line(copies, "cp_hqd_pipe_priority", self.pipe_priority())
        yield Line(copies, "cp_hqd_queue_priority", str(mqd.get("cp_hqd_queue_priority")))
        yield Line(copies, "cp_hqd_quantum", f"{mqd.get('cp_hqd_quantum'):#x}")
        yield Line(copies, "cp_hqd_pq_base", f"{base:#x}, the ring's address {ring.base:#x} >> 8")
        yield Line(copies, "cp_hqd_pq_doorbell_control", f"doorbell index {self.doorbell:#x}")
        says = f"on {_xccs(self.slots)}, VMID {self.vmid()}" if self.slots else "the queue waits"
        yield Line("slot", self.slot(), says, sure=self.slot_is_captured)

    def packet(self) -> Iterator[Line]:
        """The life of the first packet: a dispatch of :data:`WORKGROUPS` workgroups."""
        node, kmt = self.node, self.hsa.kmt
        index, slots = 0, self.hsa.packets
        at = kmt.ring.base + index % slots * PACKET_BYTES
        yield Line("CPU", "writes", f"packet {index} to slot {index % slots} of {slots}, at {at:#x}")
        value = doorbell_value(node, index)
        yield Line(
            "CPU", "rings", f"doorbell ← {value} at {kmt.doorbell:#x} = BAR byte {self.doorbell * 4:#x} (index × 4)"
        )
        if not self.slots:
            yield Line("CP", "waits", "the queue has no slot: nothing fetches until it is mapped", sure=False)
            return
        several = len(self.slots) > 1
        each = f" of {_xccs(self.slots)}, each" if several else ""
        moves = f"rptr {index * PACKET_DWORDS} → {(index + 1) * PACKET_DWORDS} dwords"
        yield Line("CP", "fetches", f"{self.slot()}{each}: {moves}", sure=not several)
        yield from self._deal()
        by = f" by {_xccs(self._reporters())}" if several else ""
        yield Line("CP", "reports", f"read_dispatch_id {index} → {index + 1}{by}", sure=not several)
        yield Line("CP", "completes", "completion_signal − 1, after the last workgroup", sure=not several)

    def _deal(self) -> Iterator[Line]:
        count = len(self.slots)
        cus = self.node.part.cus_per_xcc
        if count == 1:
            yield Line("CUs", "run", f"{WORKGROUPS} workgroups on {cus} CUs")
            return
        chunk = self.slots_mqds("compute_tg_chunk_size")[0] or 1
        for xcc, turn in enumerate(self.slots_mqds("compute_current_logic_xcc_id")):
            own = [group for group in range(WORKGROUPS) if group // chunk % count == turn]
            share = f"{own[0]}, {own[1]}, {own[2]}, … {own[-1]}: {len(own)} on {cus} CUs"
            yield Line(f"XCC {xcc}", "runs workgroups", share, sure=False)

    def slots_mqds(self, register: str) -> list[int]:
        """A register of every XCC's MQD."""
        return [mqd.image.get(register) for mqd in self.queue.mqds]

    def _reporters(self) -> tuple[Hqd, ...]:
        return (
            tuple(slot for slot in self.slots if not slot.image.get("cp_hqd_pq_control", "no_update_rptr"))
            or (self.slots[:1])
        )

    def values(self) -> dict[str, Value]:
        """What the stream left in the hardware."""
        registers = ("cp_hqd_pipe_priority", "cp_hqd_queue_priority", "cp_hqd_quantum")
        values: dict[str, Value] = {name: self.mqd.get(name) for name in registers}
        values["doorbell_index"] = self.doorbell
        values["slot"] = self.slots[0].name if self.slots else ""
        values["vmid"] = self.vmid()
        return values


def _slots_of(device: Device, queue: Queue) -> Iterator[Hqd]:
    """The slots that hold a queue: those whose MQD is one of its own."""
    bases = {mqd.image.get64("cp_mqd_base_addr_lo", "cp_mqd_base_addr_hi") for mqd in queue.mqds}
    for slot in device.hqds:
        if slot.active and slot.image.get64("cp_mqd_base_addr_lo", "cp_mqd_base_addr_hi") in bases:
            yield slot


def _xccs(slots: tuple[Hqd, ...]) -> str:
    numbers = [slot.xcc for slot in slots]
    return f"XCC {numbers[0]}" if len(numbers) == 1 else f"XCC {numbers[0]}–{numbers[-1]}"


def _values(events: list[Event], calls: list[tuple[Step, ...]], stream: Stream, place: int) -> dict[str, Value]:
    """What the stream left above the driver, and what it cost."""
    created = next(event.attrs for event in events if event.kind is Kind.STREAM_CREATE)
    acquired = next(event.attrs for event in events if event.kind is Kind.QUEUE_ACQUIRE)
    asked = next((event.attrs for event in events if event.attrs.get("level")), None)
    ioctls = [event.kind for event in events if event.source.file == "thunk"]
    return {
        "hip_priority": int(stream.priority),
        "hsa_priority": created["priority"],
        "queue_of_pool": place,
        "streams_on_queue": acquired["refs"],
        "ring_packets": stream.queue.hsa.packets,
        "thunk_priority": "not asked" if asked is None else asked["level"] if asked["forwarded"] else "dropped",
        "kfd_priority": stream.queue.hsa.kmt.priority,
        "create_ioctls": ioctls.count(Kind.QUEUE_CREATE),
        "update_ioctls": ioctls.count(Kind.QUEUE_UPDATE),
        "hiq_dwords": sum(step.dwords for steps in calls for step in steps),
    }


def _notes(kfd: Kfd, rocm: RocmVersion, settings: HipSettings, *, hard_coded_normal: bool) -> Iterator[str]:
    yield "not documented by AMD: how pipes and queues of different priority then share the CUs"
    for event in kfd.events:
        if event.kind is Kind.OVERSUBSCRIBED:
            yield f"the driver warns: {event.attrs['message']}"
    if kfd.machine.nodes[0].scheduling is Scheduling.MES:
        yield "KFD tells MES the priority within the process; between processes every queue counts as NORMAL"
    if hard_coded_normal:
        yield "hard-coded: the bug that research note 2 supposed in ROCr; no release behaves so"
    if rocm.value(IGNORE_PRIORITY) and settings.ignore_stream_priority is None:
        yield f"ROCm {rocm} ignores stream priority by default; DEBUG_HIP_IGNORE_STREAM_PRIORITY=0 brings it back"
    guesses = [name for name, table in RULES.items() if table in RULES_MET and rocm.inferred(table)]
    if guesses:
        yield f"inferred for ROCm {rocm}, from the release before: {', '.join(guesses)}"


def _size(size: int) -> str:
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} bytes"
