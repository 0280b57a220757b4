"""What happened over time: the second half of ringscope's currency.

A :class:`Recording` is a sequence of :class:`Event` records from one or several sources (a log, a trace, a virtual
GPU, a simulation), each with the clock it was stamped by, plus counters for what is too frequent to keep one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum

from ringscope.records import dataclass, field
from ringscope.tabular import Row, Tabular


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """Where a fact was read: a file and, for text, its line (from 1; 0 when the file has no lines)."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Clock(Enum):
    """The clock an event was stamped by; events of different clocks are never ordered against each other."""

    MONOTONIC = "monotonic"
    BOOTTIME = "boottime"
    REALTIME = "realtime"
    SCHED = "sched"  # the kernel's sched_clock: dmesg and ftrace; near MONOTONIC, but not steered by NTP
    GPU = "gpu"
    SIMULATED = "simulated"
    UNKNOWN = "unknown"


class Kind(Enum):
    """What an event is. The value is the name in JSON."""

    # The resource of QUEUE_REFUSED: queue-id, queues, doorbell, vmid, slot, sdma, gws, memory, argument.
    # A queue is named by ring_base, or by hsa_queue where the source does not say its ring (logs before ROCm 6.2).
    # A priority is the HSA code 0 low, 1 normal, 2 high in a runtime's log, and KFD's 0..15 in a kernel's.
    STREAM_CREATE = "stream-create"  # attrs: stream, ring_base, priority, duration_ns
    STREAM_DESTROY = "stream-destroy"  # attrs: stream
    POOL_COUNTS = "pool-counts"  # attrs: low, normal, high, maximum
    QUEUE_CREATE = "queue-create"  # attrs (those known): qid, gpu_id, ring_base, ring_bytes, priority, doorbell…
    QUEUE_ACQUIRE = "queue-acquire"  # attrs: ring_base, refs, reused (0 or 1)
    QUEUE_RELEASE = "queue-release"  # attrs: ring_base, refs
    QUEUE_UPDATE = "queue-update"
    QUEUE_DESTROY = "queue-destroy"
    # A queue comes into a slot (of every XCC), and leaves it; duration_ns: until it may run, until it is saved.
    QUEUE_MAP = "queue-map"  # attrs (those known): qid, gpu_id, pipe, queue, duration_ns, doorbell, pasid
    QUEUE_UNMAP = "queue-unmap"  # attrs: qid, gpu_id, pipe, queue, duration_ns
    QUEUE_REFUSED = "queue-refused"  # CREATE_QUEUE failed; attrs (those known): resource (see above), errno, gpu_id
    QUEUE_EVICT = "queue-evict"  # attrs (those known): gpu_id, pasid, qid, reason; without a qid, a whole process's
    QUEUE_RESTORE = "queue-restore"  # attrs: as QUEUE_EVICT
    CU_MASK = "cu-mask"  # attrs: ring_base, mask (hexadecimal text)
    RUNLIST = "runlist"  # a runlist was sent
    OCCUPANCY = "occupancy"  # how full an XCC is; attrs: gpu_id, xcc, cus (with a workgroup on them), waves
    # A dispatch runs from begin to end in ns of the clock; grid and workgroup count work-items, as in 1024x8x1.
    DISPATCH = "dispatch"  # attrs (those known): queue, gpu_id or agent (its node), begin, end, kernel, grid, workgroup
    COPY = "copy"
    PROCESS_OPEN = "process-open"  # a process opened /dev/kfd; attrs: name
    PROCESS_EXIT = "process-exit"  # it has gone, and all its queues with it
    IOCTL = "ioctl"  # attrs: name, errno (0: done), its arguments by name; why, when it was refused
    PACKET = "packet"  # the command processor took a packet; attrs: qid, index, type, what the packet says
    INTERRUPT = "interrupt"  # attrs: qid, event
    API = "api"  # a HIP or HSA call; attrs: name, duration_ns
    OVERSUBSCRIBED = "over-subscribed"  # attrs: limit, what is too many: "queues", "processes and queues"…, when said
    HANG = "hang"  # attrs (those known): gpu_id, doorbell, xcc, pipe, queue
    RESET = "reset"  # attrs: scope (queue, pipe, gpu), and those of HANG
    FAULT = "fault"
    KERNEL_MESSAGE = "kernel-message"  # attrs: text


