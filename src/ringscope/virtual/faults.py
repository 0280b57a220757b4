"""What can go wrong with the packet at the head of a queue: it waits, or it stops the queue."""

from __future__ import annotations

import struct

ERROR_NONE, ERROR_DIMENSIONS, ERROR_CODE, ERROR_PACKET = 0, 2, 8, 32
"""Queue error bits that ROCr's handler reads from the inactive signal (ROCR amd_aql_queue.cpp).

NONE leaves the signal alone: memory faults and resets are told by events.
"""


class Stall(Exception):  # noqa: N818  a state of the packet, not an error
    """The packet cannot go yet; it is looked at again when memory may have changed."""


class Fault(Exception):  # noqa: N818  the hardware's word
    """The packet stops its queue: ``code`` goes to the runtime, the text to the user."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


def memory_exception(va: int, gpu_id: int) -> bytes:
    """``kfd_hsa_memory_exception_data``: not present, at that address."""
    return struct.pack("<4IQ2I", 1, 0, 0, 0, va, gpu_id, 0)


def hardware_exception(gpu_id: int) -> bytes:
    """``kfd_hsa_hw_exception_data``: a reset after a hang; memory lost, as the driver always says."""
    return struct.pack("<4I", 0, 0, 1, gpu_id)
