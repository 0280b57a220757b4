"""Doorbells: the slice of the BAR that each process gets on each node, and which doorbell of it a queue gets.

CP knows a queue by its doorbell's absolute dword index on the BAR. Slices of different processes never overlap, so two
processes may hold equal doorbell ids, equal queue ids and equal offsets within their slices without ever meeting.

Rules: facts §3.4; kfd_doorbell.c, kfd_device_queue_manager.c allocate_doorbell, amdgpu_doorbell_mgr.c.
"""

from __future__ import annotations

import errno

from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.stack.kfd.bitmap import Bitmap
from ringscope.stack.kfd.memory import FirstFit
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.machine import PAGE, NodeSpec

FIDELITY = (
    Behaviour(
        "kfd.doorbells",
        "a slice of doorbells a process; compute queues take its first free one, SDMA queues those of their engine",
        Standing.CAPTURED,
        "SOC15 parts (GC 9 and later)",
        "kfd_doorbell.c, kfd_device_queue_manager.c allocate_doorbell; five doorbells of an MI308X",
        "tests/stack/kfd/test_doorbells.py::test_reserved_doorbells_are_never_given_to_compute_queues",
    ),
    Behaviour(
        "kfd.doorbells.aperture",
        "the doorbell BAR holds 8 MiB, slices handed out first fit",
        Standing.INFERRED,
        "all",
        "512 processes that KFD allows; TTM's first fit",
        "tests/stack/kfd/test_doorbells.py::test_slices_follow_each_other",
    ),
)

PER_PROCESS = 1024
"""Doorbells of a process on one node (KFD_MAX_NUM_OF_QUEUES_PER_PROCESS)."""
MIRROR = 512
"""The upper half of a slice routes as the lower: engines look at 12 address bits (KFD_QUEUE_DOORBELL_MIRROR_OFFSET)."""
BAR_BYTES = 8 << 20
"""Doorbell aperture. No source states its size; 8 MiB holds the 512 processes that KFD allows [inferred]."""

MMAP_DOORBELL = 3 << 62
MMAP_GPU_ID_SHIFT = 46


class Bar:
    """The doorbell BAR of one device: slices are handed out first fit, as TTM does [inferred]."""

    def __init__(self, spec: NodeSpec) -> None:
        self.doorbell_bytes = spec.part.doorbell_bytes
        self.slice_bytes = -(-self.doorbell_bytes * PER_PROCESS // PAGE) * PAGE
        first = spec.part.first_process_doorbell * 4
        self._slices = FirstFit("doorbell BAR", ((first, BAR_BYTES),), PAGE)

    def allocate(self) -> int:
        """Byte offset of a new slice; KfdError ENOMEM when the BAR is full."""
        return self._slices.allocate(self.slice_bytes)

    def free(self, offset: int) -> None:
        """Give a slice back."""
        self._slices.free(offset)

    @property
    def held_bytes(self) -> int:
        """Bytes in the hands of processes."""
        return self._slices.held_bytes


class Slice:
    """The doorbells of one process on one node."""

    def __init__(self, bar: Bar, spec: NodeSpec) -> None:
        self._bar = bar
        self._spec = spec
        self._used = Bitmap(PER_PROCESS)
        self.offset = bar.allocate()
        if spec.part.non_cp_doorbells is not None:
            first, last = spec.part.non_cp_doorbells
            for bit in range(first, last + 1):
                self._used.set(bit)
                if bit + MIRROR < PER_PROCESS:
                    self._used.set(bit + MIRROR)
        self._reserved = len(self._used)

    def release(self) -> None:
        """Give the slice back to the BAR."""
        self._bar.free(self.offset)

    @property
    def held(self) -> int:
        """Doorbells in the hands of queues."""
        return len(self._used) - self._reserved

    def compute(self, queue_id: int) -> int:
        """Doorbell id of a new compute queue: the first free one, before SOC15 the queue's own id.

        KfdError EBUSY when all are taken.
        """
        if not self._spec.soc15:
            return queue_id
        bit = self._used.first_free()
        if bit is None:
            raise KfdError(errno.EBUSY, "no doorbell is left in the process's slice")
        self._used.set(bit)
        return bit

    def sdma(self, queue_id: int, engine: int, sdma_queue: int) -> int:
        """Doorbell id of an SDMA queue: fixed by engine and queue, for the engine routes by address."""
        part, spec = self._spec.part, self._spec
        if not spec.soc15:
            return queue_id
        slot = spec.index * sum(spec.sdma_engines) + engine
        first = (part.sdma_doorbell_base or 0) + (part.sdma_doorbell_step or 0) * slot
        return first + (sdma_queue & 1) * MIRROR + (sdma_queue >> 1)

    def free(self, doorbell_id: int) -> None:
        """Give a compute queue's doorbell back; before SOC15 it goes with the queue id."""
        if self._spec.soc15:
            self._used.clear(doorbell_id)

    def index(self, doorbell_id: int) -> int:
        """Absolute dword index on the BAR: what MQD dword 143 and MAP_QUEUES carry."""
        return self.offset // 4 + doorbell_id * -(-self._bar.doorbell_bytes // 4)

    def ioctl_offset(self, doorbell_id: int) -> int:
        """``doorbell_offset`` of CREATE_QUEUE: an mmap offset, on SOC15 with the doorbell's byte within the slice."""
        base = MMAP_DOORBELL | self._spec.gpu_id << MMAP_GPU_ID_SHIFT
        return base | doorbell_id * self._bar.doorbell_bytes if self._spec.soc15 else base