Value = int | str


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    ``time_ns`` is in ``clock``'s nanoseconds; ``pid`` is None when the source does not name a process. Attribute
    names are those listed at :class:`Kind`; addresses are ints.
    """

    time_ns: int
    kind: Kind
    attrs: Mapping[str, Value]
    source: Source
    clock: Clock = Clock.UNKNOWN
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Residency:
    """One stay of a queue in a hardware slot, from its mapping to its save; ``gpu_id`` is 0 where no source says it.

    In ns of the recording's clock, in this order: ``begin_ns`` it was given the slot, ``running_ns`` it might run,
    ``leaving_ns`` it was preempted, ``end_ns`` the slot was free again. Times that a source does not tell apart are
    equal. What was never seen to leave stays to the end of the recording. ``event`` is the mapping.
    """

    gpu_id: int
    pipe: int
    queue: int
    begin_ns: int
    running_ns: int
    leaving_ns: int
    end_ns: int
    event: Event

    @property
    def slot(self) -> tuple[int, int, int]:
        """Device, pipe and queue: what is shared by the stays that follow each other."""
        return self.gpu_id, self.pipe, self.queue

    @property
    def name(self) -> str:
        """Whose stay it is: ``qid 3 of 4242``."""
        qid, pid = self.event.attrs.get("qid", "?"), self.event.pid
        return f"qid {qid}" + (f" of {pid}" if pid is not None else "")


@dataclass(frozen=True)
class Recording(Tabular):
    """Events in the order of their source, and what was counted instead of kept.

    ``counters`` holds totals such as ``dispatches`` or ``dispatches:0x7f3660c00000``; ``facts`` holds what the source
    says once (``rocm``, ``gpu_max_hw_queues`` …); ``notes`` are sentences about what could not be read.
    """

    origin: str
    events: tuple[Event, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Value] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def records(self) -> Iterator[Row]:
        """A row an event, its attributes by name."""
        for event in self.events:
            where = {"time_ns": event.time_ns, "kind": event.kind.value, "pid": event.pid}
            yield {**where, **event.attrs, "clock": event.clock.value, "source": str(event.source)}

    def of(self, *kinds: Kind) -> Iterator[Event]:
        """Events of the given kinds, in order."""
        return (event for event in self.events if event.kind in kinds)

    def residencies(self) -> tuple[Residency, ...]:
        """Slots over time: every stay of a queue in a slot, in the order in which they ended.

        A stay ends with its QUEUE_UNMAP or the slot's next mapping; in a recording that tells of no QUEUE_UNMAP also
        with the queue's destruction or its process's exit. Mappings that name no slot, and times that run backwards,
        make none.
        """
        found: list[Residency] = []
        held: dict[tuple[int, int, int], Event] = {}

        def leave(slot: tuple[int, int, int], leaving_ns: int, save_ns: int = 0) -> None:
            event = held.pop(slot)
            running_ns = min(event.time_ns + _lasted(event), leaving_ns)
            if event.time_ns <= leaving_ns:
                found.append(Residency(*slot, event.time_ns, running_ns, leaving_ns, leaving_ns + save_ns, event))

        unmaps = next(self.of(Kind.QUEUE_UNMAP), None) is not None
        ends = (Kind.QUEUE_UNMAP,) if unmaps else (Kind.QUEUE_DESTROY, Kind.PROCESS_EXIT)
        for event in self.of(Kind.QUEUE_MAP, *ends):
            if event.kind in (Kind.QUEUE_MAP, Kind.QUEUE_UNMAP):
                gpu, pipe, queue = (event.attrs.get(name, 0) for name in ("gpu_id", "pipe", "queue"))
                if not (isinstance(gpu, int) and isinstance(pipe, int) and isinstance(queue, int)):
                    continue
                if not {"pipe", "queue"} <= event.attrs.keys():
                    continue
                slot = (gpu, pipe, queue)
                if slot in held:
                    leave(slot, event.time_ns, _lasted(event) if event.kind is Kind.QUEUE_UNMAP else 0)
                if event.kind is Kind.QUEUE_MAP:
                    held[slot] = event
                continue
            gone = [
                slot
                for slot, by in held.items()
                if by.pid == event.pid
                and (event.kind is Kind.PROCESS_EXIT or by.attrs.get("qid") == event.attrs.get("qid"))
            ]
            for slot in gone:
                leave(slot, event.time_ns)
        final = max((event.time_ns for event in self.events), default=0)
        for slot in list(held):
            leave(slot, final)
        return tuple(found)


def _lasted(event: Event) -> int:
    lasted = event.attrs.get("duration_ns", 0)
    return lasted if isinstance(lasted, int) and lasted > 0 else 0
