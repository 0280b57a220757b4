"""SDMA packets: opcodes, sizes, bits."""

import pytest

from ringscope.parts import sdma
from ringscope.parts.layout import Builder, Generation
from ringscope.parts.sdma import Packet
from ringscope.parts.sources import SOURCES, keys


@pytest.mark.parametrize("packet", sdma.PACKETS, ids=lambda p: p.name)
def test_bits_do_not_overlap_and_every_row_has_a_source(packet: Packet) -> None:
    for generation in packet.gens:
        table = sdma.packet_layout(packet, generation)
        assert set(table.by_dword) == set(range(packet.dwords))
        for reg in table.registers:
            assert reg.meaning and keys(reg.source) and set(keys(reg.source)) <= set(SOURCES)
            taken = 0
            for bits in reg.bits:
                assert not taken & bits.mask, f"{reg.name}.{bits.name}"
                taken |= bits.mask


@pytest.mark.parametrize(
    ("name", "op", "sub_op", "dwords"),
    [
        ("NOP", 0, 0, 1),
        ("COPY_LINEAR", 1, 0, 7),
        ("WRITE_LINEAR", 2, 0, 5),
        ("INDIRECT", 4, 0, 6),
        ("FENCE", 5, 0, 4),
        ("TRAP", 6, 0, 2),
        ("POLL_REGMEM", 8, 0, 6),
        ("ATOMIC", 10, 0, 8),
        ("CONST_FILL", 11, 0, 5),
        ("TIMESTAMP_GET_GLOBAL", 13, 2, 3),
    ],
)
def test_opcodes_and_sizes(name: str, op: int, sub_op: int, dwords: int) -> None:
    found = sdma.packet(op, sub_op)
    assert found is not None
    assert (found.name, found.dwords, found.header) == (name, dwords, op | sub_op << 8)


def test_unknown_opcode() -> None:
    assert sdma.packet(0x7F) is None


def test_words() -> None:
    poll = sdma.packet(sdma.POLL_REGMEM)
    atomic = sdma.packet(sdma.ATOMIC)
    assert poll is not None and atomic is not None
    built = Builder(sdma.packet_layout(poll, Generation.V9_4_3)).put("header", op=poll.op, func=3, mem_poll=1)
    assert built.image().get("header") == 0xB0000008
    add = Builder(sdma.packet_layout(atomic, Generation.V9)).put("header", op=10, atomic_op=sdma.ATOMIC_ADD64)
    assert add.image().get("header") == 0x2F << 25 | 10


def test_fence_has_cache_bits_from_v10_on() -> None:
    fence = sdma.packet(sdma.FENCE)
    assert fence is not None
    assert len(sdma.packet_layout(fence, Generation.V9)["header"].bits) == 2
    assert sdma.packet_layout(fence, Generation.V10).bits("header", "mtype").low == 16
