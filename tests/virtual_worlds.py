"""A device with any number of processes on it, without a supervisor: who they are is made up, what they hold is not."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ringscope.parts.queue_types import IoctlQueueType
from ringscope.stack.kfd.records import CreateQueue
from ringscope.stack.machine import MachineSpec
from ringscope.virtual import events, ioctls
from ringscope.virtual.client import Client
from ringscope.virtual.gpu import Gpu
from ringscope.virtual.injection import Faults
from ringscope.virtual.kernels import Kernels
from ringscope.virtual.memory import Flags, page_align
from ringscope.virtual.model import model_of
from ringscope.virtual.ring import Ring
from ringscope.virtual.seccomp import Call

if TYPE_CHECKING:
    from ringscope.virtual.record import Recorder

BARRIER = struct.pack("<HH52xQ", 3 | 1 << 8, 0, 0)
FIRST_PID = 1 << 22  # no process of this machine


class Answers:
    """Takes the place of the kernel's listener: every call still waits, and answers are kept."""

    def __init__(self) -> None:
        self.errors: list[int] = []

    def reply(self, number: int, value: int = 0, error: int = 0) -> None:
        self.errors.append(error)

    def waiting(self, number: int) -> bool:
        return True


@dataclass
class Someone:
    """A process and how to let it do things."""

    world: World
    client: Client
    next_va: int = 0x7F0000000000
    sent: dict[int, int] = field(default_factory=dict)
    handle: bytes = b""
    waits: list[events.Wait] = field(default_factory=list)

    @property
    def rings(self) -> dict[int, Ring]:
        return self.world.gpu.processor.of(self.client)

    def memory(self, size: int, kind: Flags = Flags.GTT) -> int:
        call = bytearray(struct.pack("<4Q2I", self.next_va, size, 0, 0, self.world.gpu.gpu_id, int(kind)))
        ioctls.alloc_memory(self.world.gpu, self.client, call, Call(0, os.getpid(), 0))
        self.client.buffers[struct.unpack_from("<Q", call, 16)[0]].mapped = True
        self.next_va += page_align(size) + 0x10000
        return self.next_va - page_align(size) - 0x10000

    def create(self, kind: IoctlQueueType = IoctlQueueType.COMPUTE_AQL) -> None:
        area = self.world.area
        ring, pointers = self.memory(4096), self.memory(4096)
        self.client.space.write(ring, b"\x01".ljust(64, b"\0") * 64)
        save = {} if kind.is_sdma else {
            "cwsr_base": self.memory(area.total_bytes), "cwsr_bytes": area.cwsr_bytes,
            "ctl_stack_bytes": area.ctl_stack_bytes,
        }  # fmt: skip
        wanted = CreateQueue(self.world.gpu.gpu_id, kind, ring, 4096, pointers + 0x80, pointers + 0x38, **save)
        self.world.gpu.create_queue(self.client, wanted, bytearray(96))

    def submit(self) -> None:
        """A barrier packet into every AQL queue."""
        space = self.client.space
        for ring in self.rings.values():
            if ring.type is IoctlQueueType.COMPUTE_AQL:
                index = self.sent.get(ring.number, 0)
                space.write(ring.base + index * 64 % 4096, BARRIER)
                space.write64(ring.write_va, index + 1)
                self.client.doorbells[ring.slot] = index
                self.sent[ring.number] = index + 1

    def wait(self) -> None:
        """Blocks in WAIT_EVENTS."""
        event = self.client.events.create(events.SIGNAL, auto_reset=True)
        wait = events.Wait(os.getpid(), 1, [event], [False], False, None, lambda *_: None)
        assert not self.client.events.wait(wait, [0])
        self.world.gpu.wait(self.client, wait)
        self.waits.append(wait)

    def export(self) -> None:
        self.memory(8192, Flags.VRAM)
        buffer = next(reversed(self.client.buffers.values()))
        assert buffer.backing
        self.handle = self.world.gpu.export(self.client, buffer.backing)

    def take_over(self) -> None:
        """Imports what another process exported."""
        for other in self.world.people.values():
            if other.handle and other is not self:
                call = bytearray(struct.pack("<3Q", 0, self.next_va, 0)) + other.handle
                ioctls.ipc_import(self.world.gpu, self.client, call, Call(0, os.getpid(), 0))
                self.next_va += 0x20000
                return

    def destroy(self) -> None:
        for number in tuple(self.rings)[:1]:
            self.sent.pop(number, None)
            self.world.gpu.destroy_queue(self.client, number)

    def mask(self) -> None:
        for number in tuple(self.rings)[:1]:
            if not self.rings[number].type.is_sdma:
                self.world.gpu.set_cu_mask(self.client, number, (0xFF,))


