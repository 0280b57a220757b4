"""The thunk (libhsakmt): GPU memory, doorbell mappings, and ROCr's wishes turned into ioctls.

It gives every buffer an address, sizes a queue's save area as the driver expects it (:attr:`.NodeSpec.save_area`: both
compute it, from the same properties), maps the process's doorbell slice once per node, and translates its seven
priorities into the driver's sixteen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Protocol

from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.recording import Kind
from ringscope.records import dataclass, replace
from ringscope.stack.journal import Observer, nobody
from ringscope.stack.kfd.records import CreatedQueue, CreateQueue, Step, UpdateQueue, hiq_dwords
from ringscope.stack.machine import PAGE, NodeSpec
from ringscope.stack.rocm import ThunkPriority

FIDELITY = (
    Behaviour(
        "thunk.priority",
        "levels -3 to 3 become 0, 3, 5, 7, 9, 11 and 15 of CREATE_QUEUE and UPDATE_QUEUE",
        Standing.CAPTURED,
        "libhsakmt of ROCm 5.2 to 7.0",
        "queues.c; runs of 5.2.3, 6.1.2 and 6.4.3",
        "tests/stack/test_thunk.py::test_priority_map",
    ),
    Behaviour(
        "thunk.addresses",
        "addresses of rings and buffers, made up in the order of a real process",
        Standing.INFERRED,
        "all",
        "MI308X captures; the kernel's choice is its own",
        "tests/stack/test_thunk.py::test_buffers_descend_aligned_and_never_overlap",
    ),
)

LARGE_PAGE = 1 << 21

PRIORITY_MAP = {
    ThunkPriority.MINIMUM: 0,
    ThunkPriority.LOW: 3,
    ThunkPriority.BELOW_NORMAL: 5,
    ThunkPriority.NORMAL: 7,
    ThunkPriority.ABOVE_NORMAL: 9,
    ThunkPriority.HIGH: 11,
    ThunkPriority.MAXIMUM: 15,
}
"""KFD priority of each level (KMT queues.c ``priority_map``; measured on 5.2.3, 6.1.2 and 6.4.3)."""

DOORBELLS = 1024
"""Doorbells of a process's slice on one node (KMT queues.c, T/amdkfd/kfd_doorbell.c)."""


class Driver(Protocol):
    """What the thunk needs of the kernel driver."""

    def open(self, pid: int) -> object:
        """``open("/dev/kfd")``."""

    def create_queue(self, pid: int, request: CreateQueue) -> CreatedQueue:
        """AMDKFD_IOC_CREATE_QUEUE."""

    def update_queue(self, pid: int, request: UpdateQueue) -> tuple[Step, ...]:
        """AMDKFD_IOC_UPDATE_QUEUE."""

    def destroy_queue(self, pid: int, queue_id: int) -> tuple[Step, ...]:
        """AMDKFD_IOC_DESTROY_QUEUE."""

    def set_cu_mask(self, pid: int, queue_id: int, mask: tuple[int, ...]) -> tuple[Step, ...]:
        """AMDKFD_IOC_SET_CU_MASK, the mask as 32-bit words."""

    def alloc_queue_gws(self, pid: int, queue_id: int, num_gws: int) -> tuple[Step, ...]:
        """AMDKFD_IOC_ALLOC_QUEUE_GWS."""

    def exit(self, pid: int) -> tuple[Step, ...]:
        """The process ends: every descriptor is closed."""


def eop_bytes(node: NodeSpec, queue_type: IoctlQueueType) -> int:
    """Bytes of a queue's end-of-pipe buffer: none for SDMA, nor for AQL on gfx9.4.3 (capture, measured).

    Other compute queues have one of the size that the driver asks for; that AQL on gfx9.5.0 is among them is inferred.
    """
    if queue_type.is_sdma or (queue_type is IoctlQueueType.COMPUTE_AQL and node.part.gfx == "942"):
        return 0
    return node.part.eop_bytes


class Purpose(Enum):
    """What a buffer is for; the value is the name in JSON."""

    RING = "ring"
    QUEUE = "amd_queue_t"
    EOP = "eop"
    CWSR = "cwsr"
    DOORBELLS = "doorbells"


class AddressSpace:
    """The GPU addresses of one process: handed out downwards, as mmap does, so that a newer buffer lies lower.

    ``given`` are addresses to use first, by purpose and in order of allocation: with those of a capture, the stack
    reproduces the capture. What is freed is not handed out again.
    """

    def __init__(self, top: int = 0x7F80_0000_0000, given: Mapping[Purpose, Iterable[int]] | None = None) -> None:
        self._next = top
        self._given = {purpose: deque(addresses) for purpose, addresses in (given or {}).items()}

    def allocate(self, purpose: Purpose, size: int) -> int:
        """Address of a new buffer of ``size`` bytes, aligned to a page, or to 2 MiB when it is that large."""
        given = self._given.get(purpose)
        if given:
            return given.popleft()
        unit = LARGE_PAGE if size >= LARGE_PAGE else PAGE
        self._next = (self._next - size) // unit * unit
        return self._next


@dataclass(frozen=True, slots=True)
class Ring:
    """A ring in GPU memory and where its two pointers are kept: GPU addresses, bytes."""

    base: int
    size: int
    read_pointer: int
    write_pointer: int


@dataclass(frozen=True, slots=True)
class KmtQueue:
    """A queue as the thunk knows it. ``doorbell`` is the user address of its doorbell; ``priority`` the driver's."""

    node: NodeSpec
    queue_id: int
    ring: Ring
    doorbell: int
    priority: int


