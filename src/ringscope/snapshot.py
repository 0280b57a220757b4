"""The state of every queue at one instant: the first half of ringscope's currency.

A :class:`Snapshot` holds what a capture, a virtual GPU or a simulation shows at one moment: per device the hardware
slots (HQDs) of each XCC, the HIQ, SDMA queues and the runlist; per process its queues with one MQD image per XCC.
Nothing is folded or judged here beyond what the driver itself files together: a :class:`Queue` is one KFD queue, and
its ``mqds`` are that queue's copies, one per XCC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import Enum

from ringscope.parts.layout import Generation, Image
from ringscope.recording import Source
from ringscope.records import dataclass, field
from ringscope.tabular import Row, Tabular


class QueueType(Enum):
    """What a queue feeds; the value is the name in JSON."""

    COMPUTE = "compute"
    SDMA = "sdma"
    SDMA_XGMI = "sdma-xgmi"
    DIQ = "diq"
    HIQ = "hiq"


@dataclass(frozen=True)
class Mqd:
    """One MQD image: what a queue looked like when the firmware last saved it on this XCC."""

    xcc: int
    image: Image
    source: Source


@dataclass(frozen=True)
class Hqd:
    """One hardware queue slot of one XCC, as its registers read.

    ``mec`` is 1 for the slots the driver gives to user queues and 2 for the HIQ's. A slot is occupied when
    ``cp_hqd_active`` bit 0 is set, and only then: a freed slot keeps its old registers.
    """

    xcc: int
    mec: int
    pipe: int
    queue: int
    image: Image
    source: Source

    @property
    def active(self) -> bool:
        """Whether a queue is connected to this slot."""
        return bool(self.image.get("cp_hqd_active") & 1)

    @property
    def name(self) -> str:
        """``pipe.queue``, as in ``0.2``."""
        return f"{self.pipe}.{self.queue}"


@dataclass(frozen=True, slots=True)
class Run:
    """Words at consecutive byte addresses, as little-endian bytes; ``address`` is the first one's."""

    address: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class SdmaRlc:
    """One SDMA queue slot (RLC): its registers in runs of consecutive addresses."""

    engine: int
    rlc: int
    runs: tuple[Run, ...]
    source: Source

    @property
    def registers(self) -> tuple[tuple[int, int], ...]:
        """Every register as byte address and value."""
        return tuple(
            (run.address + at, int.from_bytes(run.data[at : at + 4], "little"))
            for run in self.runs
            for at in range(0, len(run.data), 4)
        )


@dataclass(frozen=True)
class Packet:
    """One PM4 packet, read through its layout."""

    image: Image
    source: Source

    @property
    def name(self) -> str:
        """What packet it is, as in ``MAP_QUEUES``."""
        return self.image.layout.name


@dataclass(frozen=True)
class Runlist:
    """The runlist IB loaded into the firmware, as dwords; empty when the driver says there is none.

    ``packets`` are the same words as PM4: MAP_PROCESS, MAP_QUEUES … and, when over-subscribed, a chained RUN_LIST.
    """

    words: tuple[int, ...]
    source: Source
    packets: tuple[Packet, ...] = ()


@dataclass(frozen=True)
class Queue:
    """One KFD queue. What a source does not show is None, never a guess."""

    gpu_id: int
    type: QueueType
    source: Source
    mqds: tuple[Mqd, ...] = ()
    qid: int | None = None
    ring_bytes: int | None = None


@dataclass(frozen=True)
class Process:
    """One process that holds queues.

    ``pasid`` is None when the source prints the pid in its place. From sysfs come ``listed``, its queues with their ids
    and no image, whether or not they could be matched to ``queues``, and ``usage`` by file:
    ``vram_<gpu_id>`` (bytes), ``sdma_<gpu_id>``, ``stats_<gpu_id>/evicted_ms`` …, gpu_ids in decimal as sysfs has them.
    """

    pid: int
    queues: tuple[Queue, ...]
    source: Source
    pasid: int | None = None
    name: str = ""
    listed: tuple[Queue, ...] = ()
    usage: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Device:
    """One KFD node with compute.

    ``hqds`` lists every slot that the driver may use, busy or not; ``hiqs`` the HIQ of each XCC. ``properties`` are
    the node's topology properties when that was captured (decimal ints by the driver's own key).
    """

    node: int | None
    gpu_id: int
    source: Source
    generation: Generation | None = None
    hqds: tuple[Hqd, ...] = ()
    hiqs: tuple[Hqd, ...] = ()
    sdma: tuple[SdmaRlc, ...] = ()
    runlist: Runlist | None = None
    stopped: bool = False
    properties: dict[str, int] = field(default_factory=dict)

    @property
    def xccs(self) -> int:
        """XCCs seen; 0 when no slot was captured."""
        return len({slot.xcc for slot in self.hqds} | {slot.xcc for slot in self.hiqs})

    @property
    def slots_per_xcc(self) -> int:
        """Hardware slots of each XCC that the driver may give to user queues; 0 when none were captured."""
        return len({(slot.pipe, slot.queue) for slot in self.hqds})

    @property
    def slots_used(self) -> int:
        """Slots of an XCC that hold a queue, on the fullest one."""
        return max(Counter(slot.xcc for slot in self.hqds if slot.active).values(), default=0)


@dataclass(frozen=True)
class Snapshot(Tabular):
    """Everything known about one instant.

    ``label`` is the user's name for it (a folder, "active"); ``sources`` the kinds of file it was read from
    (``mqds``, ``hqds``, ``rls``, ``proc``, ``topology``); an empty ``mqds`` file counts: it says no queue exists.
    """

    label: str
    devices: tuple[Device, ...] = ()
    processes: tuple[Process, ...] = ()
    sources: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def records(self) -> Iterator[Row]:
        """A row a queue; what was joined of them is a row of a :class:`~ringscope.join.Case`."""
        for process, queue in self.queues:
            yield {
                "pid": process.pid,
                "process": process.name,
                "gpu_id": queue.gpu_id,
                "type": queue.type.value,
                "qid": queue.qid,
                "ring_bytes": queue.ring_bytes,
                "mqd_copies": len(queue.mqds),
                "source": str(queue.source),
            }

    def device(self, gpu_id: int) -> Device | None:
        """The device of that ``gpu_id``."""
        return next((device for device in self.devices if device.gpu_id == gpu_id), None)

    @property
    def queues(self) -> tuple[tuple[Process, Queue], ...]:
        """Every queue with its process, in file order (the driver lists the newest first)."""
        return tuple((process, queue) for process in self.processes for queue in process.queues)
