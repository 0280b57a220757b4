"""A client of this very process and a command processor, for tests that need no supervisor."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ringscope.parts.queue_types import IoctlQueueType
from ringscope.stack.machine import MachineSpec
from ringscope.virtual.client import Client
from ringscope.virtual.kernels import WORKGROUP_NS, Kernels, Policy
from ringscope.virtual.memory import Buffer, Flags, Store
from ringscope.virtual.processor import Processor
from ringscope.virtual.ring import Ring

if TYPE_CHECKING:
    from ringscope.virtual.timed import Timed

GPU = 0xABCD
SLOTS = tuple((pipe, queue) for queue in range(2, 8) for pipe in range(4))


@dataclass
class Bench:
    """One process, one device."""

    store: Store
    client: Client
    processor: Processor
    next_va: int = 0x7F0000000000

    def memory(self, size: int = 4096) -> int:
        """GPU memory; its address."""
        backing = self.store.allocate(Flags.VRAM, size)
        buffer = self.client.add_buffer(GPU, self.next_va, backing.bytes, int(Flags.VRAM))
        self.client.attach(buffer, backing)
        buffer.mapped = True
        self.next_va += backing.bytes + 0x100000
        return buffer.va

    def registered(self, size: int) -> tuple[int, ctypes.Array[ctypes.c_char]]:
        """Memory of this process under a GPU address of its own."""
        room = ctypes.create_string_buffer(size)
        buffer: Buffer = self.client.add_buffer(GPU, self.next_va, size, int(Flags.USERPTR))
        buffer.host, buffer.mapped = ctypes.addressof(room), True
        self.next_va += 0x10000000
        return buffer.va, room

    def ring(self, kind: IoctlQueueType = IoctlQueueType.COMPUTE_AQL, size: int = 4096, priority: int = 7) -> Ring:
        """A queue whose memory is the device's; AQL slots start invalid, as a runtime leaves them."""
        base, pointers = self.memory(size), self.memory()
        if kind is IoctlQueueType.COMPUTE_AQL:
            for at in range(0, size, 64):
                self.client.space.write(base + at, b"\x01\x00")
        number = len(self.processor.rings)
        ring = Ring(self.client, number, GPU, kind, base, size, pointers + 0x80, pointers + 0x38, number, priority, 100)
        self.processor.add(ring)
        self.seat()
        return ring

    def seat(self) -> None:
        """Let the engine that gives kernels their time, if any, follow the rings: each has a slot of its own."""
        if timed := self.processor.kernels.timed:
            compute = [ring for ring in self.processor.rings if not ring.type.is_sdma]
            timed.follow({ring: (SLOTS[ring.number], ring.priority, ()) for ring in compute})

    def submit(self, ring: Ring, *packets: bytes) -> None:
        """Write AQL packets behind one another and ring the doorbell."""
        space = self.client.space
        index = space.read64(ring.write_va)
        for packet in packets:
            space.write(ring.base + index * 64 % ring.bytes, packet.ljust(64, b"\0"))
            index += 1
        space.write64(ring.write_va, index)
        self.client.doorbells[ring.slot] = index - 1

    def signal(self, value: int, event: int = 0, mailbox: int = 0) -> int:
        """An HSA signal; its address."""
        va = self.memory()
        space = self.client.space
        space.write64(va + 8, value & (1 << 64) - 1)
        space.write64(va + 16, mailbox)
        space.write32(va + 24, event)
        return va

    def value(self, signal: int) -> int:
        """A signal's value."""
        return int.from_bytes(self.client.space.read(signal + 8, 8), "little", signed=True)


def _timed() -> Timed:
    pytest.importorskip("numba")
    from ringscope.virtual.timed import Timed

    return Timed(MachineSpec.of("mi210").nodes[0], SLOTS, WORKGROUP_NS)


@contextmanager
def bench(policy: Policy = Policy.REFUSE, gfx: str = "90a") -> Iterator[Bench]:
    """A bench that leaves nothing behind."""
    store = Store(1 << 30, 1 << 30)
    client = Client.open(os.getpid(), 1, store)
    try:
        yield Bench(store, client, Processor(Kernels(_timed() if policy is Policy.TIME else None, gfx), None))
    finally:
        client.close()
        assert not any(store.used.values())
        store.close()