class World:
    """The device and who lives on it."""

    def __init__(self, gpu: str, *faults: str, recorder: Recorder | None = None) -> None:
        machine = MachineSpec.of(gpu)
        self.area = machine.nodes[0].save_area
        listener: object = Answers()
        on_purpose = Faults(["memory=4G", *faults])
        self.gpu: Gpu = Gpu(model_of(gpu), machine, listener, Kernels(), on_purpose, recorder)  # type: ignore[arg-type]
        self.people: dict[int, Someone] = {}
        self.births = 0

    def born(self) -> Someone:
        """Another process; its memory is all on the device, so that any number may stand for its id."""
        self.births += 1
        client = Client.open(os.getpid(), self.births, self.gpu.store)
        client.pid = FIRST_PID + self.births
        self.gpu.kfd.open(client.pid, "someone")
        self.gpu.clients[client.pid] = client
        self.people[client.pid] = Someone(self, client)
        return self.people[client.pid]

    def kill(self, who: Someone) -> None:
        del self.people[who.client.pid]
        self.gpu.bury(who.client)

    def settle(self) -> None:
        """Everybody's packets are taken: the firmware's slices pass until nothing is left to do."""
        for _ in range(200):
            while self.gpu.processor.turn():
                pass
            if not self.gpu.processor.starved:
                return
            self.gpu.rotate()
        raise AssertionError("somebody never got a slot")

    def check(self) -> None:
        """The machine holds what the living hold."""
        gpu = self.gpu
        living = {who.client.pid for who in self.people.values()}
        assert set(gpu.clients) == living == {process.pid for process in gpu.kfd.processes}
        assert {ring.client.pid for ring in gpu.processor.rings} <= living
        assert len(gpu.processor.rings) == sum(len(who.rings) for who in self.people.values())
        held = {
            id(b.backing): b.backing for who in self.people.values() for b in who.client.buffers.values() if b.backing
        }
        assert sum(gpu.store.used.values()) == sum(backing.bytes for backing in held.values())
        assert set(gpu.exported) == {key for who in self.people.values() for key in who.client.exported}
        assert {number for number, _ in gpu.processor.kernels._known} <= {
            client.number for client in gpu.clients.values()
        }
        waiting = [wait for who in self.people.values() for wait in who.waits]
        assert {id(wait) for _, wait in gpu._waits} == {id(wait) for wait in waiting}

    def check_text(self) -> None:
        """Debugfs and sysfs name the living with their queues, and nobody else."""
        snapshot = self.gpu.snapshot()
        wanted = {who.client.pid: set(who.rings) for who in self.people.values() if who.rings}
        assert {p.pid: {queue.qid for queue in p.queues} for p in snapshot.processes if p.queues} == wanted
        listed = {int(path.split("/")[0]) for path in self.gpu.kfd_proc()}
        assert set(wanted) <= listed <= set(self.people)


@contextmanager
def world(gpu: str = "mi308x", *faults: str, recorder: Recorder | None = None) -> Iterator[World]:
    """A world whose end leaves no descriptor open and no byte in use."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    one = World(gpu, *faults, recorder=recorder)
    try:
        yield one
        for who in tuple(one.people.values()):
            one.kill(who)
        one.check()
        assert not any(one.gpu.store.used.values())
        assert not one.gpu.snapshot().queues
        assert not any(slot.active for device in one.gpu.snapshot().devices for slot in device.hqds)
    finally:
        one.gpu.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
