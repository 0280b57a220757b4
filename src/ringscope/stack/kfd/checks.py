"""What the driver checks of an ioctl before it does anything, with the errno it gives.

Rules: facts §3.2; kfd_chardev.c set_queue_properties_from_user, kfd_queue.c kfd_queue_acquire_buffers.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from ringscope.parts.queue_types import IoctlQueueType
from ringscope.records import replace
from ringscope.stack.kfd.records import CreateQueue, KfdError, UpdateQueue
from ringscope.stack.machine import PAGE, NodeSpec

MAX_PERCENTAGE = 100
MAX_PRIORITY = 15
MIN_RING_BYTES = 1024
USER_END = 1 << 47
"""First address that no user pointer has (access_ok on x86-64)."""
MAX_CU_MASK_BITS = 1024

Mapping = Callable[[int, int, int], tuple[int, int] | None]
"""``(pid, gpu_id, address)`` to the ``(start, bytes)`` of the GPU mapping that holds it; None when none does."""


def _user(address: int, what: str) -> None:
    if not 0 <= address < USER_END:
        raise KfdError(errno.EFAULT, f"{what} {address:#x} is no user address")


def _ring(base: int, size: int, percentage: int, priority: int) -> int:
    """Checks that CREATE and UPDATE share; the ring's size after the driver has clamped it."""
    if percentage & 0xFF > MAX_PERCENTAGE:
        raise KfdError(errno.EINVAL, f"queue percentage {percentage & 0xFF} is above {MAX_PERCENTAGE}")
    if not 0 <= priority <= MAX_PRIORITY:
        raise KfdError(errno.EINVAL, f"queue priority {priority} is not in 0 to {MAX_PRIORITY}")
    _user(base, "ring address")
    if size & (size - 1) if size else False:
        raise KfdError(errno.EINVAL, f"ring size {size} is no power of two")
    return max(size, MIN_RING_BYTES)


def create(request: CreateQueue) -> CreateQueue:
    """The request as the driver goes on with it; KfdError EINVAL or EFAULT."""
    size = _ring(request.ring_base, request.ring_bytes, request.percentage, request.priority)
    for address, what in (
        (request.read_pointer, "read pointer"),
        (request.write_pointer, "write pointer"),
        (request.eop_base, "EOP buffer"),
        (request.cwsr_base, "save area"),
    ):
        _user(address, what)
    return replace(request, ring_bytes=size)


def update(request: UpdateQueue) -> UpdateQueue:
    """The request as the driver goes on with it; KfdError EINVAL or EFAULT."""
    return replace(
        request, ring_bytes=_ring(request.ring_base, request.ring_bytes, request.percentage, request.priority)
    )


def buffers(spec: NodeSpec, pid: int, request: CreateQueue, mapping: Mapping | None) -> None:
    """Sizes that the driver computes itself, and what lies mapped where; KfdError EINVAL.

    Mappings are only checked when the caller says what is mapped.
    """
    part, area = spec.part, spec.save_area
    if request.type is IoctlQueueType.SDMA_BY_ENG_ID and request.sdma_engine >= sum(spec.sdma_engines):
        raise KfdError(
            errno.EINVAL, f"SDMA engine {request.sdma_engine} is above the last, {sum(spec.sdma_engines) - 1}"
        )
    if not request.type.is_sdma:
        if request.eop_base and request.eop_bytes != part.eop_bytes:
            raise KfdError(errno.EINVAL, f"EOP buffer of {request.eop_bytes} bytes, the node wants {part.eop_bytes}")
        if request.cwsr_base and (request.ctl_stack_bytes, request.cwsr_bytes) != (
            area.ctl_stack_bytes,
            area.cwsr_bytes,
        ):
            raise KfdError(
                errno.EINVAL,
                f"control stack {request.ctl_stack_bytes:#x} and save area {request.cwsr_bytes:#x}, the node wants "
                f"{area.ctl_stack_bytes:#x} and {area.cwsr_bytes:#x}",
            )
    if mapping is None:
        return

    def exactly(address: int, size: int, what: str) -> None:
        if mapping(pid, spec.gpu_id, address) != (address, size):
            raise KfdError(errno.EINVAL, f"{what} {address:#x} is no mapping of {size} bytes of its own")

    exactly(request.write_pointer, PAGE, "write pointer")
    exactly(request.read_pointer, PAGE, "read pointer")
    halved = request.type is IoctlQueueType.COMPUTE_AQL and spec.gc[0] in (7, 8)
    exactly(request.ring_base, request.ring_bytes // 2 if halved else request.ring_bytes, "ring")
    if request.eop_base and not request.type.is_sdma:
        exactly(request.eop_base, request.eop_bytes, "EOP buffer")
    if request.cwsr_base and not request.type.is_sdma:
        exactly(request.cwsr_base, area.total_bytes, "save area")


def new_ring(gpu_id: int, pid: int, request: UpdateQueue, mapping: Mapping | None) -> None:
    """Whether the ring of an update, if it has one, lies mapped; KfdError EFAULT (kfd_queue_buffer_get)."""
    ring = request.ring_base, request.ring_bytes
    if mapping and all(ring) and mapping(pid, gpu_id, request.ring_base) != ring:
        raise KfdError(errno.EFAULT, f"ring {ring[0]:#x} is no mapping of {ring[1]} bytes of its own")


def cu_mask(spec: NodeSpec, words: tuple[int, ...], bits: int) -> int:
    """How many bits of the mask count; KfdError EINVAL (facts §3.1; kfd_chardev.c, pqm_update_mqd)."""
    if bits % 32 or not bits or len(words) * 32 < bits:
        raise KfdError(errno.EINVAL, f"a CU mask of {bits} bits is no multiple of 32 above 0, or longer than its words")
    bits = min(bits, MAX_CU_MASK_BITS)
    if spec.gc >= (10,):
        for word in words[: bits // 32]:
            if (word ^ word >> 1) & 0x55555555:
                raise KfdError(errno.EINVAL, f"CU mask word {word:#010x} splits a WGP: bits go in pairs from gfx10 on")
    return bits
