"""One user queue as the command processor sees it: its ring, its doorbell, how far it has got, and its kernels."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ringscope.parts.queue_types import IoctlQueueType
from ringscope.records import dataclass, field

if TYPE_CHECKING:
    from ringscope.virtual.client import Client

AQL_PACKET = 64
UNRUNG = 0xFFFFFFFFFFFFFFFF
"""What an AQL doorbell holds before its first ring: 0 would hide the store of packet number 0."""


@dataclass(frozen=True)
class Dispatch:
    """A KERNEL_DISPATCH packet: sizes in work-items, addresses on the GPU."""

    dimensions: int
    workgroup: tuple[int, int, int]
    grid: tuple[int, int, int]
    private_bytes: int
    group_bytes: int
    kernel: int
    arguments: int

    @classmethod
    def read(cls, packet: bytes) -> Dispatch:
        """From the packet's 64 bytes."""
        setup, x, y, z, _, gx, gy, gz, private, group, kernel, arguments = struct.unpack_from("<5H5I2Q", packet, 2)
        return cls(setup & 3, (x, y, z), (gx, gy, gz), private, group, kernel, arguments)

    @property
    def workgroups(self) -> int:
        """Workgroups in the grid."""
        count = 1
        for size, group in zip(self.grid, self.workgroup, strict=True):
            count *= -(-size // group)
        return count


@dataclass(slots=True, eq=False)
class Ring:
    """A queue between CREATE_QUEUE and its end.

    ``here``, ``read_here`` and ``write_here`` are offsets in the store, 0 where only the program sees the memory.
    ``index`` counts what was consumed since the queue began, in the queue's own unit: packets (AQL), dwords (PM4),
    bytes (SDMA). ``waiting`` is true while a packet waits for memory, so that the ring is looked at without a new
    doorbell; ``step`` counts what of that packet is done already. ``busy`` holds the kernels that take modelled
    time, ``held`` the one whose packet is being taken; ``registers`` the shader registers that PM4 set; ``indirect`` is
    the last PM4 buffer that was run: address, dwords, completion signal, GPU clock.
    """

    client: Client
    number: int
    gpu_id: int
    type: IoctlQueueType
    base: int
    bytes: int
    read_va: int
    write_va: int
    slot: int
    priority: int
    percentage: int
    eop_base: int = 0
    cwsr_base: int = 0
    here: int = 0
    read_here: int = 0
    write_here: int = 0
    last: int = 0
    index: int = 0
    packets: int = 0
    waiting: bool = False
    mapped: bool = True
    fault: str = ""
    busy: list[Flight] = field(default_factory=list)
    held: Flight | None = None
    step: int = 0
    registers: dict[int, int] = field(default_factory=dict)
    reported: int = 0
    indirect: tuple[int, int, int, int] | None = None

    def locate(self) -> None:
        """Look up where the ring's memory lies; again whenever the ring changes."""
        here = self.client.space.here
        self.here, self.read_here, self.write_here = here(self.base), here(self.read_va), here(self.write_va)

    @property
    def memory(self) -> tuple[int, ...]:
        """What the driver keeps mapped as long as the queue lives."""
        return self.base, self.read_va, self.write_va, self.eop_base, self.cwsr_base

    @property
    def runnable(self) -> bool:
        """Whether the driver lets the queue run: a ring, a share, and no fault."""
        return bool(self.base and self.bytes and self.percentage and not self.fault)

    @property
    def has_work(self) -> bool:
        """Whether the doorbell was rung, or a packet waits, since the ring was last emptied."""
        return self.waiting or bool(self.busy) or self.client.doorbells[self.slot] != self.last

    def submitted(self) -> int:
        """How far the program has written, in the unit of ``index``, as the doorbell told the hardware."""
        rung = self.client.doorbells[self.slot]
        if self.type is not IoctlQueueType.COMPUTE_AQL:
            return rung
        return self.index if rung == UNRUNG else max(self.index, rung + 1)

    @property
    def label(self) -> str:
        """How messages name the queue."""
        return f"process {self.client.pid} queue {self.number}"


@dataclass(eq=False, slots=True)
class Flight:
    """A kernel under way; times in ns of the host's monotonic clock, ``began`` and ``ended`` known at its end."""

    ring: Ring
    number: int
    name: str
    index: int
    job: Dispatch
    sent: int
    signal: int = 0
    began: int = 0
    ended: int = 0
