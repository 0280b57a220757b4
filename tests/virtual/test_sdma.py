import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_machines import Bench, bench

from ringscope.parts import sdma as table
from ringscope.parts.layout import Generation
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.virtual import events, sdma
from ringscope.virtual.ring import Ring


def words(*values: int) -> bytes:
    """Dwords; a value over 32 bits takes two."""
    return struct.pack(f"<{len(values)}I", *values)


def split(address: int) -> tuple[int, int]:
    return address & 0xFFFFFFFF, address >> 32


def queue(b: Bench, size: int = 4096) -> Ring:
    return b.ring(IoctlQueueType.SDMA, size)


def submit(b: Bench, ring: Ring, *packets: bytes) -> int:
    """Write at the doorbell's place (a byte count that never wraps) and ring it."""
    at = b.client.doorbells[ring.slot]
    for packet in packets:
        for i in range(0, len(packet), 4):
            b.client.space.write(ring.base + at % ring.bytes, packet[i : i + 4])
            at += 4
    b.client.doorbells[ring.slot] = at
    return b.processor.turn()


def copy(target: int, source: int, size: int) -> bytes:
    return words(table.COPY, size - 1, 0, *split(source), *split(target))


@pytest.mark.parametrize("row", [row for row in table.PACKETS if Generation.V9 in row.gens], ids=lambda row: row.name)
def test_every_packet_of_the_reference_has_the_length_it_says(row: table.Packet) -> None:
    with bench() as b:
        ring, room = queue(b), b.memory()
        body = [*split(room), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][: row.dwords - 1]
        if row.name == "COPY_LINEAR":
            body = [0, 0, *split(room), *split(room + 8)]
        head = row.header | (0x2F << 25 if row.name == "ATOMIC" else 0)
        known = row.op in sdma._NAMES
        submit(b, ring, words(head, *body), words(table.FENCE, *split(room + 64), 77))
        assert bool(ring.fault) is not known
        assert (b.client.space.read32(room + 64) == 77) is known


def test_packets_go_around_the_end_of_the_ring() -> None:
    with bench() as b:
        ring, room = queue(b), b.memory()
        for at in range(300):
            submit(b, ring, words(table.WRITE, *split(room + 16 * (at % 200)), 2, at, at + 1, at + 2))
            assert b.client.space.read(room + 16 * (at % 200), 12) == words(at, at + 1, at + 2)
        assert ring.index == 300 * 28 > 2 * ring.bytes and not ring.fault


