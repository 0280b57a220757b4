"""Types of queues: as user space asks for them, and as the driver counts them inside."""

from __future__ import annotations

from enum import IntEnum


class IoctlQueueType(IntEnum):
    """``queue_type`` of CREATE_QUEUE, as user space says it (``KFD_IOC_QUEUE_TYPE_*``)."""

    COMPUTE = 0
    SDMA = 1
    COMPUTE_AQL = 2
    SDMA_XGMI = 3
    SDMA_BY_ENG_ID = 4

    @property
    def is_sdma(self) -> bool:
        """Whether the queue feeds an SDMA engine and not the compute front end."""
        return self not in (IoctlQueueType.COMPUTE, IoctlQueueType.COMPUTE_AQL)


class KfdQueueType(IntEnum):
    """``enum kfd_queue_type`` (kfd_priv.h), as ``/sys/class/kfd/kfd/proc/<pid>/queues/<qid>/type`` says it."""

    COMPUTE = 0
    SDMA = 1
    HIQ = 2
    DIQ = 3
    SDMA_XGMI = 4
    SDMA_BY_ENG_ID = 5