class Thunk:
    """One process's connection to the driver, open from the start.

    Args:
        driver: the kernel driver.
        pid: the process.
        addresses: where its buffers lie.
        observe: is told of every ioctl; ``hiq_dwords`` is what the call put into the HIQ.
    """

    def __init__(
        self, driver: Driver, pid: int, addresses: AddressSpace | None = None, observe: Observer = nobody
    ) -> None:
        self._driver = driver
        self._pid = pid
        self._addresses = addresses or AddressSpace()
        self._observe = observe
        self._doorbells: dict[int, int] = {}
        driver.open(pid)

    def allocate(self, purpose: Purpose, size: int) -> int:
        """GPU address of a new buffer of ``size`` bytes."""
        return self._addresses.allocate(purpose, size)

    def create_queue(
        self,
        node: NodeSpec,
        queue_type: IoctlQueueType,
        ring: Ring,
        priority: ThunkPriority = ThunkPriority.NORMAL,
    ) -> KmtQueue:
        """hsaKmtCreateQueue: adds the EOP buffer and save area, asks the driver, maps the doorbell."""
        area = node.save_area
        saved = node.cwsr and not queue_type.is_sdma
        eop = eop_bytes(node, queue_type)
        request = CreateQueue(
            gpu_id=node.gpu_id,
            type=queue_type,
            ring_base=ring.base,
            ring_bytes=ring.size,
            read_pointer=ring.read_pointer,
            write_pointer=ring.write_pointer,
            priority=PRIORITY_MAP[priority],
            eop_base=self.allocate(Purpose.EOP, eop) if eop else 0,
            eop_bytes=eop,
            cwsr_base=self.allocate(Purpose.CWSR, area.total_bytes) if saved else 0,
            cwsr_bytes=area.cwsr_bytes if saved else 0,
            ctl_stack_bytes=area.ctl_stack_bytes if saved else 0,
        )
        created = self._driver.create_queue(self._pid, request)
        doorbell = self._doorbell(node, created)
        self._observe(
            Kind.QUEUE_CREATE,
            qid=created.queue_id,
            gpu_id=node.gpu_id,
            ring_base=ring.base,
            ring_bytes=ring.size,
            priority=request.priority,
            doorbell=doorbell,
            doorbell_offset=created.doorbell_offset,
            eop_bytes=request.eop_bytes,
            cwsr_base=request.cwsr_base,
            cwsr_bytes=request.cwsr_bytes,
            ctl_stack_bytes=request.ctl_stack_bytes,
            hiq_dwords=hiq_dwords(created.steps),
        )
        return KmtQueue(node, created.queue_id, ring, doorbell, request.priority)

    def update_queue(self, queue: KmtQueue, percentage: int, priority: ThunkPriority) -> KmtQueue:
        """hsaKmtUpdateQueue with the ring it has; always an ioctl, also when nothing changes (measured on 6.4.3)."""
        level = PRIORITY_MAP[priority]
        request = UpdateQueue(queue.queue_id, queue.ring.base, queue.ring.size, percentage, level)
        steps = self._driver.update_queue(self._pid, request)
        self._observe(
            Kind.QUEUE_UPDATE,
            qid=queue.queue_id,
            gpu_id=queue.node.gpu_id,
            ring_base=queue.ring.base,
            priority=level,
            hiq_dwords=hiq_dwords(steps),
        )
        return replace(queue, priority=level)

    def destroy_queue(self, queue: KmtQueue) -> None:
        """hsaKmtDestroyQueue."""
        steps = self._driver.destroy_queue(self._pid, queue.queue_id)
        self._observe(Kind.QUEUE_DESTROY, qid=queue.queue_id, ring_base=queue.ring.base, hiq_dwords=hiq_dwords(steps))

    def set_cu_mask(self, queue: KmtQueue, mask: tuple[int, ...]) -> None:
        """hsaKmtSetQueueCUMask; ``mask`` as 32-bit words, bit 0 of the first one first."""
        steps = self._driver.set_cu_mask(self._pid, queue.queue_id, mask)
        text = "".join(f"{word:08x}" for word in reversed(mask))
        self._observe(
            Kind.CU_MASK, qid=queue.queue_id, ring_base=queue.ring.base, mask=text, hiq_dwords=hiq_dwords(steps)
        )

    def alloc_queue_gws(self, queue: KmtQueue) -> None:
        """hsaKmtAllocQueueGWS: makes the queue the process's cooperative one."""
        steps = self._driver.alloc_queue_gws(self._pid, queue.queue_id, 1)
        self._observe(
            Kind.QUEUE_UPDATE, qid=queue.queue_id, ring_base=queue.ring.base, gws=1, hiq_dwords=hiq_dwords(steps)
        )

    def close(self) -> None:
        """The process ends, in order or not: the driver takes back what it still holds."""
        self._driver.exit(self._pid)

    def _doorbell(self, node: NodeSpec, created: CreatedQueue) -> int:
        """User address of the doorbell: the slice is mapped once per node, the offset's low bits lead into it."""
        slice_bytes = DOORBELLS * node.part.doorbell_bytes
        base = self._doorbells.get(node.gpu_id)
        if base is None:
            base = self._doorbells[node.gpu_id] = self.allocate(Purpose.DOORBELLS, slice_bytes)
        if not node.soc15:  # before it the driver names only the slice; the queue id is the doorbell id
            return base + created.queue_id * 4
        return base + created.doorbell_offset % slice_bytes
