import struct
import time

import pytest
from virtual_machines import Bench, bench

from ringscope.parts import pm4 as table
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.virtual import aql, events, pm4, signals
from ringscope.virtual.codeobject import Needs
from ringscope.virtual.kernels import Policy
from ringscope.virtual.ring import Dispatch, Flight, Ring


def packet(opcode: int, *body: int) -> list[int]:
    return [table.header(opcode, len(body) + 1), *body]


def split(address: int) -> tuple[int, int]:
    return address & 0xFFFFFFFF, address >> 32


def submit(b: Bench, ring: Ring, *packets: list[int]) -> int:
    at = b.client.doorbells[ring.slot]
    for word in (word for one in packets for word in one):
        b.client.space.write32(ring.base + at * 4 % ring.bytes, word)
        at += 1
    b.client.doorbells[ring.slot] = at
    return b.processor.turn()


def queue(b: Bench) -> Ring:
    return b.ring(IoctlQueueType.COMPUTE)


WRITE_MEMORY = 5 << 8


def test_write_data_release_and_wait() -> None:
    with bench() as b:
        ring, room = queue(b), b.memory()
        event = b.client.events.create(events.SIGNAL, False)
        space = b.client.space
        submit(
            b,
            ring,
            [table.NOP_FILLER],
            packet(table.NOP, 1, 2, 3),
            packet(table.WRITE_DATA, WRITE_MEMORY, *split(room), 11, 12),
            packet(table.ACQUIRE_MEM, 0, 0xFFFFFFFF, 0, 0, 0, 4),
            packet(table.WAIT_REG_MEM, 3 | 1 << 4, *split(room + 8), 5, 0xFF, 4),
            packet(table.RELEASE_MEM, 0, 2 << 29 | 2 << 24, *split(room + 16), 0x55667788, 0x11223344, event.number),
        )
        assert (space.read32(room), space.read32(room + 4)) == (11, 12)
        assert ring.waiting and not event.signaled
        space.write32(room + 8, 0x105)
        b.processor.turn()
        assert space.read64(room + 16) == 0x1122334455667788
        assert space.read32(ring.read_va) == ring.index == b.client.doorbells[ring.slot]
        assert b.client.events.get(event.number).signaled


def test_an_indirect_buffer_is_carried_out_from_both_kinds_of_queue() -> None:
    with bench() as b:
        body = packet(table.WRITE_DATA, WRITE_MEMORY, *split(room := b.memory()), 99)
        buffer = b.memory()
        b.client.space.write(buffer, struct.pack(f"<{len(body)}I", *body))
        jump = packet(table.INDIRECT_BUFFER, *split(buffer), len(body) | 1 << 23)
        submit(b, queue(b), jump)
        assert b.client.space.read32(room) == 99
        b.client.space.write32(room, 0)
        done = b.signal(1)
        b.submit(b.ring(), struct.pack("<HH4II32xQ", 1 << 8, aql.FORMAT_PM4_IB, *jump, 10, done))
        b.processor.turn()
        assert b.client.space.read32(room) == 99 and b.value(done) == 0


