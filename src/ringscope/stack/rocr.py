"""ROCr (libhsa-runtime64): HSA queues on the thunk's.

An HSA queue is constructed with NORMAL priority because ``hsa_queue_create`` has no argument for it; the priority a
stream asked for comes afterwards through ``hsa_amd_queue_set_priority``. Before the first queue a user asks for,
ROCr makes a small one of its own.
"""

from __future__ import annotations

from enum import IntEnum

from ringscope.errors import InputError
from ringscope.parts.aql import AMD_QUEUE, PACKET_BYTES
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.recording import Kind
from ringscope.records import dataclass, field
from ringscope.stack.journal import Observer, nobody
from ringscope.stack.machine import NodeSpec
from ringscope.stack.rocm import HIGH, SDMA_QUEUES, RocmVersion, ThunkPriority
from ringscope.stack.thunk import KmtQueue, Purpose, Ring, Thunk

FIDELITY = (
    Behaviour(
        "rocr.priority",
        "HSA HIGH, NORMAL and LOW become levels of the thunk; every change is an UPDATE_QUEUE",
        Standing.CAPTURED,
        "ROCr 5.2 to 6.4",
        "ROCR hsa_ext_amd.cpp, amd_aql_queue.cpp; runs of 5.2.3, 6.1.2 and 6.4.3",
        "tests/stack/test_rocr.py::test_priority_map",
    ),
    Behaviour(
        "rocr.own_queue",
        "ROCr makes a queue of its own before a program's first",
        Standing.CAPTURED,
        "ROCr 5.2 to 7.0",
        "the fifth queue of the MI308X captures; runs of 5.2.3, 6.1.2 and 6.4.3",
        "tests/stack/test_rocr.py::test_rocrs_own_queue_comes_before_the_first_and_only_once",
    ),
)

MIN_PACKETS, MAX_PACKETS = 0x40, 0x20000
"""Packets a ring may hold (ROCR amd_gpu_agent.h)."""
GWS_PACKETS = 0x4000
"""Packets of the cooperative queue's ring (ROCR amd_gpu_agent.cpp)."""
UTILITY = "QueueUtility"
"""ROCr's name for its own queue: cache invalidation, and copies by kernels (ROCR amd_gpu_agent.cpp InitDma)."""
SDMA_RING_BYTES = 1 << 20
"""Bytes of an SDMA queue's ring; its priority is MAXIMUM (ROCR amd_blit_sdma.cpp; measured on 5.2.3 to 6.4.3)."""


def doorbell_value(node: NodeSpec, index: int) -> int:
    """What is stored to the doorbell once packet ``index`` is written: its index, on gfx8 the one after it.

    Source: ROCR amd_aql_queue.cpp StoreRelaxed (facts §12).
    """
    return index if node.soc15 else index + 1


