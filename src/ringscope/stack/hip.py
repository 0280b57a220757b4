"""HIP (CLR): streams, and the pools of HSA queues that they share.

A device keeps one pool of queues per priority. A stream takes a queue from its pool when it is created and keeps it;
up to ``GPU_MAX_HW_QUEUES`` queues a pool grows, beyond that streams share. Which queue is shared, and what becomes of
one that no stream uses, changed between releases: :mod:`ringscope.stack.rocm` holds the rules, measured and read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import IntEnum

from ringscope.errors import InputError
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.recording import Kind
from ringscope.records import dataclass
from ringscope.stack.journal import Observer, nobody
from ringscope.stack.machine import NodeSpec
from ringscope.stack.rocm import (
    AT_ZERO_REFERENCES,
    DYNAMIC,
    IGNORE_PRIORITY,
    RING_PACKETS,
    Dynamic,
    RocmVersion,
    Unused,
)
from ringscope.stack.rocr import HsaPriority, HsaQueue, HsaQueueType, Rocr

FIDELITY = (
    Behaviour(
        "hip.pools",
        "at most GPU_MAX_HW_QUEUES queues a device and priority; further streams share the one with the fewest",
        Standing.CAPTURED,
        "ROCm 5.2 to 7.0",
        "CLR rocdevice.cpp; logs of 16 streams and of priority streams (7.0.2), runs of 5.2.3, 5.7.1 and 6.4.3",
        "tests/stack/test_hip.py::test_overflow_streams_go_to_the_newest_queue_first_as_in_the_log_of_16_streams",
    ),
    Behaviour(
        "hip.cu_mask",
        "a stream with a CU mask has a queue of its own; ROC_GLOBAL_CU_MASK is ANDed into every mask",
        Standing.SOURCE,
        "ROCm 5.2 to 7.0",
        "CLR rocdevice.cpp; the order of such queues behind the pools is inferred",
        "tests/stack/test_hip.py::test_cu_mask_streams_have_queues_of_their_own_beyond_every_limit",
    ),
    Behaviour(
        "hip.gpu_max_hw_queues",
        "queues a device and priority",
        Standing.CAPTURED,
        "ROCm 5.2 to 7.0",
        "CLR flags.hpp GPU_MAX_HW_QUEUES; logs and runs with 4 and 8",
        "tests/stack/test_hip.py::test_twenty_queues_when_eight_are_allowed",
        "4",
    ),
    Behaviour(
        "hip.global_cu_mask",
        "ANDed into every queue's CU mask",
        Standing.SOURCE,
        "ROCm 5.2 to 7.0",
        "CLR flags.hpp ROC_GLOBAL_CU_MASK",
        "tests/stack/test_hip.py::test_the_global_cu_mask_is_put_on_every_queue_and_anded_into_a_streams_own",
        "0",
    ),
    Behaviour(
        "hip.dynamic_queues",
        "the order in which a pool's queues are shared",
        Standing.CAPTURED,
        "ROCm 6.4 with 0, 1 and 2; develop from source",
        "CLR flags.hpp DEBUG_HIP_DYNAMIC_QUEUES; runs of 6.4.3",
        "tests/stack/test_walk.py::test_which_queue_is_shared_first_depends_on_the_release",
        "none",
    ),
    Behaviour(
        "hip.ignore_stream_priority",
        "every stream counts as NORMAL",
        Standing.SOURCE,
        "develop; off in releases up to 7.0",
        "CLR flags.hpp DEBUG_HIP_IGNORE_STREAM_PRIORITY, rocm-systems#8485",
        "tests/stack/test_hip.py::test_priority_can_be_given_back_where_it_is_ignored_and_ignored_where_it_counts",
        "none",
    ),
)

NULL_STREAM_LOAD = 2048
"""What mode 2 of DEBUG_HIP_DYNAMIC_QUEUES adds to the load of the null stream's queue (rocm-systems#6653)."""
PIPES = 4
"""Pipes that mode 2 spreads queues over (CLR-new ``numHwPipes`` of gfx9)."""


