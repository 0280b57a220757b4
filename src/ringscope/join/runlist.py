"""A runlist read packet by packet: what the firmware was last told of, and whether it must rotate.

The driver writes processes newest first (``dqm->queues`` is filled at its head), each as MAP_PROCESS followed by its
active queues, newest first. When a limit is passed it appends a RUN_LIST with the chain bit that points at the same
IB, so that the firmware walks it for ever (pm_create_runlist_ib in kfd_packet_manager.c).
"""

from __future__ import annotations

from dataclasses import dataclass

from ringscope.parts import pm4
from ringscope.parts.layout import Image, Layout

# MAP_PROCESS tells the formats apart by its length; the other packets are read alike in both late ones.
_BY_MAP_PROCESS_DWORDS = {21: pm4.Format.ALDEBARAN, 16: pm4.Format.V9}


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


def _image(layout: Layout, words: tuple[int, ...]) -> Image:
    return Image(layout, b"".join(word.to_bytes(4, "little") for word in words))


def read_runlist(words: tuple[int, ...]) -> ReadRunlist | None:
    """The packets of a runlist IB of a V9 family or later part; None when these words are none.

    Zero dwords end it: the driver allocates for the worst case.
    """
    processes: list[MappedProcess] = []
    chained = False
    at = 0
    while at < len(words) and words[at]:
        try:
            length, opcode = pm4.packet_dwords(words[at]), pm4.opcode_of(words[at])
        except ValueError:
            return None
        packet = words[at : at + length]
        if len(packet) < length:
            return None
        if opcode == pm4.MAP_PROCESS:
            fmt = _BY_MAP_PROCESS_DWORDS.get(length)
            if fmt is None:
                return None
            image = _image(pm4.packet_layout(opcode, fmt), packet)
            processes.append(MappedProcess(image.get("control", "pasid"), image.get("sh_mem_config"), ()))
        elif opcode == pm4.MAP_QUEUES and processes:
            last = processes[-1]
            processes[-1] = MappedProcess(last.pasid, last.sh_mem_config, (*last.queues, _queue(packet)))
        elif opcode == pm4.RUN_LIST:
            chained |= bool(_image(pm4.packet_layout(opcode, pm4.Format.V9), packet).get("control", "chain"))
        elif opcode != pm4.NOP:
            return None
        at += length
    return ReadRunlist(tuple(processes), chained)


def _queue(packet: tuple[int, ...]) -> MappedQueue:
    image = _image(pm4.packet_layout(pm4.MAP_QUEUES, pm4.Format.V9), packet)
    sdma = bool(image.get("control", "extended_engine_sel")) or image.get("control", "engine_sel") in (2, 3)
    return MappedQueue(
        image.get64("mqd_addr_lo", "mqd_addr_hi"),
        image.get("control2", "doorbell_offset"),
        bool(image.get("control", "gws_control_queue")),
        sdma,
    )
