"""What can go wrong with the packet at the head of a queue: it waits, or it stops the queue."""

from __future__ import annotations

ERROR_DIMENSIONS, ERROR_CODE, ERROR_PACKET = 2, 8, 32
"""Queue error bits that ROCr's handler reads from the inactive signal (ROCR amd_aql_queue.cpp)."""


class Stall(Exception):
    """The packet cannot go yet; it is looked at again when memory may have changed."""


class Fault(Exception):
    """The packet stops its queue: ``code`` goes to the runtime, the text to the user."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code