class StreamPriority(IntEnum):
    """HIP's stream priorities; the API clamps what lies beyond."""

    HIGH = -1
    NORMAL = 0
    LOW = 1

    @classmethod
    def clamp(cls, value: int) -> StreamPriority:
        """What hipStreamCreateWithPriority makes of any ``value``."""
        return cls(max(-1, min(value, 1)))

    @property
    def hsa(self) -> HsaPriority:
        """The HSA priority, which also names the pool."""
        return HsaPriority(1 - self)


@dataclass(frozen=True, slots=True)
class HipSettings:
    """The environment variables that decide about queues.

    Attributes:
        gpu_max_hw_queues: queues per device and priority (GPU_MAX_HW_QUEUES).
        global_cu_mask: ANDed into every queue's CU mask (ROC_GLOBAL_CU_MASK); 0 is none.
        dynamic_queues: DEBUG_HIP_DYNAMIC_QUEUES; None is the release's default, and releases without it ignore it.
        ignore_stream_priority: DEBUG_HIP_IGNORE_STREAM_PRIORITY; None is the release's default.
    """

    gpu_max_hw_queues: int = 4
    global_cu_mask: int = 0
    dynamic_queues: int | None = None
    ignore_stream_priority: bool | None = None

    def __post_init__(self) -> None:
        if self.gpu_max_hw_queues < 1:
            raise InputError(f"GPU_MAX_HW_QUEUES is {self.gpu_max_hw_queues}", todo="give at least 1")
        if self.dynamic_queues not in (None, 0, 1, 2):
            raise InputError(f"DEBUG_HIP_DYNAMIC_QUEUES is {self.dynamic_queues}", todo="give 0, 1 or 2")
        if self.global_cu_mask < 0:
            raise InputError("ROC_GLOBAL_CU_MASK is negative", todo="give the CUs as bits")

    def most_queues(self) -> int:
        """HSA queues one process can have on one device without cooperative and CU-mask streams: ROCr's own counts."""
        return len(HsaPriority) * self.gpu_max_hw_queues + 1


@dataclass(eq=False)
class HwQueue:
    """An HSA queue as HIP counts its streams. ``pool`` is None for the queue of a CU-mask stream."""

    hsa: HsaQueue
    pool: HsaPriority | None
    refs: int = 1
    null_stream: bool = False


@dataclass(eq=False)
class Stream:
    """One HIP stream and the queue it was given. ``number`` counts within the process; 0 is the null stream."""

    number: int
    priority: StreamPriority
    queue: HwQueue
    alive: bool = True