def test_an_indirect_buffer_goes_on_where_it_stalled() -> None:
    with bench() as b:
        ring, room, buffer = queue(b), b.memory(), b.memory()
        equal = table.POLL_REGMEM | 3 << 28 | 1 << 31
        body = (
            words(table.FENCE, *split(room), 1)
            + words(table.WRITE, *split(room + 8), 1, 11, 12)
            + words(equal, *split(room + 32), 5, 0xFF, 0)
            + words(table.FENCE, *split(room + 16), 2)
        )
        b.client.space.write(buffer, body)
        done = words(table.FENCE, *split(room + 64), 77)
        submit(b, ring, words(table.INDIRECT, *split(buffer), len(body) // 4, 0, 0), done)
        space = b.client.space
        assert [space.read32(room + at) for at in (0, 8, 12, 16, 64)] == [1, 11, 12, 0, 0]
        space.write32(room, 9)
        assert b.processor.turn() == 0
        space.write32(room + 32, 5)
        b.processor.turn()
        assert [space.read32(room + at) for at in (0, 8, 12, 16, 64)] == [9, 11, 12, 2, 77]
        assert ring.index == 40 and ring.step == 0


@pytest.mark.parametrize("body", [words(table.COPY, 3), words(table.INDIRECT, 0, 0, 0, 0, 0), words(0x7F)])
def test_a_bad_indirect_buffer_stops_the_queue(body: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with bench() as b:
        ring, buffer = queue(b), b.memory()
        b.client.space.write(buffer, body)
        submit(b, ring, words(table.INDIRECT, *split(buffer), len(body) // 4, 0, 0))
        assert "SDMA" in ring.fault
        assert capsys.readouterr().err


@given(st.integers(1, 5000), st.integers(0, 40))
def test_a_copy_moves_its_bytes_and_no_more(size: int, at: int) -> None:
    with bench() as b:
        ring, source, target = queue(b), b.memory(8192), b.memory(8192)
        data = bytes(i * 11 & 255 for i in range(size))
        b.client.space.write(source + at, data)
        assert submit(b, ring, copy(target + at, source + at, size)) == 1
        assert b.client.space.read(target, at + size + 1) == bytes(at) + data + b"\0"
        assert ring.index == b.client.space.read64(ring.read_va) == 28


@pytest.mark.parametrize("function", range(7))
def test_a_poll_waits_for_its_comparison(function: int) -> None:
    holds = [lambda a, b: True, int.__lt__, int.__le__, int.__eq__, int.__ne__, int.__ge__, int.__gt__][function]
    for found in (4, 5, 6):
        with bench() as b:
            ring, flag, done = queue(b), b.memory(), b.memory()
            b.client.space.write32(flag, found | 0xFF00)
            poll = words(table.POLL_REGMEM | function << 28 | 1 << 31, *split(flag), 5, 0xFF, 0)
            submit(b, ring, poll, words(table.FENCE, *split(done), 1))
            assert (b.client.space.read32(done) == 1) == holds(found, 5)


def test_fence_atomic_timestamp_write_fill_and_trap() -> None:
    with bench() as b:
        ring, room = queue(b), b.memory()
        event = b.client.events.create(events.SIGNAL, False)
        space = b.client.space
        space.write64(room + 8, 10)
        submit(
            b,
            ring,
            words(table.FENCE, *split(room), 0x1234),
            words(table.ATOMIC | 0x2F << 25, *split(room + 8), 0xFFFFFFFF, 0xFFFFFFFF, 0, 0, 0),
            words(table.TIMESTAMP | table.TIMESTAMP_GET_GLOBAL << 8, *split(room + 16)),
            words(table.WRITE, *split(room + 24), 2, 7, 8, 9),
            words(table.CONST_FILL | 2 << 30, *split(room + 40), 0xABCDEF01, 12 - 4),
            words(table.CONST_FILL, *split(room + 60), 0x5A, 2),
            words(table.TRAP, event.number),
        )
        assert space.read32(room) == 0x1234
        assert space.read64(room + 8) == 9
        assert space.read64(room + 16) > 0
        assert struct.unpack("<3I", space.read(room + 24, 12)) == (7, 8, 9)
        assert struct.unpack("<4I", space.read(room + 40, 16)) == (0xABCDEF01,) * 3 + (0,)
        assert space.read(room + 60, 4) == b"\x5a\x5a\x5a\0"
        assert event.signaled and not ring.fault


def test_a_conditional_skips_what_it_guards() -> None:
    with bench() as b:
        ring, room = queue(b), b.memory()
        for reference, reached in ((1, False), (0, True)):
            b.client.space.write32(room + 8, 0)
            guard = words(table.COND_EXE, *split(room), reference, 4)
            submit(b, ring, guard, words(table.FENCE, *split(room + 8), 5), words(table.FENCE, *split(room + 16), 6))
            assert (b.client.space.read32(room + 8) == 5) == reached
            assert b.client.space.read32(room + 16) == 6


def test_a_rectangle_is_copied_row_by_row() -> None:
    with bench() as b:
        ring, source, target = queue(b), b.memory(4096), b.memory(4096)
        b.client.space.write(source, bytes(range(256)) * 4)
        # 3 x 2 bytes from (1, 1) of rows 16 long to (2, 0) of rows 32 long
        packet = words(
            table.COPY | 4 << 8, *split(source), 1 | 1 << 16, 15 << 13, 1023,
            *split(target), 2, 31 << 13, 1023, 2 | 1 << 16, 0,
        )  # fmt: skip
        submit(b, ring, packet)
        assert b.client.space.read(target, 36) == b"\0\0\x11\x12\x13" + bytes(29) + b"\x21\x22"


def test_a_rectangle_of_gfx12_has_wider_fields() -> None:
    with bench(gfx="1201") as b:
        ring, source, target = queue(b), b.memory(1 << 18), b.memory(4096)
        data = bytes(i * 7 & 255 for i in range(1 << 18))
        b.client.space.write(source, data)
        # 5 x 2 x 2 bytes from (20000, 1, 3) of rows 21000 long and slices of 3 rows to (0, 0, 0) of rows 64 long.
        packet = words(
            table.COPY | 4 << 8, *split(source), 20000 | 1 << 16, 1 | 20999 << 16, 3 * 21000 - 1,
            *split(target), 0, 63 << 16, 255, 4 | 1 << 16, 1,
        )  # fmt: skip
        submit(b, ring, packet)
        for z in range(2):
            for y in range(2):
                at = ((1 + z) * 3 + 1 + y) * 21000 + 20000
                assert b.client.space.read(target + 256 * z + 64 * y, 6) == data[at : at + 5] + b"\0", (y, z)


@pytest.mark.parametrize(
    ("operation", "before", "value", "compare", "after"),
    [
        (0x27, 5, 9, 0, 9),
        (0x28, 5, 9, 5, 9),
        (0x28, 5, 9, 4, 5),
        (0x2F, 2**64 - 1, 3, 0, 2),
        (0x30, 2, 3, 0, 2**64 - 1),
    ],
)
def test_an_atomic_changes_64_bits(operation: int, before: int, value: int, compare: int, after: int) -> None:
    with bench() as b:
        ring, room = queue(b), b.memory()
        b.client.space.write64(room, before)
        submit(b, ring, words(table.ATOMIC | operation << 25, *split(room), *split(value), *split(compare), 0))
        assert b.client.space.read64(room) == after and not ring.fault


@pytest.mark.parametrize(
    "packet",
    [
        (table.ATOMIC | 0x7F << 25, 5),
        (table.POLL_REGMEM | 7 << 28 | 1 << 31, 3),
        (table.COPY | 9 << 8, 4),
        (table.WRITE | 1 << 8, 2),
    ],
    ids=["atomic", "poll", "copy", "write"],
)
def test_what_a_packet_may_not_ask_for_stops_the_queue(
    packet: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    with bench() as b:
        ring, room = queue(b), b.memory()
        submit(b, ring, words(packet[0], *split(room), *[0] * packet[1]))
        assert "SDMA" in ring.fault and ring.index == 0
        assert "SDMA" in capsys.readouterr().err


def test_the_ring_wraps_and_the_pointers_do_not() -> None:
    with bench() as b:
        ring, flag = queue(b, 1024), b.memory()
        for i in range(200):
            submit(b, ring, words(table.FENCE, *split(flag), i))
        assert ring.index == 3200 and b.client.space.read32(flag) == 199


def test_an_unknown_packet_stops_the_engine_queue(capsys: pytest.CaptureFixture[str]) -> None:
    with bench() as b:
        event = b.client.events.create(events.HW_EXCEPTION, False)
        ring = queue(b)
        submit(b, ring, words(0x7B, 0))
        assert ring.fault and event.signaled
        assert "SDMA opcode 123" in capsys.readouterr().err
