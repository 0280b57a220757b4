import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_machines import GPU, Bench, bench

from ringscope.parts import aql as table
from ringscope.virtual import aql, events, svm
from ringscope.virtual.kernels import Policy
from ringscope.virtual.ring import Ring

HEADER = 1 << 8


def barrier(kind: int, *deps: int, done: int = 0) -> bytes:
    return struct.pack("<HHI5Q8xQ", kind | HEADER, 0, 0, *deps, *[0] * (5 - len(deps)), done)


def barrier_value(signal: int, value: int, mask: int, condition: int, done: int) -> bytes:
    return struct.pack("<HBB4xQqqI20xQ", HEADER, aql.FORMAT_BARRIER_VALUE, 0, signal, value, mask, condition, done)


def test_packet_numbers_are_those_of_the_reference() -> None:
    assert [int(kind) for kind in table.PacketType][:6] == list(range(6))
    assert (aql.FORMAT_BARRIER_VALUE, aql.BARRIER_AND, aql.BARRIER_OR) == (2, 3, 5)


@pytest.mark.parametrize(("kind", "needed"), [(aql.BARRIER_AND, 2), (aql.BARRIER_OR, 1)])
def test_a_barrier_waits_for_all_or_any_of_its_signals(kind: int, needed: int) -> None:
    with bench() as b:
        ring, deps, done = b.ring(), [b.signal(1), b.signal(3)], b.signal(1)
        b.submit(ring, barrier(kind, *deps, done=done))
        assert b.processor.turn() == 0 and b.value(done) == 1 and ring.waiting
        for count, dep in enumerate(deps, 1):
            b.client.space.write64(dep + 8, 0)
            b.processor.turn()
            assert (b.value(done) == 0) == (count >= needed)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_packets_are_taken_in_order_around_the_ring(batches: list[int]) -> None:
    with bench() as b:
        ring, done = b.ring(size=1024), b.signal(sum(batches))
        for count in batches:
            b.submit(ring, *[barrier(aql.BARRIER_AND, done=done)] * count)
            b.processor.turn()
        assert b.value(done) == 0
        assert ring.index == ring.packets == sum(batches) == b.client.space.read64(ring.read_va)
        assert all(b.client.space.read(ring.base + at, 1) == b"\x01" for at in range(0, 1024, 64))


def test_a_packet_that_is_reserved_but_not_published_holds_the_ones_behind_it() -> None:
    with bench() as b:
        ring, done = b.ring(), b.signal(2)
        packet = barrier(aql.BARRIER_AND, done=done)
        b.client.space.write(ring.base + 64, packet)
        b.client.space.write64(ring.write_va, 2)
        b.client.doorbells[ring.slot] = 1
        assert b.processor.turn() == 0
        b.client.space.write(ring.base, packet)  # published without another doorbell
        assert b.processor.turn() == 2 and b.value(done) == 0


@pytest.mark.parametrize(
    ("condition", "value", "stays", "goes"), [(0, 5, 4, 5), (1, 5, 5, 4), (2, 5, 5, 4), (3, 5, 4, 6)]
)
def test_barrier_value_compares_under_its_mask(condition: int, value: int, stays: int, goes: int) -> None:
    with bench() as b:
        ring, signal, done = b.ring(), b.signal(stays | 0x100), b.signal(1)
        b.submit(ring, barrier_value(signal, value, 0xFF, condition, done))
        assert b.processor.turn() == 0
        b.client.space.write64(signal + 8, goes | 0x200)
        assert b.processor.turn() == 1 and b.value(done) == 0


def test_barrier_value_masks_the_signal_and_not_what_it_is_compared_with() -> None:
    with bench() as b:
        ring, signal, done = b.ring(), b.signal(0x105), b.signal(1)
        b.submit(ring, barrier_value(signal, 0x105, 0xFF, 1, done))  # 5 is not 0x105
        assert b.processor.turn() == 1 and b.value(done) == 0


def test_completion_writes_the_mailbox_and_signals_the_event() -> None:
    with bench() as b:
        event = b.client.events.create(events.SIGNAL, False)
        mailbox = b.memory()
        ring, done = b.ring(), b.signal(1, event.number, mailbox)
        b.submit(ring, barrier(aql.BARRIER_AND, done=done))
        b.processor.turn()
        assert event.signaled and b.client.space.read64(mailbox) == event.number
        start, end = struct.unpack("<2Q", b.client.space.read(done + 32, 16))
        assert 0 < start <= end