@pytest.mark.parametrize(
    "bad",
    [
        [0x12345678],
        packet(pm4.DISPATCH_DIRECT, 1, 1, 1, 1),
        packet(table.WRITE_DATA, WRITE_MEMORY),
        [table.header(table.NOP, 50)],
        packet(table.WAIT_REG_MEM, 7 | 1 << 4, 0, 0, 0, 0, 4),
        packet(table.RELEASE_MEM, 0, 5 << 29, 0, 0, 0, 0, 0),
        packet(0x40, 0, 0, 0, 0, 0),
    ],
    ids=["no-header", "dispatch-without-code", "short", "cut-off", "function", "data", "unknown"],
)
def test_a_bad_packet_stops_the_queue(bad: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    with bench() as b:
        ring = queue(b)
        submit(b, ring, bad)
        assert ring.fault and ring.index == 0
        assert "PM4" in capsys.readouterr().err


def shader(b: Bench, code: int) -> list[int]:
    return [*packet(pm4.SET_SH_REG, 0x207, 64, 2, 1), *packet(pm4.SET_SH_REG, 0x20C, *split(code >> 8))]


@pytest.mark.parametrize("indirect", [False, True])
def test_a_dispatch_takes_its_time_before_the_end_of_the_pipe(indirect: bool) -> None:
    with bench(Policy.TIME) as b:
        ring, room = queue(b), b.memory()
        b.client.space.write(room + 64, struct.pack("<3I", 100_000, 1, 1))
        start = packet(pm4.DISPATCH_DIRECT, 100_000, 1, 1, 1)
        if indirect:
            start = packet(pm4.DISPATCH_INDIRECT, *split(room + 64), 1)
        submit(b, ring, shader(b, room), start, packet(table.RELEASE_MEM, 0, 1 << 29, *split(room), 7, 0, 0))
        assert b.client.space.read32(room) == 0 and ring.waiting
        deadline = time.monotonic() + 30
        while not b.client.space.read32(room) and time.monotonic() < deadline:
            b.processor.turn()
        assert b.client.space.read32(room) == 7 and not ring.busy
        assert b.processor.kernels.skipped == {f"with code at {room:#x}": 1}


def test_a_flush_waits_for_the_kernels_of_its_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    with bench(Policy.TIME) as b:
        launched(b, monkeypatch)
        ring, room = queue(b), b.memory()
        mark = packet(table.WRITE_DATA, WRITE_MEMORY, *split(room), 9)
        submit(b, ring, shader(b, room), packet(pm4.DISPATCH_DIRECT, 1, 1, 1, 1), packet(pm4.EVENT_WRITE, 0x16), mark)
        assert b.client.space.read32(room) == 9  # of another kind of event nobody waits
        b.client.space.write32(room, 0)
        submit(b, ring, packet(pm4.EVENT_WRITE, 7 | 4 << 8), mark)
        assert b.client.space.read32(room) == 0 and ring.waiting
        ring.busy.clear()
        b.processor.turn()
        assert b.client.space.read32(room) == 9


def test_the_end_of_the_pipe_may_tell_the_time() -> None:
    with bench() as b:
        ring, room = queue(b), b.memory()
        submit(b, ring, packet(table.RELEASE_MEM, 0, 3 << 29, *split(room), 0, 0, 0))
        assert abs(b.client.space.read64(room) - signals.gpu_clock()) < signals.GPU_CLOCK_HZ


def test_a_dispatch_is_refused_like_any_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    with bench() as b:
        ring, room = queue(b), b.memory()
        submit(b, ring, shader(b, room), packet(pm4.DISPATCH_DIRECT, 4, 1, 1, 1))
        assert "cannot be computed here; --kernels time" in ring.fault
        assert capsys.readouterr().err


def launched(b: Bench, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Dispatch, Needs]]:
    """The kernels that are given their time from here on, and what a wave of each needs."""
    found: list[tuple[Dispatch, Needs]] = []

    def dispatch(ring: Ring, name: str, job: Dispatch, needs: Needs, barrier: bool) -> Flight:
        found.append((job, needs))
        return Flight(ring, 0, name, 0, job, 0)

    monkeypatch.setattr(b.processor.kernels.timed, "dispatch", dispatch)
    return found


def test_work_items_may_be_counted_instead_of_workgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    with bench(Policy.TIME) as b:
        found = launched(b, monkeypatch)
        ring, room = queue(b), b.memory()
        submit(b, ring, shader(b, room), *(packet(pm4.DISPATCH_DIRECT, 640, 4, 1, flag) for flag in (1, 1 << 5)))
        assert [job.grid for job, _ in found] == [(640 * 64, 8, 1), (640, 4, 1)]


def test_registers_and_lds_of_a_dispatch_are_those_that_the_queue_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with bench(Policy.TIME) as b:
        found = launched(b, monkeypatch)
        ring, room = queue(b), b.memory()
        start = packet(pm4.DISPATCH_DIRECT, 1, 1, 1, 1)
        resources = packet(pm4.SET_SH_REG, 0x212, 15 | 1 << 20, 5 << 15 | 1 << 24)
        submit(b, ring, shader(b, room), start, resources, start)
        assert [(job.group_bytes, needs) for job, needs in found] == [
            (0, Needs(64, 8)),
            (5 * 512, Needs(64, 128)),
        ]
        assert {job.kernel for job, _ in found} == {room}


def test_what_came_before_a_wait_is_not_done_again() -> None:
    with bench() as b:
        ring, room, buffer = queue(b), b.memory(), b.memory()
        body = [
            *packet(table.WRITE_DATA, WRITE_MEMORY, *split(room), 1),
            *packet(table.WAIT_REG_MEM, 3 | 1 << 4, *split(room + 8), 5, 0xFF, 4),
            *packet(table.WRITE_DATA, WRITE_MEMORY, *split(room + 16), 2),
        ]
        b.client.space.write(buffer, struct.pack(f"<{len(body)}I", *body))
        submit(b, ring, packet(table.INDIRECT_BUFFER, *split(buffer), len(body)))
        b.client.space.write32(room, 9)
        assert b.processor.turn() == 0
        b.client.space.write32(room + 8, 5)
        b.processor.turn()
        assert [b.client.space.read32(room + at) for at in (0, 16)] == [9, 2]
        assert ring.step == 0 and ring.packets == 1


def test_buffers_that_call_each_other_end(capsys: pytest.CaptureFixture[str]) -> None:
    with bench() as b:
        ring, buffer = queue(b), b.memory()
        jump = packet(table.INDIRECT_BUFFER, *split(buffer), 4)
        b.client.space.write(buffer, struct.pack("<4I", *jump))
        submit(b, ring, jump)
        assert "call each other" in ring.fault
        assert capsys.readouterr().err
