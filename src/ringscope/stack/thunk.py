"""The thunk (libhsakmt): GPU memory, doorbell mappings, and ROCr's wishes turned into ioctls.

It sizes the save area of a queue exactly as the driver expects it, gives every buffer an address, maps the process's
doorbell slice once per node, and translates its seven priorities into the driver's sixteen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from ringscope.errors import InputError
from ringscope.recording import Kind
from ringscope.stack.journal import Observer, nobody
from ringscope.stack.kfd.records import CreatedQueue, CreateQueue, IoctlQueueType, Step, UpdateQueue, hiq_dwords
from ringscope.stack.rocm import ThunkPriority

PAGE = 4096
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

SAVE_AREA_HEADER = 40
"""Bytes of ``HsaUserContextSaveAreaHeader``."""


class Driver(Protocol):
    """What the thunk needs of the kernel driver."""

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


@dataclass(frozen=True, slots=True)
class Node:
    """What the thunk reads of a node's topology; names and units are the driver's (facts §10.2)."""

    gpu_id: int
    gfx_target_version: int
    simd_count: int
    simd_per_cu: int
    array_count: int
    simd_arrays_per_engine: int
    num_xcc: int = 1
    lds_size_in_kb: int = 64

    @classmethod
    def of(cls, gpu_id: int, properties: Mapping[str, int]) -> Node:
        """The node that ``properties`` (by the driver's keys) describe; InputError when a key is missing."""
        try:
            return cls(
                gpu_id,
                properties["gfx_target_version"],
                properties["simd_count"],
                properties["simd_per_cu"],
                properties["array_count"],
                properties["simd_arrays_per_engine"],
                properties.get("num_xcc", 1),
                properties["lds_size_in_kb"],
            )
        except KeyError as error:
            raise InputError(f"no {error.args[0]}", f"topology of gpu {gpu_id:x}") from error

    @property
    def doorbell_bytes(self) -> int:
        """8 since SOC15 (gfx9), 4 before (T/amdkfd/kfd_device.c)."""
        return 8 if self.gfx_target_version >= 90000 else 4

    @property
    def eop_bytes(self) -> int:
        """Bytes of an AQL queue's end-of-pipe buffer: none on gfx9.4.3 (capture, measured), eight pages on Tonga.

        Every other part has one page; that gfx9.5.0 is among them is inferred.
        """
        if self.gfx_target_version == 80002:
            return 0x8000
        return 0 if self.gfx_target_version // 100 == 904 else PAGE


@dataclass(frozen=True, slots=True)
class SaveArea:
    """Sizes of a queue's context save area (CWSR), in bytes.

    ``ctl_stack`` and ``save`` (which contains it) are those of one XCC; ``total`` is the allocation for all of them,
    debugger's part included.
    """

    ctl_stack: int
    save: int
    total: int

    @classmethod
    def of(cls, node: Node) -> SaveArea:
        """What a queue of ``node`` needs. Source: T/amdkfd/kfd_queue.c, KMT queues.c (facts §9.2)."""
        gfx = node.gfx_target_version
        cus = node.simd_count // node.simd_per_cu // node.num_xcc
        waves = min(cus * 40, node.array_count // node.simd_arrays_per_engine * 512) if gfx < 100100 else cus * 32
        ctl_stack = _align(SAVE_AREA_HEADER + waves * (12 if gfx >= 100100 else 8) + 8, PAGE)
        if gfx // 10000 == 10:
            ctl_stack = min(ctl_stack, 0x7000)  # a limit of the gfx10 hardware
        lds = node.lds_size_in_kb << 10 if gfx == 90500 else 0x10000
        save = ctl_stack + _align(cus * (_vgpr_bytes(gfx) + 0x4000 + lds + 0x1000), PAGE)
        debug = _align(waves * 32, 64)
        return cls(ctl_stack, save, _align((save + debug) * node.num_xcc, PAGE))


def _vgpr_bytes(gfx: int) -> int:
    if gfx // 100 == 904 or gfx in (90008, 90010, 90500):
        return 0x80000
    return 0x60000 if gfx in (110000, 110001, 120000, 120001) else 0x40000


def _align(value: int, unit: int) -> int:
    return -(-value // unit) * unit


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

    node: Node
    queue_id: int
    ring: Ring
    doorbell: int
    priority: int


class Thunk:
    """One process's connection to the driver.

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

    def allocate(self, purpose: Purpose, size: int) -> int:
        """GPU address of a new buffer of ``size`` bytes."""
        return self._addresses.allocate(purpose, size)

    def create_queue(
        self,
        node: Node,
        queue_type: IoctlQueueType,
        ring: Ring,
        priority: ThunkPriority = ThunkPriority.NORMAL,
    ) -> KmtQueue:
        """hsaKmtCreateQueue: adds the EOP buffer and save area, asks the driver, maps the doorbell."""
        area = SaveArea.of(node)
        eop_bytes = 0
        cwsr = 0
        if not queue_type.is_sdma:
            # PM4 queues keep their EOP buffer where AQL queues have none (facts §9.2).
            eop_bytes = node.eop_bytes if queue_type is IoctlQueueType.COMPUTE_AQL else node.eop_bytes or PAGE
            cwsr = self.allocate(Purpose.CWSR, area.total)
        request = CreateQueue(
            gpu_id=node.gpu_id,
            type=queue_type,
            ring_base=ring.base,
            ring_bytes=ring.size,
            read_pointer=ring.read_pointer,
            write_pointer=ring.write_pointer,
            priority=PRIORITY_MAP[priority],
            eop_base=self.allocate(Purpose.EOP, eop_bytes) if eop_bytes else 0,
            eop_bytes=eop_bytes,
            cwsr_base=cwsr,
            cwsr_bytes=area.save if cwsr else 0,
            ctl_stack_bytes=area.ctl_stack if cwsr else 0,
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

    def _doorbell(self, node: Node, created: CreatedQueue) -> int:
        """User address of the doorbell: the slice is mapped once per node, the offset's low bits lead into it."""
        slice_bytes = DOORBELLS * node.doorbell_bytes
        base = self._doorbells.get(node.gpu_id)
        if base is None:
            base = self._doorbells[node.gpu_id] = self.allocate(Purpose.DOORBELLS, slice_bytes)
        if node.doorbell_bytes == 4:  # before SOC15 the driver names only the slice; the queue id is the doorbell id
            return base + created.queue_id * 4
        return base + created.doorbell_offset % slice_bytes
