"""The MQD tables against real images, and against themselves."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringscope.parts import mqd
from ringscope.parts.layout import Builder, Generation, Image, Layout
from ringscope.parts.sources import SOURCES, keys

COMPUTE = [mqd.compute(g) for g in Generation]
TABLES = [*COMPUTE, *map(mqd.hiq, Generation), *map(mqd.sdma, Generation)]
LINE = re.compile(r"    [0-9a-f]{8}: ((?:[0-9a-f]{8} ?)+)$")
V9_4_3 = mqd.compute(Generation.V9_4_3)


def words(lines: list[str]) -> bytes:
    found = [LINE.match(line) for line in lines]
    return b"".join(int(w, 16).to_bytes(4, "little") for m in found if m for w in m[1].split())


def images(mqds: Path) -> list[Image]:
    data = words(mqds.read_text().splitlines())
    return [Image(V9_4_3, data[at : at + 2048]) for at in range(0, len(data), 2048)]


def slots(hqds: Path, gpu_id: str) -> Iterator[tuple[str, Image]]:
    device = hqds.read_text().split(f"gpu_id {gpu_id}:\n")[1].split("Node ")[0]
    for block in re.split(r"\n(?= +(?:Inst|SDMA))", device):
        title, *lines = block.splitlines()
        if "SDMA" not in title:
            yield title.strip(), Image(V9_4_3, words(lines), mqd.HQD_FIRST_DWORD)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: f"{t.name} {t.generation.value}")
def test_bits_of_a_register_do_not_overlap_and_every_row_has_a_source(table: Layout) -> None:
    for reg in table.registers:
        assert reg.meaning and keys(reg.source) and set(keys(reg.source)) <= set(SOURCES), reg.name
        taken = 0
        for bits in reg.bits:
            assert not taken & bits.mask, f"{reg.name}.{bits.name}"
            taken |= bits.mask
        assert len({b.name for b in reg.bits}) == len(reg.bits), reg.name


@pytest.mark.parametrize("table", COMPUTE, ids=lambda t: t.generation.value)
def test_one_row_a_dword_and_every_hqd_word_has_one(table: Layout) -> None:
    assert table.dwords == 512
    assert all(len(rows) == 1 for rows in table.by_dword.values())
    hqd = range(mqd.HQD_FIRST_DWORD, mqd.HQD_FIRST_DWORD + mqd.HQD_DWORDS)
    assert set(hqd) <= set(table.by_dword)


@pytest.mark.parametrize(
    ("name", "dword", "generations"),
    [
        ("header", 0, "all"),
        ("compute_pipelinestat_enable", 11, "all"),
        ("compute_tba_lo", 15, "vi v9 v9.4.3 v10"),
        ("compute_static_thread_mgmt_se1", 24, "all"),
        ("compute_static_thread_mgmt_se3", 27, "all"),
        ("compute_static_thread_mgmt_se4", 39, "v9"),
        ("compute_static_thread_mgmt_se4", 44, "v11 v12"),
        ("compute_static_thread_mgmt_se8", 59, "v12"),
        ("compute_current_logic_xcc_id", 39, "v9.4.3"),
        ("compute_tg_chunk_size", 41, "v9.4.3"),
        ("compute_user_data_15", 80, "all"),
        ("cp_mqd_restore_end_time_hi", 105, "all"),
        ("cp_mqd_base_addr_lo", 128, "all"),
        ("cp_hqd_pq_wptr", 144, "vi"),
        ("cp_hqd_hq_status0", 160, "vi v9 v9.4.3 v11 v12"),
        ("cp_hqd_hq_scheduler0", 160, "v10"),
        ("cp_hqd_gds_resource_state", 178, "all"),
        ("cp_hqd_aql_control", 181, "v9 v9.4.3 v10 v11 v12"),
        ("cp_hqd_eop_dones", 181, "vi"),
        ("cp_hqd_pq_wptr_hi", 183, "v9 v9.4.3 v10 v11 v12"),
        ("cp_hqd_suspend_wg_state_offset", 186, "v10"),
        ("iqtimer_pkt_dw31", 224, "all"),
        ("pm4_target_xcc_in_xcp", 225, "v9.4.3"),
        ("cp_mqd_stride_size", 226, "v9.4.3"),
        ("set_resources_dw7", 235, "all"),
        ("queue_doorbell_id15", 255, "all"),
        ("control_buf_num_entries", 262, "v11 v12"),
        ("draw_ring_addr_hi", 264, "v11 v12"),
        ("gws_63_val", 511, "v11 v12"),
    ],
)
def test_rows_stand_where_the_header_puts_them(name: str, dword: int, generations: str) -> None:
    names = generations.split() if generations != "all" else [g.value for g in Generation]
    for table in COMPUTE:
        assert table.generation is not None
        stands = name in table and table[name].dword == dword
        assert stands == (table.generation.value in names), table.generation


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0x14014511, {"queue_size": 17, "pq_empty": 0, "no_update_rptr": 0, "slot_based_wptr": 2, "priv_state": 0}),
        (0x1401C511, {"queue_size": 17, "pq_empty": 1, "no_update_rptr": 0, "wpp_clamp_en": 1, "queue_full_en": 1}),
        (0x1C01C511, {"no_update_rptr": 1, "unord_dispatch": 1, "rptr_block_size": 5, "kmd_queue": 0}),
        (0xD0008508, {"queue_size": 8, "priv_state": 1, "kmd_queue": 1, "no_update_rptr": 0, "queue_full_en": 0}),
        (0xD8008508, {"priv_state": 1, "kmd_queue": 1, "no_update_rptr": 1, "slot_based_wptr": 0}),
    ],
)
def test_pq_control_values_of_real_queues(value: int, expected: dict[str, int]) -> None:
    image = Builder(V9_4_3).set("cp_hqd_pq_control", value).image()
    assert {name: image.get("cp_hqd_pq_control", name) for name in expected} == expected


def test_building_what_the_driver_writes_gives_the_captured_words() -> None:
    build = Builder(V9_4_3)
    build.put("cp_hqd_pq_control", queue_size=17, rptr_block_size=5, queue_full_en=1, wpp_clamp_en=1)
    build.put("cp_hqd_pq_control", slot_based_wptr=2, unord_dispatch=1)
    build.put("cp_hqd_persistent_state", preload_req=1, preload_size=0x53, qswitch_mode=1)
    build.put("cp_hqd_quantum", quantum_en=1, quantum_scale=1, quantum_duration=1)
    build.put("cp_hqd_pq_doorbell_control", doorbell_offset=0x1008, doorbell_bif_drop=1)
    build.put("cp_hqd_ib_control", min_ib_avail_size=3, ib_exe_disable=1)
    build.put("cp_hqd_hq_status0", c_queue_debug_en=1)
    build.put("cp_mqd_control", priv_state=1)
    image = build.image()
    assert [image.word(d) for d in (132, 135, 143, 145, 149, 160, 162)] == [
        *(0x40005301, 0x111, 0x4022, 0x14014511, 0x00B00000, 0x4000, 0x100)
    ]


def test_v11_keeps_slot_based_wptr_two_bits_lower() -> None:
    late = Builder(mqd.compute(Generation.V11)).put("cp_hqd_pq_control", slot_based_wptr=2, no_update_rptr=1)
    assert late.image().get("cp_hqd_pq_control") == 2 << 18 | 1 << 27


@pytest.mark.parametrize("capture", ["streams-16", "streams-32"])
def test_real_mqds(shared: Path, capture: str) -> None:
    found = images(shared / "mi308x" / capture / "active" / "mqds")
    assert len(found) == 20
    for at, image in enumerate(found):
        queue, xcc = divmod(at, 4)
        first = found[queue * 4]
        assert image.get("header") == mqd.HEADER
        assert image.get("compute_pgm_rsrc2", "trap_present") == 1
        assert image.get("compute_tg_chunk_size") == 1
        assert image.get("cp_mqd_stride_size") == 0x3000
        assert image.get("cp_mqd_base_addr_lo") == first.get("cp_mqd_base_addr_lo") + 0x3000 * xcc
        assert image.get("compute_current_logic_xcc_id") == (first.get("compute_current_logic_xcc_id") + xcc) % 4
        assert image.get("cp_hqd_pq_control", "no_update_rptr") == (xcc > 0)
        assert image.get("cp_hqd_pipe_priority", "pipe_priority") == 1
        assert image.get("cp_hqd_queue_priority", "priority_level") == 7
        assert image.get("cp_hqd_quantum", "quantum_duration") == 1
        assert image.get("cp_hqd_pq_doorbell_control", "doorbell_offset") == 0x1008 - 2 * queue
        assert image.get("cp_hqd_aql_control", "control0") == 1
        assert image.get("cp_hqd_ctx_save_size") == 0xBA6000
        assert image.get64("cp_hqd_ctx_save_base_addr_lo", "cp_hqd_ctx_save_base_addr_hi") == (
            first.get64("cp_hqd_ctx_save_base_addr_lo", "cp_hqd_ctx_save_base_addr_hi") + 0xBA6000 * xcc
        )
    sizes = [4 << i.get("cp_hqd_pq_control", "queue_size") + 1 for i in found[::4]]
    assert sizes == [1 << 20] * 4 + [4096]


def test_real_hqds_are_read_through_the_same_table(shared: Path) -> None:
    found = dict(slots(shared / "mi308x" / "streams-16" / "active" / "hqds", "f7bc"))
    assert len(found) == 4 * (24 + 1)
    assert all(len(image.data) == mqd.HQD_DWORDS * 4 for image in found.values())
    first = found["Inst 0,  CP Pipe 0, Queue 2"]
    assert first.get("cp_mqd_base_addr_lo") == 0x017BA000
    assert (first.get("cp_hqd_vmid", "vmid"), first.get("cp_hqd_vmid", "ib_vmid")) == (3, 3)
    assert first.get("cp_hqd_pq_control") == 0x1401C511
    assert first.get("cp_hqd_pq_doorbell_control", "doorbell_en") == 1
    assert first.get("cp_hqd_hq_status0", "queue_idle") == 1
    active = [title for title, image in found.items() if image.get("cp_hqd_active", "active") and "HIQ" not in title]
    slots_of = ["0, Queue 2", "0, Queue 3", "1, Queue 2", "2, Queue 2", "3, Queue 2"]
    assert active == [f"Inst {xcc},  CP Pipe {slot}" for xcc in range(4) for slot in slots_of]
    hiq = found["Inst 0, HIQ on MEC 2 Pipe 0 Queue 0"]
    assert hiq.get("cp_hqd_pq_wptr_lo") == 0xA77
    assert hiq.get("cp_hqd_pq_doorbell_control", "doorbell_offset") == 0xC00
    assert hiq.get("cp_hqd_queue_priority") == 1
    with pytest.raises(IndexError):
        first.word(184)


@pytest.mark.parametrize(
    ("name", "dwords"),
    [
        ("rb_cntl", "0 0 0 0"),
        ("rb_base_hi", "2 2 2 2"),
        ("rb_wptr_hi", "6 6 6 6"),
        ("rb_rptr_addr_hi", "8 8 7 8"),
        ("rb_rptr_addr_lo", "9 9 8 7"),
        ("context_status", "17 17 16 -"),
        ("doorbell", "18 18 17 15"),
        ("doorbell_offset", "22 22 19 17"),
        ("sched_cntl", "- - 22 20"),
        ("dummy_reg", "27 27 25 23"),
        ("rb_wptr_poll_addr_hi", "28 28 26 25"),
        ("rb_wptr_poll_addr_lo", "29 29 27 24"),
    ],
)
def test_sdma_mqd_words_stand_where_the_header_puts_them(name: str, dwords: str) -> None:
    tables = [mqd.sdma(g) for g in (Generation.V9, Generation.V10, Generation.V11, Generation.V12)]
    found = [str(t[f"sdmax_rlcx_{name}"].dword) if f"sdmax_rlcx_{name}" in t else "-" for t in tables]
    assert " ".join(found) == dwords


def test_sdma_mqd_sizes_and_the_drivers_own_words() -> None:
    for generation in Generation:
        table = mqd.sdma(generation)
        assert table.dwords * 4 == (520 if generation is Generation.V10 else 512)
        assert table["sdma_engine_id"].dword == table.dwords - 2
        assert table["sdma_queue_id"].dword == table.dwords - 1


def test_sdma_rows_name_the_generations_in_which_they_stand_there() -> None:
    for generation in Generation:
        for reg in mqd.sdma(generation).registers:
            for other in Generation:
                rows = mqd.sdma(other)
                same = reg.name in rows and rows[reg.name].dword == reg.dword
                assert same == (other in reg.gens), f"{reg.name} {other}"
