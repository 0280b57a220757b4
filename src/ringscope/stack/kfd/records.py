"""What crosses the border of the driver: ioctl arguments and answers, errors, and what an operation cost.

Field for field as in ``kfd_ioctl.h`` (interface 1.17), under names that say the unit. A caller that holds raw ioctl
bytes decodes them into these records; a caller that models ROCr builds them.
"""

from __future__ import annotations

import errno as _errno
from enum import Enum
from typing import TYPE_CHECKING

from ringscope.errors import RingscopeError
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.records import dataclass

if TYPE_CHECKING:
    from ringscope.snapshot import QueueType


def kind_of(asked: IoctlQueueType) -> QueueType:
    """The type of a queue as a Snapshot names it."""
    from ringscope.snapshot import QueueType  # noqa: PLC0415 - most who name a queue's type take no snapshot

    if asked is IoctlQueueType.SDMA_XGMI:
        return QueueType.SDMA_XGMI
    return QueueType.SDMA if asked.is_sdma else QueueType.COMPUTE


class KfdError(RingscopeError):
    """An operation that the driver refuses.

    ``errno`` is what the ioctl returns, positive; ``why`` names the check that failed; ``steps`` are what was done to
    the hardware before it failed, mostly nothing.
    """

    def __init__(self, errno: int, why: str) -> None:
        super().__init__(f"{_errno.errorcode.get(errno, errno)}: {why}")
        self.errno = errno
        self.why = why
        self.steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class CreateQueue:
    """AMDKFD_IOC_CREATE_QUEUE. Addresses are GPU virtual; ``percentage`` may carry ``pm4_target_xcc`` in bits 15:8."""

    gpu_id: int
    type: IoctlQueueType
    ring_base: int
    ring_bytes: int
    read_pointer: int
    write_pointer: int
    percentage: int = 100
    priority: int = 7
    eop_base: int = 0
    eop_bytes: int = 0
    cwsr_base: int = 0
    cwsr_bytes: int = 0
    ctl_stack_bytes: int = 0
    sdma_engine: int = 0


@dataclass(frozen=True, slots=True)
class UpdateQueue:
    """AMDKFD_IOC_UPDATE_QUEUE. Percentage 0 or a null ring takes the queue out of the runlist."""

    queue_id: int
    ring_base: int
    ring_bytes: int
    percentage: int = 100
    priority: int = 7


class Action(Enum):
    """What the driver asks of the hardware or firmware; the value is the name in JSON and in events."""

    SET_RESOURCES = "set-resources"
    RUN_LIST = "run-list"
    UNMAP_QUEUES = "unmap-queues"
    QUERY_STATUS = "query-status"
    WRITE_DATA = "write-data"
    NOP = "nop"
    MES_ADD_QUEUE = "mes-add-queue"
    MES_REMOVE_QUEUE = "mes-remove-queue"
    HQD_LOAD = "hqd-load"
    HQD_DESTROY = "hqd-destroy"
    GPU_RESET = "gpu-reset"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the driver did to a node: what an engine charges time for.

    ``dwords`` is what it put into the HIQ ring (0 for everything that does not go through the HIQ). ``queues`` is
    how many queues it touched: those an UNMAP_QUEUES takes off their slots, those a RUN_LIST names. ``waits`` is
    true when the driver does not return before the hardware has answered (the fence poll of an unmap, a MES call,
    a register poll).
    """

    gpu_id: int
    action: Action
    dwords: int = 0
    queues: int = 1
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Breakage:
    """What goes wrong when a scheduler change that somebody proposed meets the real driver and firmware.

    ``proposal`` is the name of the :class:`~ringscope.stack.machine.Proposal`, ``what`` says what breaks and where.
    """

    gpu_id: int
    proposal: str
    what: str


@dataclass(frozen=True, slots=True)
class CreatedQueue:
    """What CREATE_QUEUE gives back, and what it cost.

    ``doorbell_offset`` is the ioctl's encoded value: an mmap offset (type and gpu_id in the high bits) plus, on
    SOC15 parts, the doorbell's byte within the process's slice.
    """

    queue_id: int
    doorbell_offset: int
    steps: tuple[Step, ...]


def hiq_dwords(steps: tuple[Step, ...]) -> int:
    """Dwords the steps put into HIQ rings, NOP padding included."""
    return sum(step.dwords for step in steps)
