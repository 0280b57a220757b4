"""One queue, whole: process, ring, doorbell, priority, and the slot it holds on every XCC.

The driver files a queue's facts in several places. ``mqds`` has one MQD image per XCC, and each is a *saved* copy: it
shows the queue as it was when the firmware last unmapped it. ``hqds`` has the live registers, but names no process. The
two are joined by the MQD's own address, which the firmware writes into the slot it connects (dwords 128 and 129).
"""

from __future__ import annotations

from enum import Enum
from functools import cached_property

from ringscope.parts.layout import Generation, Image
from ringscope.recording import Source
from ringscope.records import dataclass, replace
from ringscope.snapshot import Hqd, Mqd, Process, Queue, QueueType, Snapshot

Identity = tuple[int, int, int | None, int | None]
"""Process, device, ring, doorbell."""

# A process's doorbell slice is 8 B x 1024 on SOC15 and starts on a slice boundary of the BAR behind the kernel's own
# pages (kfd_doorbell.c, amdgpu_doorbell_mgr.c; seen at 0x1000 on MI308X). In dwords, as the registers count:
SLICE_DWORDS = 0x800
DOORBELL_DWORDS = 2

AQL_PACKET_DWORDS = 16

# ROCr makes one queue of the smallest ring for its own packets before the first user queue (QueueUtility,
# minAqlSize 64 packets in amd_gpu_agent.h).
ROCR_INTERNAL_RING_BYTES = 4096

# Configuration that the driver wrote and nobody else changes: a mapped queue's saved MQD may be stale in any other
# register, never in these.
_FIXED = ("cp_hqd_pipe_priority", "cp_hqd_queue_priority", "cp_hqd_quantum", "cp_hqd_pq_base_lo", "cp_hqd_pq_base_hi")