class HsaPriority(IntEnum):
    """``hsa_amd_queue_priority_t``; the value is what CLR's log prints."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


class HsaQueueType(IntEnum):
    """``hsa_queue_type_t``, as far as HIP uses it."""

    MULTI = 0
    COOPERATIVE = 2


@dataclass
class HsaQueue:
    """One ``hsa_queue_t``.

    ``address`` is its pointer (CLR's SWq), ``id`` counts within the process, ROCr's own queue being 0.
    """

    id: int
    address: int
    packets: int
    kmt: KmtQueue
    priority: ThunkPriority = ThunkPriority.NORMAL

    @property
    def ring_base(self) -> int:
        """GPU address of the ring (CLR's HWq)."""
        return self.kmt.ring.base


@dataclass
class _Agent:
    utility: HsaQueue | None = None
    cooperative: HsaQueue | None = None
    cooperative_users: int = 0
    sdma: list[KmtQueue] = field(default_factory=list)


class Rocr:
    """The runtime of one process.

    Args:
        thunk: the process's way to the driver.
        rocm: the release whose rules hold.
        hard_coded_normal: the bug that research note 2 supposed: priorities are accepted and go nowhere. No release
            behaves so; the switch shows what it would look like.
        observe: is told of every call.
    """

    def __init__(
        self, thunk: Thunk, rocm: RocmVersion, *, hard_coded_normal: bool = False, observe: Observer = nobody
    ) -> None:
        self.rocm = rocm
        self._thunk = thunk
        self._hard_coded_normal = hard_coded_normal
        self._observe = observe
        self._agents: dict[int, _Agent] = {}
        self._next_id = 0

    def queue_create(self, node: NodeSpec, packets: int, queue_type: HsaQueueType = HsaQueueType.MULTI) -> HsaQueue:
        """hsa_queue_create on ``node`` with a ring of ``packets``.

        A COOPERATIVE queue exists once per agent: every caller gets the same one. InputError when the ring is no
        power of two or out of bounds.
        """
        if packets & (packets - 1) or not MIN_PACKETS <= packets <= MAX_PACKETS:
            raise InputError(f"a ring of {packets} packets", todo=f"a power of two, {MIN_PACKETS} to {MAX_PACKETS}")
        agent = self._agents.setdefault(node.gpu_id, _Agent())
        if agent.utility is None:
            agent.utility = self._new_queue(node, MIN_PACKETS, UTILITY)
        if queue_type is HsaQueueType.MULTI:
            return self._new_queue(node, packets, "hsa_queue_create")
        if agent.cooperative is None:
            agent.cooperative = self._new_queue(node, GWS_PACKETS, "hsa_queue_create COOPERATIVE")
            self._thunk.alloc_queue_gws(agent.cooperative.kmt)
        agent.cooperative_users += 1
        return agent.cooperative

    def set_priority(self, queue: HsaQueue, priority: HsaPriority) -> None:
        """hsa_amd_queue_set_priority; asks the driver each time, changed or not."""
        level = self.level(priority)
        self._observe(
            Kind.API,
            name="hsa_amd_queue_set_priority",
            ring_base=queue.ring_base,
            priority=priority.name,
            level=level.name,
            forwarded=int(not self._hard_coded_normal),
        )
        if not self._hard_coded_normal:
            queue.priority = level
            queue.kmt = self._thunk.update_queue(queue.kmt, 100, level)

    def level(self, priority: HsaPriority) -> ThunkPriority:
        """What the thunk is asked for: the map changed with 6.2 (ROCR hsa_ext_amd.cpp)."""
        if priority is HsaPriority.HIGH:
            return self.rocm.value(HIGH)
        return ThunkPriority.MINIMUM if priority is HsaPriority.LOW else ThunkPriority.NORMAL

    def set_cu_mask(self, queue: HsaQueue, mask: tuple[int, ...]) -> None:
        """hsa_amd_queue_cu_set_mask; ``mask`` as 32-bit words."""
        self._thunk.set_cu_mask(queue.kmt, mask)

    def queue_destroy(self, queue: HsaQueue) -> None:
        """hsa_queue_destroy; the cooperative queue goes with its last user."""
        agent = self._agents[queue.kmt.node.gpu_id]
        if queue is agent.cooperative:
            agent.cooperative_users -= 1
            if agent.cooperative_users:
                return
            agent.cooperative = None
        self._thunk.destroy_queue(queue.kmt)

    def copy_queues(self, node: NodeSpec) -> list[KmtQueue]:
        """The SDMA queues behind copies in both directions; made at the first copy, shared by all streams."""
        agent = self._agents.setdefault(node.gpu_id, _Agent())
        while len(agent.sdma) < self.rocm.value(SDMA_QUEUES):
            base = self._thunk.allocate(Purpose.RING, SDMA_RING_BYTES)
            pointers = self._thunk.allocate(Purpose.QUEUE, PACKET_BYTES)
            ring = Ring(base, SDMA_RING_BYTES, pointers, pointers + 8)
            queue = self._thunk.create_queue(node, IoctlQueueType.SDMA, ring, ThunkPriority.MAXIMUM)
            agent.sdma.append(queue)
        return agent.sdma

    def shut_down(self) -> None:
        """hsa_shut_down: ROCr gives back its own queues, SDMA's first."""
        for agent in self._agents.values():
            for sdma in agent.sdma:
                self._thunk.destroy_queue(sdma)
            if agent.utility is not None:
                self._thunk.destroy_queue(agent.utility.kmt)
        self._agents.clear()

    def _new_queue(self, node: NodeSpec, packets: int, name: str) -> HsaQueue:
        base = self._thunk.allocate(Purpose.RING, packets * PACKET_BYTES)
        address = self._thunk.allocate(Purpose.QUEUE, AMD_QUEUE.size)
        self._observe(Kind.API, name=name, ring_base=base, packets=packets, priority=ThunkPriority.NORMAL.name)
        ring = Ring(
            base,
            packets * PACKET_BYTES,
            address + AMD_QUEUE["read_dispatch_id"].offset,
            address + AMD_QUEUE["write_dispatch_id"].offset,
        )
        kmt = self._thunk.create_queue(node, IoctlQueueType.COMPUTE_AQL, ring)
        queue = HsaQueue(self._next_id, address, packets, kmt)
        self._next_id += 1
        return queue
