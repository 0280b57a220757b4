"""One user queue as the command processor sees it: its ring, its doorbell, and how far it has got."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringscope.parts.queue_types import IoctlQueueType
from ringscope.records import dataclass, field

if TYPE_CHECKING:
    from ringscope.virtual.client import Client
    from ringscope.virtual.timed import Flight

AQL_PACKET = 64
UNRUNG = 0xFFFFFFFFFFFFFFFF
"""What an AQL doorbell holds before its first ring: 0 would hide the store of packet number 0."""


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