def test_a_signal_in_the_programs_own_memory_is_completed_too() -> None:
    with bench() as b:
        event = b.client.events.create(events.SIGNAL, False)
        mailbox, (done, room) = b.memory(), b.registered(64)
        struct.pack_into("<8xqQI", room, 0, 2, mailbox, event.number)
        b.submit(b.ring(), barrier(aql.BARRIER_AND, done=done))
        b.processor.turn()
        value, _, _, _, start, end = struct.unpack_from("<8xqQIIQQ", room)
        assert value == 1 and 0 < start <= end
        assert event.signaled and b.client.space.read64(mailbox) == event.number


def errors_of(b: Bench, ring: Ring) -> int:
    """The code in the queue's inactive signal."""
    queue = ring.read_va - 0x80
    return b.value(b.client.space.read64(queue + 0xC0))


def armed(b: Bench) -> Ring:
    ring = b.ring()
    b.client.space.write64(ring.read_va - 0x80 + 0xC0, b.signal(0))
    return ring


@pytest.mark.parametrize("head", [4 | HEADER, 6 | HEADER, 0x77, HEADER | 9 << 16])
def test_an_invalid_packet_stops_its_queue_and_no_other(head: int, capsys: pytest.CaptureFixture[str]) -> None:
    with bench() as b:
        bad, good, done = armed(b), b.ring(), b.signal(1)
        b.submit(bad, struct.pack("<I60x", head), barrier(aql.BARRIER_AND, done=done))
        b.submit(good, barrier(aql.BARRIER_AND))
        for _ in range(3):
            b.processor.turn()
        assert bad.fault and bad.index == 0 and b.value(done) == 1
        assert errors_of(b, bad) == 32
        assert not good.fault and good.index == 1
        assert "packet 0 is invalid" in capsys.readouterr().err


def test_a_dependency_that_is_not_mapped_is_a_memory_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with bench() as b:
        ring, event = armed(b), b.client.events.create(events.MEMORY, False)
        b.submit(ring, barrier(aql.BARRIER_AND, 0x6660000))
        b.processor.turn()
        assert event.signaled and struct.unpack_from("<4IQ", event.payload)[4] == 0x6660008
        assert "0x6660008, which is not mapped" in capsys.readouterr().err


def test_shared_memory_that_went_away_is_a_fault_too(capsys: pytest.CaptureFixture[str]) -> None:
    with bench() as b:
        ring, event = armed(b), b.client.events.create(events.MEMORY, False)
        b.client.space.svm.set(
            0x10000, 4096, [(svm.ACCESS, GPU)], GPU
        )  # nothing is ever mapped there (vm.mmap_min_addr)
        b.submit(ring, barrier(aql.BARRIER_AND, 0x10000))
        b.processor.turn()
        assert event.signaled and ring.fault
        assert "no longer has" in capsys.readouterr().err


def test_higher_priority_goes_first_and_equals_share() -> None:
    with bench() as b:
        low, high = b.ring(priority=0), b.ring(priority=11)
        assert b.processor.rings == [high, low]
        low.priority = 15
        b.processor.sort()
        assert b.processor.rings == [low, high]


def test_a_queue_without_slot_or_share_does_not_run() -> None:
    with bench() as b:
        ring = b.ring()
        b.submit(ring, barrier(aql.BARRIER_AND))
        ring.mapped = False
        assert b.processor.turn() == 0
        ring.mapped, ring.percentage = True, 0
        assert b.processor.turn() == 0
        ring.percentage = 100
        assert b.processor.turn() == 1


def test_a_recycled_doorbell_does_not_ring() -> None:
    with bench() as b:
        ring = b.ring()
        b.submit(ring, barrier(aql.BARRIER_AND))
        b.processor.turn()
        b.processor.remove(ring)
        ring.client.doorbells[ring.slot] = 77
        again = b.ring()
        assert again.slot == ring.slot and not again.has_work


def test_a_timed_kernel_completes_later_and_a_barrier_waits_for_it() -> None:
    with bench(Policy.TIME) as b:
        ring, kernel, after = b.ring(), b.signal(1), b.signal(1)
        descriptor = b.memory()
        dispatch = table.KERNEL_DISPATCH.pack(
            header=2 | HEADER, setup=1, workgroup_size_x=64, workgroup_size_y=1, workgroup_size_z=1, grid_size_x=64,
            grid_size_y=1, grid_size_z=1, kernel_object=descriptor, completion_signal=kernel,
        )  # fmt: skip
        b.submit(ring, dispatch, barrier(aql.BARRIER_AND, done=after))
        b.processor.turn()
        assert b.value(kernel) == 1 and ring.busy
        while b.value(kernel):
            assert b.value(after) == 1
            b.processor.turn()
        b.processor.turn()
        assert b.value(after) == 0 and not ring.busy
        assert b.processor.kernels.skipped.total() == 1