class PipePriority(Enum):
    """What ``cp_hqd_pipe_priority`` means (kfd_priv.h: CS_LOW, CS_MEDIUM, CS_HIGH)."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


@dataclass(frozen=True)
class Difference:
    """A register that reads otherwise in the saved MQD than in the live slot of the same XCC."""

    xcc: int
    register: str
    saved: int
    live: int
    expected: bool


def ring_base_of(image: Image) -> int:
    """GPU virtual address of the ring; the register pair holds it shifted right by 8."""
    return image.get64("cp_hqd_pq_base_lo", "cp_hqd_pq_base_hi") << 8


def ring_bytes_of(image: Image) -> int:
    """Size of the ring: ``queue_size`` is the base-2 logarithm of half its dwords."""
    return 4 << (image.get("cp_hqd_pq_control", "queue_size") + 1)


def mqd_address_of(image: Image) -> int:
    """GART address of the MQD this image is of; the join key. Not the ring."""
    return image.get64("cp_mqd_base_addr_lo", "cp_mqd_base_addr_hi")


def doorbell_of(image: Image) -> int:
    """Doorbell as a dword index on the doorbell BAR."""
    return image.get("cp_hqd_pq_doorbell_control", "doorbell_offset")


def write_pointer_of(image: Image) -> int:
    """Write pointer, in dwords since the queue was made."""
    if image.layout.generation is Generation.VI:
        return image.get("cp_hqd_pq_wptr")
    return image.get64("cp_hqd_pq_wptr_lo", "cp_hqd_pq_wptr_hi")


@dataclass(frozen=True)
class Slot:
    """The hardware slot a queue holds on one XCC, and the MQD copy it was matched by."""

    hqd: Hqd
    mqd: Mqd


@dataclass(frozen=True)
class JoinedQueue:
    """One KFD queue with everything that the snapshot shows of it.

    Values that a mapped queue changes (read and write pointer, VMID) come from the live slot when there is one, and
    from the saved MQD otherwise; :attr:`live` says which. ``name`` is what people call it: ``HIP #2`` (from 1 in
    order of creation), ``ROCr internal``, ``SDMA #1``; ``qid 0`` when only sysfs tells of it. ``slots_read`` says
    whether the device's slots were captured, so that no slot means that none holds the queue.
    """

    process: Process
    queue: Queue
    slots: tuple[Slot, ...]
    name: str = ""
    slots_read: bool = True

    @cached_property
    def _saved(self) -> Image | None:
        return self.queue.mqds[0].image if self.queue.mqds else None

    @cached_property
    def _best(self) -> Image | None:
        return self.slots[0].hqd.image if self.slots else self._saved

    @property
    def pid(self) -> int:
        """Process id, as the driver prints it (of the host's namespace)."""
        return self.process.pid

    @property
    def gpu_id(self) -> int:
        """The device's gpu_id."""
        return self.queue.gpu_id

    @property
    def is_compute(self) -> bool:
        """Whether the queue takes one of the compute slots."""
        return self.queue.type in {QueueType.COMPUTE, QueueType.DIQ}

    @property
    def live(self) -> bool:
        """Whether a hardware slot holds the queue, so that its pointers are live."""
        return bool(self.slots)

    @property
    def mapped(self) -> str:
        """``all``, ``some`` or ``none`` of the XCCs that have an MQD copy also hold the queue in a slot."""
        if not self.slots:
            return "none"
        return "all" if len(self.slots) == len(self.queue.mqds) else "some"

    @cached_property
    def ring_base(self) -> int | None:
        """GPU virtual address of the ring."""
        if self._saved is None:
            return None
        if not self.is_compute:
            return self._saved.get64("sdmax_rlcx_rb_base", "sdmax_rlcx_rb_base_hi") << 8
        return ring_base_of(self._saved)

    @cached_property
    def ring_bytes(self) -> int | None:
        """Ring size in bytes."""
        if self._saved is None:
            return self.queue.ring_bytes
        if not self.is_compute:
            return 4 << self._saved.get("sdmax_rlcx_rb_cntl", "rb_size")
        return ring_bytes_of(self._saved)

    @cached_property
    def doorbell_index(self) -> int | None:
        """Doorbell as a dword index on the device's doorbell BAR."""
        if self._saved is None:
            return None
        if not self.is_compute:
            return self._saved.get("sdmax_rlcx_doorbell_offset") >> 2
        return doorbell_of(self._saved)

    @property
    def doorbell_slice(self) -> int | None:
        """First dword index of the process's doorbell slice; None before SOC15, whose slices are of another size."""
        if self.doorbell_index is None or self._saved is None or self._saved.layout.generation is Generation.VI:
            return None
        return self.doorbell_index // SLICE_DWORDS * SLICE_DWORDS

    @property
    def doorbell_id(self) -> int | None:
        """Doorbell id within the process's slice."""
        if self.doorbell_index is None or self.doorbell_slice is None:
            return None
        return (self.doorbell_index - self.doorbell_slice) // DOORBELL_DWORDS

    def register(self, name: str, bits: str | None = None) -> int | None:
        """A compute register of the live slot, or of the saved MQD when none holds the queue."""
        if not self.is_compute or self._best is None:
            return None
        return self._best.get(name, bits)

    @property
    def pipe_priority(self) -> int | None:
        """0 low, 1 medium, 2 high."""
        return self.register("cp_hqd_pipe_priority")

    @property
    def queue_priority(self) -> int | None:
        """KFD priority, 0 to 15."""
        return self.register("cp_hqd_queue_priority")

    @property
    def vmid(self) -> int | None:
        """VMID the firmware gave the process; None while no slot has ever held the queue."""
        vmid = self.register("cp_hqd_vmid", "vmid")
        return vmid or None

    @property
    def read_pointer(self) -> int | None:
        """Dwords fetched."""
        return self.register("cp_hqd_pq_rptr")

    @property
    def write_pointer(self) -> int | None:
        """Dwords written."""
        return None if not self.is_compute or self._best is None else write_pointer_of(self._best)

    @property
    def identity(self) -> Identity:
        """What makes a queue the same one in two snapshots: process, device, ring, doorbell."""
        return self.pid, self.gpu_id, self.ring_base, self.doorbell_index

    @property
    def unit(self) -> str:
        """What its ring counts in: ``packet`` (AQL) or ``dword``."""
        return "packet" if self.aql else "dword"

    @property
    def written(self) -> int | None:
        """Packets (dwords on a PM4 ring) ever written to the ring, as far as the hardware has heard."""
        write = self.write_pointer
        return None if write is None else write // (AQL_PACKET_DWORDS if self.aql else 1)

    @property
    def waiting(self) -> int | None:
        """Packets (dwords on a PM4 ring) written and not yet fetched; the one being executed counts as fetched or not
        as the hardware likes. None when a pointer is not known."""
        read, write = self.read_pointer, self.write_pointer
        if read is None or write is None:
            return None
        # The read pointer register wraps with the ring, the write pointer does not.
        return (write - read) % ((self.ring_bytes or 4) // 4) // (AQL_PACKET_DWORDS if self.aql else 1)

    @property
    def fetched(self) -> int | None:
        """Packets (dwords on a PM4 ring) ever fetched: the read pointer wraps with the ring, this number does not."""
        return None if self.written is None or self.waiting is None else self.written - self.waiting

    @property
    def aql(self) -> bool:
        """Whether the ring holds AQL packets (PM4 otherwise)."""
        saved = self._saved
        return (
            saved is not None
            and self.is_compute
            and "cp_hqd_aql_control" in saved.layout
            and bool(saved.get("cp_hqd_aql_control"))
        )

    @property
    def active(self) -> bool:
        """Whether the runlist holds the queue, as far as the MQD tells: it has a ring."""
        return bool(self.ring_base)

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Registers in which the saved MQD and the live slot disagree, per XCC, in register order."""
        return tuple(
            Difference(slot.hqd.xcc, register.name, saved, live, expected=register.name not in _FIXED)
            for slot in self.slots
            for dword, live in enumerate(slot.hqd.image.words, slot.hqd.image.first_dword)
            if (saved := slot.mqd.image.word(dword)) != live
            for register in slot.mqd.image.layout.by_dword.get(dword, ())[:1]
        )

    @property
    def evidence(self) -> tuple[Source, ...]:
        """Where the queue was read: its MQD block, then each slot."""
        return (self.queue.source, *(slot.hqd.source for slot in self.slots))


def _named(queues: list[JoinedQueue]) -> list[JoinedQueue]:
    """The queues of one process on one device, newest first, with their names."""
    named: list[JoinedQueue] = []
    counts: dict[str, int] = {}
    for place, queue in enumerate(reversed(queues)):
        if queue.queue.type is QueueType.DIQ:
            name = "debug (DIQ)"
        elif queue.is_compute and not queue.queue.mqds:
            name = f"qid {queue.queue.qid}"  # known from sysfs alone, which tells no kind
        elif place == 0 and queue.aql and queue.ring_bytes == ROCR_INTERNAL_RING_BYTES:
            name = "ROCr internal"
        else:
            kind = "SDMA" if not queue.is_compute else "HIP" if queue.aql else "PM4"
            counts[kind] = counts.get(kind, 0) + 1
            name = f"{kind} #{counts[kind]}"
        named.append(replace(queue, name=name))
    return named[::-1]


def join_queues(snapshot: Snapshot) -> tuple[JoinedQueue, ...]:
    """Every queue of the snapshot with its slots, process by process, newest first as the driver lists them.

    A slot belongs to a queue when it is active and its MQD address is that of the queue's copy for the same device;
    the copy's place in ``mqds`` must be the slot's XCC.
    """
    slots: dict[tuple[int, int], list[Hqd]] = {}
    for device in snapshot.devices:
        for hqd in device.hqds:
            if hqd.active:
                slots.setdefault((device.gpu_id, mqd_address_of(hqd.image)), []).append(hqd)
    read = {device.gpu_id for device in snapshot.devices if device.hqds}
    joined: list[JoinedQueue] = []
    for process in snapshot.processes:
        per_device: dict[int, list[JoinedQueue]] = {}
        for queue in process.queues:
            found = []
            if queue.type in {QueueType.COMPUTE, QueueType.DIQ}:
                for mqd in queue.mqds:
                    holders = slots.get((queue.gpu_id, mqd_address_of(mqd.image)), ())
                    found += [Slot(hqd, mqd) for hqd in holders if hqd.xcc == mqd.xcc]
            one = JoinedQueue(process, queue, tuple(found), slots_read=queue.gpu_id in read)
            per_device.setdefault(queue.gpu_id, []).append(one)
        for queues in per_device.values():
            joined += _named(queues)
    return tuple(joined)
