"""What the driver keeps: processes, what a process has on each node, and its queues. State, not rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ringscope.records import dataclass, field
from ringscope.snapshot import QueueType
from ringscope.stack import firmware
from ringscope.stack.kfd.bitmap import Bitmap
from ringscope.stack.kfd.doorbells import Slice
from ringscope.stack.kfd.mqd import ComputeMqd, SdmaMqd
from ringscope.stack.kfd.queue_ids import MAX_QUEUES_PER_PROCESS
from ringscope.stack.kfd.records import CreateQueue, kind_of

FIRST_PASID = 0x8000
"""PASIDs are handed out from here on: the driver asks for 16 bits and takes the upper half (amdgpu_ids.c)."""
MAX_PROCESSES = 512
"""KFD_MAX_NUM_OF_PROCESSES, kfd_priv.h."""


@dataclass(eq=False, slots=True)
class Queue:
    """One KFD queue.

    ``request`` is what the process asked for, as last updated. ``counted`` is the driver's ``is_active``: the queue
    belongs into the runlist and into the counters. ``compute`` is the MQD of a compute queue, ``sdma`` that of an SDMA
    queue; ``slot`` the place that NOCPSCH gave it.
    """

    qid: int
    request: CreateQueue
    home: ProcessDevice
    doorbell_id: int
    doorbell: int
    mqd_address: int
    compute: firmware.Mqd | None = None
    driver: ComputeMqd | None = None
    sdma: SdmaMqd | None = None
    sdma_id: int | None = None
    slot: tuple[int, int] | None = None
    cu_masks: tuple[tuple[int, ...], ...] = ()
    logic_xcc: int = 0
    gws: bool = False
    evicted: bool = False
    suspended: bool = False
    counted: bool = False

    @property
    def type(self) -> QueueType:
        """What the queue feeds."""
        return kind_of(self.request.type)

    @property
    def is_compute(self) -> bool:
        """Whether it goes through the MEC."""
        return not self.request.type.is_sdma

    @property
    def wanted(self) -> bool:
        """Whether it should run: QUEUE_IS_ACTIVE of kfd_priv.h."""
        request = self.request
        return bool(
            request.ring_bytes > 0
            and request.ring_base
            and request.percentage & 0xFF
            and not self.evicted
            and not self.suspended
        )


@dataclass(eq=False, slots=True)
class ProcessDevice:
    """What one process has on one node.

    ``queues`` is in order of creation, the driver's list is the reverse; ``sdma`` are the SDMA queues among them.
    """

    process: Process
    gpu_id: int
    new_slice: Callable[[], Slice]
    queues: dict[int, Queue] = field(default_factory=dict)
    sdma: dict[int, Queue] = field(default_factory=dict)
    slice: Slice | None = None
    evictions: int = 0
    gws: bool = False
    vmid: int = 0
    page_table: int = 0

    @property
    def doorbells(self) -> Slice:
        """The process's doorbells on the node, allocated when first asked for; KfdError ENOMEM on a full BAR."""
        if self.slice is None:
            self.slice = self.new_slice()
        return self.slice

    @property
    def pasid(self) -> int:
        """PASID of the process."""
        return self.process.pasid

    def newest_first(self) -> Iterator[Queue]:
        """Active queues in the order of the runlist."""
        return (queue for queue in reversed(self.queues.values()) if queue.counted)

    def compute_mqds(self) -> Iterator[firmware.Mqd]:
        """MQDs of the active compute queues in the order of the runlist."""
        return (
            queue.compute for queue in reversed(self.queues.values()) if queue.counted and queue.compute is not None
        )

    def sdma_mqds(self) -> Iterator[SdmaMqd]:
        """MQDs of the active SDMA queues in the order of the runlist."""
        return (queue.sdma for queue in reversed(self.sdma.values()) if queue.counted and queue.sdma is not None)


@dataclass(eq=False, slots=True)
class Process:
    """One process that has opened ``/dev/kfd``."""

    pid: int
    pasid: int
    name: str = ""
    xnack: bool = False
    queue_ids: Bitmap = field(default_factory=lambda: Bitmap(MAX_QUEUES_PER_PROCESS))
    queues: dict[int, Queue] = field(default_factory=dict)
    devices: dict[int, ProcessDevice] = field(default_factory=dict)
