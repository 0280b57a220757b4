"""Packet sizes and headers of the driver's structures, and the words that it is known to send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.parts import pm4
from ringscope.parts.layout import Builder, Generation, Layout
from ringscope.parts.pm4 import Format
from ringscope.parts.sources import SOURCES, keys

ALL = [pm4.packet_layout(op, fmt) for fmt in Format for op in pm4.OPCODES]


@pytest.mark.parametrize("packet", ALL, ids=lambda p: f"{p.name}-{p.dwords}")
def test_bits_do_not_overlap_and_every_row_has_a_source(packet: Layout) -> None:
    for reg in packet.registers:
        assert reg.meaning and keys(reg.source) and set(keys(reg.source)) <= set(SOURCES)
        taken = 0
        for bits in reg.bits:
            assert not taken & bits.mask, f"{reg.name}.{bits.name}"
            taken |= bits.mask


@pytest.mark.parametrize(
    ("opcode", "fmt", "dwords", "word"),
    [
        (pm4.SET_RESOURCES, Format.V9, 8, 0xC006A000),
        (pm4.MAP_PROCESS, Format.VI, 16, 0xC00EA100),
        (pm4.MAP_PROCESS, Format.V9, 16, 0xC00EA100),
        (pm4.MAP_PROCESS, Format.NV, 16, 0xC00EA100),
        (pm4.MAP_PROCESS, Format.ALDEBARAN, 21, 0xC013A100),
        (pm4.MAP_QUEUES, Format.VI, 7, 0xC005A200),
        (pm4.MAP_QUEUES, Format.ALDEBARAN, 7, 0xC005A200),
        (pm4.UNMAP_QUEUES, Format.V9, 6, 0xC004A300),
        (pm4.QUERY_STATUS, Format.V9, 7, 0xC005A400),
        (pm4.RUN_LIST, Format.V9, 4, 0xC002A500),
        (pm4.RELEASE_MEM, Format.VI, 7, 0xC0054900),
        (pm4.RELEASE_MEM, Format.V9, 8, 0xC0064900),
        (pm4.WRITE_DATA, Format.V9, 5, 0xC0033700),
        (pm4.NOP, Format.V9, 1, 0xFFFF1000),
        (pm4.ACQUIRE_MEM, Format.V9, 7, 0xC0055800),
        (pm4.ACQUIRE_MEM, Format.NV, 8, 0xC0065800),
        (pm4.INDIRECT_BUFFER, Format.V9, 4, 0xC0023F00),
        (pm4.WAIT_REG_MEM, Format.V9, 7, 0xC0053C00),
    ],
)
def test_sizes_and_headers(opcode: int, fmt: Format, dwords: int, word: int) -> None:
    packet = pm4.packet_layout(opcode, fmt)
    assert (packet.dwords, pm4.header(opcode, packet.dwords)) == (dwords, word)
    assert (pm4.packet_dwords(word), pm4.opcode_of(word)) == (dwords, opcode)


@given(st.integers(0, 0xFF), st.integers(2, 0x4000))
def test_a_header_says_its_length_and_opcode(opcode: int, dwords: int) -> None:
    word = pm4.header(opcode, dwords)
    assert (pm4.packet_dwords(word), pm4.opcode_of(word)) == (dwords, opcode)


@pytest.mark.parametrize(("opcode", "dwords"), [(0x100, 2), (-1, 2), (0xA0, 1), (0xA0, 0), (0xA0, 0x4001)])
def test_no_header_for_what_does_not_fit(opcode: int, dwords: int) -> None:
    with pytest.raises(ValueError, match="no type-3 header"):
        pm4.header(opcode, dwords)


def test_what_is_no_header() -> None:
    with pytest.raises(ValueError, match="no type-3 PM4 header"):
        pm4.packet_dwords(0x55555555)
    with pytest.raises(InputError, match="no layout for PM4 opcode 0x99"):
        pm4.packet_layout(0x99, Format.V9)


def words(opcode: int, fmt: Format) -> Builder:
    return Builder(pm4.packet_layout(opcode, fmt))


def test_the_words_that_kfd_sends_on_mi308x() -> None:
    resources = words(pm4.SET_RESOURCES, Format.ALDEBARAN)
    resources.put("control", vmid_mask=0xFFF8, unmap_latency=40, queue_type=1)
    runlist = words(pm4.RUN_LIST, Format.ALDEBARAN).put("control", valid=1, process_cnt=1, ib_size=56)
    queues = words(pm4.MAP_QUEUES, Format.ALDEBARAN).put("control", num_queues=1, queue_sel=1)
    unmap = words(pm4.UNMAP_QUEUES, Format.ALDEBARAN).put("control", queue_sel=3)
    status = words(pm4.QUERY_STATUS, Format.ALDEBARAN).put("control", command=2)
    sent = [b.image().get("control") for b in (resources, runlist, queues, unmap, status)]
    assert sent == [0x2028FFF8, 0x01800038, 0x20000010, 0x30, 0x80000000]


def test_map_process_differs_as_the_headers_do() -> None:
    vi, v9, aldebaran = (pm4.packet_layout(pm4.MAP_PROCESS, f) for f in (Format.VI, Format.V9, Format.ALDEBARAN))
    assert [p["resources"].dword for p in (vi, v9, aldebaran)] == [13, 13, 13]
    assert [p["completion_signal_lo"].dword for p in (vi, v9, aldebaran)] == [14, 14, 19]
    assert vi["page_table_base"].dword == v9["vm_context_page_table_base_addr_lo"].dword == 2
    assert aldebaran["spi_gdbg_per_vmid_cntl"].dword == 14
    assert aldebaran["tcp_watch_cntl3"].dword == 18
    built = Builder(v9).put("control", pasid=0x8001, process_quantum=10).put("sq_shader_tba_hi", trap_en=1)
    assert built.image().get("control") == 10 << 25 | 0x8001
    assert built.image().get("sq_shader_tba_hi") == 1 << 31
    with pytest.raises(KeyError):
        aldebaran.bits("sq_shader_tba_hi", "trap_en")
    num_queues = Builder(aldebaran).put("resources", num_queues=5, sdma_enable=1, num_gws=64)
    assert num_queues.image().get("resources") == 5 << 22 | 1 << 7 | 64


def test_a_doorbell_is_wider_from_v9_on() -> None:
    assert pm4.packet_layout(pm4.MAP_QUEUES, Format.VI).bits("control2", "doorbell_offset").mask == 0x7FFFFC
    assert pm4.packet_layout(pm4.MAP_QUEUES, Format.V9).bits("control2", "doorbell_offset").mask == 0xFFFFFFC


def test_formats_of_user_queues() -> None:
    assert pm4.user_format(Generation.VI) is Format.VI
    assert pm4.user_format(Generation.V9_4_3) is Format.V9
    assert pm4.user_format(Generation.V10) is Format.NV
    assert pm4.packet_layout(pm4.RELEASE_MEM, Format.NV).bits("control", "gcr_gl2_wb").low == 21
    assert pm4.packet_layout(pm4.RELEASE_MEM, Format.V9).bits("control", "tc_wb_action_ena").low == 15
