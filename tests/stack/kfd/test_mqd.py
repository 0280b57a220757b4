"""The driver's words, generation by generation. v9.4.3 is held against real images in test_capture."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.parts.layout import Generation
from ringscope.parts.mqd import PIPE_PRIORITY
from ringscope.stack.kfd.mqd import ComputeMqd, SdmaMqd, Shape, cu_masks

G = Generation
LATE = (G.V10, G.V11, G.V12)


def compute(gen: Generation, *, aql: bool = True, hiq: bool = False, eop: int = 4096, **shape: bool) -> ComputeMqd:
    return ComputeMqd(
        Shape(gen, 2 if gen is G.V9_4_3 else 1, aql, hiq, **{"trap": True, "save": True, "atomics": True} | shape),
        address=0x1_2345_6000,
        stride=0x3000,
        ring_base=0x7FC7_7EA0_0000,
        ring_bytes=1 << 20,
        read_pointer=0x7FC7_86DB_8080,
        write_pointer=0x7FC7_86DB_8038,
        doorbell=0x1008,
        priority=11,
        eop_base=0x7FC7_1234_5600 if eop else 0,
        eop_bytes=eop,
        cwsr_base=0x7FA7_6800_0000,
        cwsr_bytes=0xBA6000,
        ctl_stack_bytes=0x2000,
    )


@pytest.mark.parametrize("gen", G)
def test_what_all_generations_share(gen: Generation) -> None:
    image = compute(gen).image()
    assert image.get("header") == 0xC0310800
    assert image.get("compute_pipelinestat_enable") == 1
    assert image.get64("cp_mqd_base_addr_lo", "cp_mqd_base_addr_hi") == 0x1_2345_6000
    assert image.get64("cp_hqd_pq_base_lo", "cp_hqd_pq_base_hi") == 0x7F_C77E_A000
    assert image.get64("cp_hqd_pq_rptr_report_addr_lo", "cp_hqd_pq_rptr_report_addr_hi") == 0x7FC7_86DB_8080
    assert image.get64("cp_hqd_pq_wptr_poll_addr_lo", "cp_hqd_pq_wptr_poll_addr_hi") == 0x7FC7_86DB_8038
    assert image.get("cp_hqd_pq_doorbell_control", "doorbell_offset") == 0x1008
    assert (image.get("cp_hqd_pipe_priority"), image.get("cp_hqd_queue_priority")) == (2, 11)
    assert image.get("cp_hqd_quantum") == 0x111
    assert image.get("cp_hqd_active") == 0
    assert image.get("cp_hqd_pq_control", "queue_size") == 17
    assert image.get64("cp_hqd_eop_base_addr_lo", "cp_hqd_eop_base_addr_hi") == 0x7F_C712_3456
    assert image.get("cp_hqd_eop_control", "eop_size") == 9
    assert image.get64("cp_hqd_ctx_save_base_addr_lo", "cp_hqd_ctx_save_base_addr_hi") == 0x7FA7_6800_0000
    assert [image.get(f"cp_hqd_{name}") for name in ("cntl_stack_offset", "cntl_stack_size", "wg_state_offset")] == [
        *(0x2000,) * 3
    ]
    assert image.get("cp_hqd_ctx_save_size") == 0xBA6000


# Whole registers as the driver's code yields them for an AQL queue with EOP buffer, save area and trap handler.
PERSISTENT = {gen: 0x40005501 if gen in (G.V11, G.V12) else 0x40005301 for gen in G}
PQ_CONTROL = {
    # block size 5, size 17; VI: mtype UC, slot-based write pointer, no rptr updates
    G.VI: 0x0C018511,
    G.V9: 0x1C014511,
    G.V9_4_3: 0x14014511,
    G.V10: 0x18084511,
    G.V11: 0x18084511,
    G.V12: 0x18084511,
}
IB_CONTROL = {G.VI: 0x18300000, G.V9: 0xB00000, G.V9_4_3: 0xB00000, G.V10: 0x300000, G.V11: 0x300000, G.V12: 0x300000}
STATUS = {G.VI: 0, G.V9: 0x4000, G.V9_4_3: 0x4000, G.V10: 0x4000, G.V11: 0x20004000, G.V12: 0x20004000}
MQD_CONTROL = {gen: 0x18000100 if gen is G.VI else 0x100 for gen in G}


@pytest.mark.parametrize("gen", G)
def test_what_differs(gen: Generation) -> None:
    image = compute(gen).image()
    assert image.get("cp_hqd_persistent_state") == PERSISTENT[gen]
    assert image.get("cp_hqd_pq_control") == PQ_CONTROL[gen]
    assert image.get("cp_hqd_ib_control") == IB_CONTROL[gen]
    assert image.word(160) == STATUS[gen]
    assert image.get("cp_mqd_control") == MQD_CONTROL[gen]
    assert image.word(181) == (0 if gen is G.VI else 1)
    assert image.get("cp_hqd_pq_doorbell_control") == 0x1008 << 2 | (0 if gen is G.VI else 2)
    assert image.get("compute_pgm_rsrc2") == (0 if gen in LATE else 0x40)
    masks = 8 if gen in (G.V9, G.V11, G.V12) else 4
    assert [image.get(f"compute_static_thread_mgmt_se{n}") for n in range(masks)] == [0xFFFFFFFF] * masks
    assert (image.get("cp_hqd_iq_timer"), image.get("cp_hqd_iq_rptr")) == ((0x18000000, 1) if gen is G.VI else (0, 0))
    assert image.get("cp_hqd_eop_rptr") == (1 << 31 if gen is G.VI else 0)
    assert image.get("cp_hqd_ctx_save_control") == (6 if gen is G.VI else 0)


@pytest.mark.parametrize("gen", G)
def test_pm4_queues(gen: Generation) -> None:
    image = compute(gen, aql=False).image()
    assert image.get("cp_hqd_pq_control") == {G.VI: 0x00018511}.get(gen, 0x10000511)
    assert image.get("cp_hqd_pq_doorbell_control") == 0x1008 << 2
    assert image.word(181) == 0
    if gen is G.V9_4_3:
        assert [image.word(dword) for dword in (39, 40, 41, 42)] == [0, 0xFFFFFFFF, 0, 0xFFFFFFFF]


@pytest.mark.parametrize("gen", G)
def test_without_eop_buffer_and_save_area(gen: Generation) -> None:
    none = {G.VI: 0xFFFFFFFF, G.V9: 0, G.V9_4_3: 0}  # later: ffs(0) - 2
    image = compute(gen, eop=0, save=False).image()
    assert image.get("cp_hqd_eop_control") == none.get(gen, 0xFFFFFFFE)
    assert image.get("cp_hqd_persistent_state", "qswitch_mode") == 0


@pytest.mark.parametrize("size", [4096, 8192, 16384])
def test_eop_size_is_capped(size: int) -> None:
    for gen in G:
        field = compute(gen, eop=size).image().get("cp_hqd_eop_control", "eop_size")
        assert field == min(10, size.bit_length() - 4)


def test_hiq() -> None:
    image = compute(G.V9_4_3, aql=False, hiq=True, trap=False, save=False).image()
    assert image.get("cp_hqd_pq_control") & ~0x3F == 0xD0000500
    assert compute(G.V9_4_3, aql=False, hiq=True).image(1).get("cp_hqd_pq_control", "no_update_rptr") == 1
    for gen in (G.VI, G.V9, *LATE):
        control = compute(gen, aql=False, hiq=True).image()
        assert (control.get("cp_hqd_pq_control", "priv_state"), control.get("cp_hqd_pq_control", "kmd_queue")) == (1, 1)


def test_images_of_several_xccs() -> None:
    mqd = ComputeMqd(
        Shape(G.V9_4_3, 4, aql=True, save=True),
        *(0x6ED000, 0x3000, 1 << 40, 1 << 20, 0x80, 0x38, 0x1000, 7),
        cwsr_base=1 << 32,
        cwsr_bytes=0xBA6000,
        ctl_stack_bytes=0x2000,
        logic_xcc=3,
    )
    images = [mqd.image(xcc) for xcc in range(4)]
    assert [image.get("cp_mqd_base_addr_lo") for image in images] == [0x6ED000 + 0x3000 * xcc for xcc in range(4)]
    assert [image.get("compute_current_logic_xcc_id") for image in images] == [3, 0, 1, 2]
    assert [image.get("cp_hqd_ctx_save_base_addr_lo") for image in images] == [0xBA6000 * xcc for xcc in range(4)]
    assert [image.get("cp_hqd_pq_control", "no_update_rptr") for image in images] == [0, 1, 1, 1]
    assert {image.get("cp_mqd_stride_size") for image in images} == {0x3000}


def test_pipe_priority() -> None:
    assert [PIPE_PRIORITY[priority] for priority in (0, 6, 7, 10, 11, 15)] == [0, 0, 1, 1, 2, 2]


SDMA_OFFSETS = {
    # rptr address lo and hi, doorbell offset, dummy, write pointer poll lo and hi, engine and queue
    G.V9: (9, 8, 22, 27, None, None, 126, 127),
    G.V9_4_3: (9, 8, 22, 27, None, None, 126, 127),
    G.V10: (9, 8, 22, 27, None, None, 128, 129),
    G.V11: (8, 7, 19, 25, 27, 26, 126, 127),
    G.V12: (7, 8, 17, 23, 24, 25, 126, 127),
}


@pytest.mark.parametrize("gen", SDMA_OFFSETS)
def test_sdma(gen: Generation) -> None:
    image = SdmaMqd(gen, 0, 0x7F55_8C20_0000, 1 << 20, 0x7F57_3130_4010, 0x7F57_3130_4018, 0x1200, 1, 3).image()
    low, high, doorbell, dummy, poll_low, poll_high, engine, queue = SDMA_OFFSETS[gen]
    poll = {G.V11: 1 << 11, G.V12: 1 << 11}.get(gen, 0)
    assert image.word(0) == 18 << 1 | 1 << 12 | 6 << 16 | poll
    assert (image.word(1), image.word(2)) == (0x558C2000, 0x7F)
    assert (image.word(low), image.word(high)) == (0x31304010, 0x7F57)
    assert (image.word(doorbell), image.word(dummy)) == (0x1200 << 2, 0xF)
    assert (image.word(engine), image.word(queue)) == (1, 3)
    if poll_low is not None and poll_high is not None:
        assert (image.word(poll_low), image.word(poll_high)) == (0x31304018, 0x7F57)
        assert image.get("sdmax_rlcx_sched_cntl") == 32


def test_sdma_of_vi() -> None:
    image = SdmaMqd(G.VI, 0, 1 << 40, 4096, 0x80, 0x88, 0xC05, 0, 1, vmid=9).image()
    assert image.word(0) == 10 << 1 | 1 << 12 | 6 << 16 | 9 << 24
    assert image.get("sdmax_rlcx_doorbell") == 0xC05


# CU masks

MI308X: Any = {"xccs": 4, "arrays": ((5,), (5,), (5,), (5,)), "wgp": False}


def test_a_mask_of_ones_enables_every_cu_and_no_other() -> None:
    assert cu_masks((0xFFFFFFFF,) * 3, 96, **MI308X) == ((0x1F,) * 4,) * 4


def test_bits_go_to_xccs_first_then_engines_then_rows() -> None:
    # Bits 0 to 3 are CU 0 of engine 0 on each XCC, bits 4 to 7 that of engine 1, bit 16 row 1 of engine 0 on XCC 0.
    assert cu_masks((0x00000F,), 32, **MI308X) == ((1, 0, 0, 0),) * 4
    assert cu_masks((0x000020,), 32, **MI308X)[1] == (0, 1, 0, 0)
    assert cu_masks((0x010000,), 32, **MI308X) == ((2, 0, 0, 0), *((0, 0, 0, 0),) * 3)


def test_two_arrays_of_an_engine_take_halves_of_its_word() -> None:
    arrays = ((10, 10), (10, 10))
    assert cu_masks((0b11,), 32, xccs=1, arrays=arrays, wgp=True) == ((0b11, 0),)
    assert cu_masks((0b1100,), 32, xccs=1, arrays=arrays, wgp=True) == ((0, 0b11),)
    assert cu_masks((0b110000,), 32, xccs=1, arrays=arrays, wgp=True) == ((0b11 << 16, 0),)


@given(st.integers(0, 2**96 - 1), st.sampled_from([32, 64, 96]))
def test_every_bit_lands_on_one_cu(mask: int, bits: int) -> None:
    words = tuple(mask >> 32 * i & 0xFFFFFFFF for i in range(3))
    dealt = cu_masks(words, bits, **MI308X)
    assert sum(word.bit_count() for xcc in dealt for word in xcc) == (mask & (1 << min(bits, 80)) - 1).bit_count()
    assert all(word < 1 << 5 for xcc in dealt for word in xcc)


def test_a_cu_mask_reaches_the_mqd() -> None:
    masks = cu_masks((0x010000,), 32, **MI308X)
    mqd = ComputeMqd(Shape(G.V9_4_3, 4, aql=True), 0, 0, 1 << 40, 4096, 0, 0, 0, 7, cu_masks=masks)
    assert [mqd.image(0).get(f"compute_static_thread_mgmt_se{n}") for n in range(4)] == [2, 0, 0, 0]
    assert [mqd.image(1).get(f"compute_static_thread_mgmt_se{n}") for n in range(4)] == [0] * 4
    v9 = ComputeMqd(Shape(G.V9, 1, aql=True), 0, 0, 1 << 40, 4096, 0, 0, 0, 7, cu_masks=((1, 2, 3, 4),))
    assert [v9.image().get(f"compute_static_thread_mgmt_se{n}") for n in range(8)] == [1, 2, 3, 4, 0, 0, 0, 0]
