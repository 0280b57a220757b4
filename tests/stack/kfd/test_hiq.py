import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.parts import pm4
from ringscope.parts.pm4 import Format
from ringscope.stack.kfd import hiq as packets
from ringscope.stack.kfd.hiq import RING_DWORDS, Hiq
from ringscope.stack.kfd.memory import Gart
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.machine import GartPlan, MachineSpec


def fresh(start: int = 0) -> Hiq:
    return Hiq(MachineSpec.of("mi308x").nodes[0], Gart(GartPlan(), 1 << 22), 0x6E3000, start)


def test_buffers_lie_where_an_mi308x_has_them() -> None:
    hiq = fresh()
    mqd = hiq.mqd
    assert (mqd.ring_base, mqd.eop_base, mqd.read_pointer, mqd.write_pointer) == (
        0xFCC000,
        0xFCC800,
        0xFCD800,
        0xFCDA00,
    )
    assert hiq.fence == 0xFCDC00


def test_a_packet_that_would_reach_the_end_is_preceded_by_nops() -> None:
    hiq = fresh(508)
    assert hiq.submit((pm4.header(pm4.RUN_LIST, 4), 1, 2, 3)) == 8  # 508 + 4 = 512: four NOPs
    assert hiq.ring[508:] == [pm4.NOP_FILLER] * 4
    assert hiq.ring[:4] == [pm4.header(pm4.RUN_LIST, 4), 1, 2, 3]
    hiq = fresh(507)
    assert hiq.submit((pm4.header(pm4.RUN_LIST, 4), 1, 2, 3)) == 4


def test_a_packet_larger_than_the_ring_is_refused() -> None:
    with pytest.raises(KfdError):
        fresh().submit((0,) * 512)


@given(st.lists(st.integers(2, 8), max_size=400), st.integers(0, 511))
def test_every_packet_is_whole_and_the_last_dword_only_ever_padding(sizes: list[int], start: int) -> None:
    hiq = fresh(start)
    for size in sizes:
        words = (pm4.header(pm4.QUERY_STATUS, size), *range(1, size))
        before = hiq.wptr_dwords
        assert hiq.submit(words) == hiq.wptr_dwords - before
        end = (hiq.wptr_dwords - 1) % RING_DWORDS + 1
        assert tuple(hiq.ring[end - size : end]) == words
        assert hiq.ring[511] in (0, pm4.NOP_FILLER)


@pytest.mark.parametrize("fmt", [Format.VI, Format.V9, Format.ALDEBARAN])
def test_packets(fmt: Format) -> None:
    assert packets.set_resources(fmt, 0xFFF8, 0xFCFCFCFC) == (
        0xC006A000,
        0x2028FFF8,
        0xFCFCFCFC,
        0,
        *(0xFFFFFFFF,) * 2,
        0,
        0,
    )
    assert packets.unmap_queues(fmt, static_too=False) == (0xC004A300, 0x30, 0, 0, 0, 0)
    assert packets.unmap_queues(fmt, static_too=True)[1] == 0x20
    assert packets.query_status(fmt, 0x1_00FC_DC00) == (0xC005A400, 0x80000000, 0, 0x00FCDC00, 1, 100, 0)
