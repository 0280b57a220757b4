"""A runlist read packet by packet: what the firmware was last told of, and whether it must rotate.

The driver writes processes newest first (``dqm->queues`` is filled at its head), each as MAP_PROCESS followed by its
active queues, newest first. When a limit is passed it appends a RUN_LIST with the chain bit that points at the same
IB, so that the firmware walks it for ever (pm_create_runlist_ib in kfd_packet_manager.c).
"""

from __future__ import annotations

from ringscope.parts.layout import Image
from ringscope.records import dataclass
from ringscope.snapshot import Runlist


@dataclass(frozen=True, slots=True)
class MappedQueue:
    """One MAP_QUEUES: the MQD's GART address, the doorbell (BAR dword index), and whether it holds GWS."""

    mqd_address: int
    doorbell: int
    gws: bool
    sdma: bool


@dataclass(frozen=True, slots=True)
class MappedProcess:
    """One MAP_PROCESS and the queues behind it; ``sh_mem_config`` holds its XNACK mode among other bits."""

    pasid: int
    sh_mem_config: int
    queues: tuple[MappedQueue, ...]


@dataclass(frozen=True, slots=True)
class ReadRunlist:
    """A runlist, processes newest first. ``chained`` is the driver's own verdict that the device is over-subscribed."""

    processes: tuple[MappedProcess, ...]
    chained: bool

    @property
    def gws_queues(self) -> int:
        """Cooperative queues in it."""
        return sum(queue.gws for process in self.processes for queue in process.queues)

    @property
    def mixed_memory_modes(self) -> bool:
        """Whether processes differ in ``sh_mem_config``, as they do when XNACK is on in some of them only."""
        return len({process.sh_mem_config for process in self.processes}) > 1


def read_runlist(runlist: Runlist) -> ReadRunlist:
    """What the packets of a runlist say together."""
    processes: list[MappedProcess] = []
    chained = False
    for packet in runlist.packets:
        image = packet.image
        if packet.name == "MAP_PROCESS":
            processes.append(MappedProcess(image.get("control", "pasid"), image.get("sh_mem_config"), ()))
        elif packet.name == "MAP_QUEUES" and processes:
            last = processes[-1]
            processes[-1] = MappedProcess(last.pasid, last.sh_mem_config, (*last.queues, _queue(image)))
        elif packet.name == "RUN_LIST":
            chained |= bool(image.get("control", "chain"))
    return ReadRunlist(tuple(processes), chained)


def _queue(image: Image) -> MappedQueue:
    return MappedQueue(
        image.get64("mqd_addr_lo", "mqd_addr_hi"),
        image.get("control2", "doorbell_offset"),
        bool(_control(image, "gws_control_queue")),
        bool(_control(image, "extended_engine_sel")) or image.get("control", "engine_sel") in (2, 3),
    )


def _control(image: Image, bits: str) -> int:
    """Bits that the VI packet does not have: no cooperative queues there, no second set of engines."""
    try:
        return image.get("control", bits)
    except KeyError:
        return 0