class HipDevice:
    """One device of a HIP process: its pools and streams.

    Args:
        rocr: the process's HSA runtime.
        node: the device.
        settings: the environment.
        observe: is told of streams and references; ring addresses are CLR's ``HWq``.
        depth: packets waiting in a queue, for releases that weigh it; without a clock every queue is empty.
    """

    def __init__(
        self,
        rocr: Rocr,
        node: NodeSpec,
        settings: HipSettings | None = None,
        observe: Observer = nobody,
        depth: Callable[[HwQueue], int] = lambda queue: 0,
    ) -> None:
        self.node = node
        self.settings = settings or HipSettings()
        self.pools: dict[HsaPriority, list[HwQueue]] = {priority: [] for priority in HsaPriority}
        self.cu_mask_queues: list[HwQueue] = []
        self._rocr = rocr
        self._observe = observe
        self._depth = depth
        self._streams = 0
        self._null: Stream | None = None
        self._cooperative: HsaQueue | None = None
        self._kind, default = self.rocm.value(DYNAMIC)
        mode = default if self.settings.dynamic_queues is None else self.settings.dynamic_queues
        self._mode = 0 if self._kind is Dynamic.ABSENT else mode
        ignore = self.settings.ignore_stream_priority
        self._ignore_priority = self.rocm.value(IGNORE_PRIORITY) if ignore is None else ignore

    @property
    def rocm(self) -> RocmVersion:
        """The release whose rules hold."""
        return self._rocr.rocm

    def stream_create(self, priority: int = 0) -> Stream:
        """hipStreamCreateWithPriority: a queue of the stream's pool, new or shared."""
        self._streams += 1
        self._observe(Kind.API, name="hipStreamCreateWithPriority", priority=priority)
        return self._stream(self._streams, StreamPriority.clamp(priority))

    def stream_create_with_cu_mask(self, mask: int) -> Stream:
        """hipExtStreamCreateWithCUMask: always a queue of its own, outside the pools and their limit."""
        if mask <= 0:
            raise InputError(f"CU mask {mask:#x}", todo="set the bit of at least one CU")
        self._streams += 1
        self._observe(Kind.API, name="hipExtStreamCreateWithCUMask", mask=f"{mask:x}")
        queue = HwQueue(self._create(HsaPriority.NORMAL, mask), None)
        self.cu_mask_queues.append(queue)
        return self._tell(Stream(self._streams, StreamPriority.NORMAL, queue))

    def null_stream(self) -> Stream:
        """The stream of calls that name none: made at its first use."""
        if self._null is None:
            self._null = self._stream(0, StreamPriority.NORMAL)
        return self._null

    def cooperative_queue(self) -> HsaQueue:
        """The one queue of cooperative launches: never pooled, made at the first such launch."""
        if self._cooperative is None:
            packets = self.rocm.value(RING_PACKETS)
            self._cooperative = self._rocr.queue_create(self.node, packets, HsaQueueType.COOPERATIVE)
            self._tell_created(self._cooperative, HsaPriority.NORMAL, cooperative=True)
        return self._cooperative

    def stream_destroy(self, stream: Stream) -> None:
        """hipStreamDestroy; InputError for the null stream and for one already destroyed."""
        if stream is self._null or not stream.alive:
            raise InputError(f"stream {stream.number} cannot be destroyed", todo="destroy a created stream, once")
        stream.alive = False
        queue = stream.queue
        queue.refs -= 1
        self._observe(Kind.STREAM_DESTROY, stream=stream.number)
        self._observe(Kind.QUEUE_RELEASE, ring_base=queue.hsa.ring_base, hsa_queue=queue.hsa.address, refs=queue.refs)
        if queue.refs:
            return
        if queue.pool is None:
            self.cu_mask_queues.remove(queue)
            self._destroy(queue.hsa)
        elif self.rocm.value(AT_ZERO_REFERENCES) is Unused.DESTROY:
            self.pools[queue.pool].remove(queue)
            self._destroy(queue.hsa)

    def tear_down(self) -> None:
        """The runtime's own clean-up at exit: pool by pool, LOW first, each in map order.

        That CU-mask queues and the cooperative queue come after the pools is inferred.
        """
        for pool in self.pools.values():
            for queue in sorted(pool, key=self._map_order):
                self._destroy(queue.hsa)
            pool.clear()
        for queue in self.cu_mask_queues:
            self._destroy(queue.hsa)
        self.cu_mask_queues.clear()
        if self._cooperative is not None:
            self._destroy(self._cooperative, cooperative=True)
            self._cooperative = None
        self._null = None

    def _stream(self, number: int, priority: StreamPriority) -> Stream:
        queue = self._acquire(HsaPriority.NORMAL if self._ignore_priority else priority.hsa, null_stream=number == 0)
        return self._tell(Stream(number, priority, queue))

    def _tell(self, stream: Stream) -> Stream:
        queue = stream.queue
        self._observe(
            Kind.STREAM_CREATE,
            stream=stream.number,
            ring_base=queue.hsa.ring_base,
            priority=int(HsaPriority.NORMAL if queue.pool is None else queue.pool),
        )
        return stream

    def _acquire(self, priority: HsaPriority, *, null_stream: bool) -> HwQueue:
        limit = self.settings.gpu_max_hw_queues
        self._observe(
            Kind.POOL_COUNTS,
            low=len(self.pools[HsaPriority.LOW]),
            normal=len(self.pools[HsaPriority.NORMAL]),
            high=len(self.pools[HsaPriority.HIGH]),
            maximum=limit,
        )
        queue = self._shared(self.pools[priority], limit)
        reused = queue is not None
        if queue is None:
            queue = HwQueue(self._create(priority, 0), priority)
            self.pools[priority].append(queue)
        else:
            queue.refs += 1
        queue.null_stream |= null_stream and self._metric and self._mode == 2
        self._observe(
            Kind.QUEUE_ACQUIRE,
            ring_base=queue.hsa.ring_base,
            hsa_queue=queue.hsa.address,
            refs=queue.refs,
            reused=int(reused),
        )
        return queue

    def _create(self, priority: HsaPriority, cu_mask: int) -> HsaQueue:
        hsa = self._rocr.queue_create(self.node, self.rocm.value(RING_PACKETS))
        if priority is not HsaPriority.NORMAL:
            self._rocr.set_priority(hsa, priority)
        self._tell_created(hsa, priority, cooperative=False)
        allowed = self.settings.global_cu_mask
        mask = cu_mask & allowed if cu_mask and allowed else cu_mask or allowed
        if mask:
            self._observe(Kind.CU_MASK, ring_base=hsa.ring_base, hsa_queue=hsa.address, mask=f"0x{mask:x}")
            self._rocr.set_cu_mask(hsa, _words(mask))
        return hsa

    def _destroy(self, hsa: HsaQueue, *, cooperative: bool = False) -> None:
        ring, queue = hsa.ring_base, hsa.address
        self._observe(Kind.QUEUE_DESTROY, ring_base=ring, hsa_queue=queue, cooperative=int(cooperative))
        self._rocr.queue_destroy(hsa)

    def _tell_created(self, hsa: HsaQueue, priority: HsaPriority, *, cooperative: bool) -> None:
        self._observe(
            Kind.QUEUE_CREATE,
            ring_base=hsa.ring_base,
            hsa_queue=hsa.address,
            packets=hsa.packets,
            priority=int(priority),
            cooperative=int(cooperative),
        )

    @property
    def _metric(self) -> bool:
        return self._kind is Dynamic.METRIC and self._mode > 0

    def _map_order(self, queue: HwQueue) -> int:
        # The pool is a std::map: by pointer, which descends as queues are made, so that the newest comes first; by
        # queue id, oldest first, where dynamic queues are on.
        return queue.hsa.id if self._mode else queue.hsa.address

    def _shared(self, pool: list[HwQueue], limit: int) -> HwQueue | None:
        """The queue that a new stream shares; None when it gets a new one."""
        if self._metric:
            return self._lightest(pool) if len(pool) >= limit else None
        # Of equal queues the first in map order is taken.
        candidates = pool if len(pool) >= limit else [queue for queue in pool if queue.refs == 0]
        return min(candidates, key=lambda queue: (queue.refs, self._map_order(queue)), default=None)

    def _lightest(self, pool: list[HwQueue]) -> HwQueue:
        """The queue of least load: depth counts sixteen times a reference (CLR-new rocdevice.cpp).

        Mode 2 breaks ties by pipe, taken as queue id modulo pipes, in favour of the pipe with fewest references
        (the direction is inferred).
        """
        pipes = Counter[int]()
        if self._mode == 2:
            for queue in pool:
                pipes[queue.hsa.id % PIPES] += queue.refs

        def order(queue: HwQueue) -> tuple[int, int, int]:
            load = NULL_STREAM_LOAD * queue.null_stream + (self._depth(queue) << 4) + queue.refs
            return load, pipes[queue.hsa.id % PIPES], self._map_order(queue)

        return min(pool, key=order)


def _words(mask: int) -> tuple[int, ...]:
    """A CU mask as 32-bit words, lowest CUs first."""
    words = []
    while mask:
        words.append(mask & 0xFFFFFFFF)
        mask >>= 32
    return tuple(words)
