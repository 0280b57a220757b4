"""What happened over time: the second half of ringscope's currency.

A :class:`Recording` is a sequence of :class:`Event` records from one or several sources (a log, a trace, a virtual
GPU, a simulation), each with the clock it was stamped by, plus counters for what is too frequent to keep one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum

from ringscope.records import dataclass, field


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
    QUEUE_MAP = "queue-map"  # attrs: qid, pipe, queue, doorbell, pasid
    QUEUE_REFUSED = "queue-refused"  # CREATE_QUEUE failed; attrs (those known): resource (see above), errno, gpu_id
    QUEUE_EVICT = "queue-evict"  # attrs (those known): gpu_id, pasid, qid, reason; without a qid, a whole process's
    QUEUE_RESTORE = "queue-restore"  # attrs: as QUEUE_EVICT
    CU_MASK = "cu-mask"  # attrs: ring_base, mask (hexadecimal text)
    RUNLIST = "runlist"  # a runlist was sent
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


@dataclass(frozen=True)
class Recording:
    """Events in the order of their source, and what was counted instead of kept.

    ``counters`` holds totals such as ``dispatches`` or ``dispatches:0x7f3660c00000``; ``facts`` holds what the source
    says once (``rocm``, ``gpu_max_hw_queues`` …); ``notes`` are sentences about what could not be read.
    """

    origin: str
    events: tuple[Event, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Value] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, *kinds: Kind) -> Iterator[Event]:
        """Events of the given kinds, in order."""
        return (event for event in self.events if event.kind in kinds)
