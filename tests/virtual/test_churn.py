"""Processes that come, work and are killed at any moment, on the virtual GPU without a supervisor: thousands of deaths.

What a process did until its death is a list of steps; a death may fall behind any of them. After every death the
machine must hold what the living hold and nothing more, and their packets must still be taken.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

BARRIER = struct.pack("<HH52xQ", 3 | 1 << 8, 0, 0)
ROUNDS = 60
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


LIFE: tuple[Callable[[Someone], object], ...] = (
    lambda who: None,
    Someone.export,
    Someone.create,
    Someone.submit,
    lambda who: who.create(IoctlQueueType.SDMA),
    Someone.create,
    Someone.wait,
    Someone.submit,
    Someone.take_over,
    Someone.mask,
    lambda who: who.world.gpu.rotate(),
    Someone.create,
    Someone.destroy,
    Someone.submit,
    lambda who: who.world.gpu.kfd.evict(who.client.pid),
    Someone.submit,
    lambda who: who.world.gpu.kfd.restore(who.client.pid),
    Someone.submit,
)
"""What a process does in its life; a death may fall behind every step."""


class World:
    """The device and who lives on it."""

    def __init__(self, gpu: str) -> None:
        machine = MachineSpec.of(gpu)
        self.area = machine.nodes[0].save_area
        faults = Faults(["memory=4G"])
        self.gpu: Gpu = Gpu(model_of(gpu), machine, Answers(), Kernels(), faults, None)  # type: ignore[arg-type]
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
def world(gpu: str = "mi308x") -> Iterator[World]:
    """A world whose end leaves no descriptor open and no byte in use."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    one = World(gpu)
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


def worked(who: Someone) -> bool:
    """Whether every packet of a process that its queues hold was taken."""
    return all(who.rings[number].index == count for number, count in who.sent.items())


@pytest.mark.parametrize("gpu", ["mi210", "mi308x"])
def test_a_death_behind_any_step_leaves_nothing_and_disturbs_nobody(gpu: str) -> None:
    with world(gpu) as w:
        stays = w.born()
        for step in LIFE:
            step(stays)
        for last in range(len(LIFE)):
            who = w.born()
            for step in LIFE[: last + 1]:
                step(who)
            w.kill(who)
            w.check()
            stays.submit()
            w.settle()
            assert worked(stays)
            w.check_text()
        # Ids, doorbells and PASIDs come back: a newcomer gets what the first one got.
        assert len(w.people) == 1


def test_a_process_that_dies_while_it_opens_the_driver_leaves_no_descriptor() -> None:
    with world() as w:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(3):
            with pytest.raises(OSError):
                Client.open(FIRST_PID, 1, w.gpu.store)
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_wait_outlives_the_death_of_another() -> None:
    with world() as w:
        who, other = w.born(), w.born()
        results: list[int] = []
        now = 1_000_000_000
        event = who.client.events.create(events.SIGNAL, auto_reset=True)
        wait = events.Wait(os.getpid(), 1, [event], [], True, now, lambda _, result, error: results.append(result))
        assert not who.client.events.wait(wait, [0])
        w.gpu.wait(who.client, wait)
        w.kill(other)
        w.gpu.tick(now)
        assert results == [events.TIMEOUT]


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, len(LIFE))), min_size=20, max_size=80))
@settings(max_examples=40, deadline=None)
def test_lives_and_deaths_in_any_order(moves: list[tuple[int, int]]) -> None:
    with world() as w:
        people: dict[int, tuple[Someone, int]] = {}
        for name, what in moves:
            who, age = people.get(name) or (w.born(), 0)
            if what == len(LIFE) or age == len(LIFE):
                w.kill(who)
                people.pop(name, None)
                w.check()
            else:
                LIFE[age](who)
                people[name] = (who, age + 1)
        for who, _ in people.values():
            w.gpu.kfd.restore(who.client.pid)
        w.gpu._see_slots()
        w.settle()
        assert all(worked(who) for who, _ in people.values())
        w.check_text()


def test_half_of_sixteen_processes_are_killed_again_and_again() -> None:
    seed = random.Random(5)
    killed = 0
    with world() as w:
        for _ in range(ROUNDS):
            people = [w.born() for _ in range(16)]
            work = [who for who in people for _ in range(6)]
            seed.shuffle(work)
            doomed = set(map(id, seed.sample(people, 8)))
            deaths = {id(who): seed.randrange(6) for who in people if id(who) in doomed}
            age = dict.fromkeys(map(id, people), 0)
            for who in work:
                if who.client.pid not in w.people:
                    continue
                if id(who) in doomed and age[id(who)] == deaths[id(who)]:
                    w.kill(who)
                    killed += 1
                    continue
                who.create() if age[id(who)] < 5 else who.submit()
                age[id(who)] += 1
                w.gpu.processor.turn()
            assert len(w.people) == 8
            w.settle()
            assert all(worked(who) and len(who.rings) == 5 for who in w.people.values())
            w.check()
            for who in tuple(w.people.values()):
                w.kill(who)
    assert killed == 8 * ROUNDS
