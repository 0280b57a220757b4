"""The memory queue descriptor (MQD) of compute queues, HIQ and SDMA queues, dword by dword and per generation.

A compute MQD is 512 dwords. Dwords 128 to 183 mirror, in order, the 56 HQD registers CP_MQD_BASE_ADDR to
CP_HQD_PQ_WPTR_HI, so that an HQD block of a register dump is read through the same table::

    Image(compute(generation), block, first_dword=HQD_FIRST_DWORD)

The HIQ uses the same image. Names are the header's, in lower case; a word that the header calls reserved has a row
only when it lies in the HQD block or a capture showed something in it.
"""

from __future__ import annotations

from functools import cache

from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.parts.layout import (
    ALL,
    V9_AND_LATER,
    V9_FAMILY,
    V10_AND_LATER,
    Bits,
    Generation,
    Layout,
    Register,
    layout_for,
)

FIDELITY = (
    Behaviour(
        "parts.mqd.v9_4_3",
        "which dword of a compute MQD and of a slot is which register, and its bits",
        Standing.CAPTURED,
        "gfx942",
        "v9_structs.h, gc_9_4_3_sh_mask.h; 40 MQD images and 768 slots of eight MI308X",
        "tests/parts/test_mqd.py::test_real_mqds",
    ),
    Behaviour(
        "parts.mqd.others",
        "the same for VI, v9, v10, v11 and v12",
        Standing.SOURCE,
        "gfx8 to gfx12",
        "*_structs.h and *_sh_mask.h of each generation",
        "tests/parts/test_mqd.py::test_rows_stand_where_the_header_puts_them",
    ),
)

MQD_DWORDS = 512
HQD_FIRST_DWORD = 128
HQD_DWORDS = 56
HEADER = 0xC0310800
"""Value of dword 0 of every compute MQD, all generations (kfd_mqd)."""

PIPE_PRIORITY = (0,) * 7 + (1,) * 4 + (2,) * 5
"""``cp_hqd_pipe_priority`` of each KFD priority 0 to 15: low, medium, high (kfd_mqd_manager.c pipe_priority_map)."""

VI = (Generation.VI,)
V9 = (Generation.V9,)
V9_4_3 = (Generation.V9_4_3,)
V10 = (Generation.V10,)
V12 = (Generation.V12,)
V9_TO_V11 = (*V9_FAMILY, Generation.V10, Generation.V11)
V10_V11 = (Generation.V10, Generation.V11)
V11_V12 = (Generation.V11, Generation.V12)
TO_V9 = (Generation.VI, *V9_FAMILY)
TO_V10 = (*TO_V9, Generation.V10)
TO_V11 = (*TO_V10, Generation.V11)
ALL_BUT_V10 = tuple(g for g in ALL if g is not Generation.V10)

_S = "structs"
_D = "structs, kfd_mqd"
_M = "structs, sh_mask"
_MD = "structs, sh_mask, kfd_mqd"
_HI = "upper half of the address"

_DISPATCH = (
    Register(0, "header", "0xC0310800: marks the image as a compute MQD", _D),
    Register(1, "compute_dispatch_initiator", "written by CP; 0x4000 (RESTORE) on a queue that ran", "structs, MI308X"),
    Register(2, "compute_dim_x", "grid size of the dispatch being saved, x", _S, "workgroups"),
    Register(3, "compute_dim_y", "the same, y", _S, "workgroups"),
    Register(4, "compute_dim_z", "the same, z", _S, "workgroups"),
    Register(5, "compute_start_x", "first workgroup of the dispatch, x", _S, "workgroups"),
    Register(6, "compute_start_y", "the same, y", _S, "workgroups"),
    Register(7, "compute_start_z", "the same, z", _S, "workgroups"),
    *(
        Register(
            8 + i,
            f"compute_num_thread_{axis}",
            f"workgroup size, {axis}",
            _M,
            "work-items",
            bits=(
                Bits(15, 0, "num_thread_full", "of a full workgroup"),
                Bits(31, 16, "num_thread_partial", "of the last, partial workgroup"),
            ),
        )
        for i, axis in enumerate("xyz")
    ),
    Register(11, "compute_pipelinestat_enable", "1: count invocations; the driver sets 1", _D),
    Register(12, "compute_perfcount_enable", "1: performance counters run; set while a profiler owns the device", _D),
    Register(13, "compute_pgm_lo", "shader program of the dispatch", _S, "address >> 8"),
    Register(14, "compute_pgm_hi", _HI, _S, "address >> 40"),
    Register(15, "compute_tba_lo", "trap handler; the driver writes it on VI only", _D, "address >> 8", TO_V10),
    Register(16, "compute_tba_hi", _HI, _D, "address >> 40", TO_V10),
    Register(
        17, "compute_tma_lo", "trap handler's memory; the driver writes it on VI only", _D, "address >> 8", TO_V10
    ),
    Register(18, "compute_tma_hi", _HI, _D, "address >> 40", TO_V10),
    Register(15, "compute_dispatch_pkt_addr_lo", "AQL packet of the dispatch", _S, "address", V11_V12),
    Register(16, "compute_dispatch_pkt_addr_hi", _HI, _S, "address >> 32", V11_V12),
    Register(17, "compute_dispatch_scratch_base_lo", "scratch memory of the dispatch", _S, "address >> 8", V11_V12),
    Register(18, "compute_dispatch_scratch_base_hi", _HI, _S, "address >> 40", V11_V12),
    Register(19, "compute_pgm_rsrc1", "shader resources: registers, float mode, priority", _S),
    Register(
        20,
        "compute_pgm_rsrc2",
        "shader resources: scratch, user SGPRs, LDS, trap handler",
        _MD,
        bits=(
            Bits(0, 0, "scratch_en", "scratch memory is used"),
            Bits(5, 1, "user_sgpr", "number of user SGPRs"),
            Bits(6, 6, "trap_present", "a trap handler is installed; the driver sets it on VI and v9"),
            Bits(23, 15, "lds_size", "LDS of a workgroup, in allocation granules"),
        ),
    ),
    Register(21, "compute_vmid", "VMID of the dispatch", _S),
    Register(
        22,
        "compute_resource_limits",
        "limits on where waves may go",
        _MD,
        bits=(
            Bits(9, 0, "waves_per_sh", "most waves in a shader array; 0: no limit"),
            Bits(15, 12, "tg_per_cu", "most workgroups on a CU; 0: no limit"),
            Bits(21, 16, "lock_threshold"),
            Bits(22, 22, "simd_dest_cntl"),
            Bits(23, 23, "force_simd_dist", "spread waves over SIMDs; set for a GWS queue from GC 9.4.2 on", TO_V9),
            Bits(26, 24, "cu_group_count"),
        ),
    ),
    Register(23, "compute_static_thread_mgmt_se0", "CUs usable in SE 0: SH0 in bits 15:0, SH1 in 31:16", _D, "CU mask"),
    Register(24, "compute_static_thread_mgmt_se1", "the same, SE 1", _D, "CU mask"),
    Register(25, "compute_tmpring_size", "scratch: waves and size of a wave", _S),
    Register(26, "compute_static_thread_mgmt_se2", "the same as se0, SE 2", _D, "CU mask"),
    Register(27, "compute_static_thread_mgmt_se3", "the same as se0, SE 3", _D, "CU mask"),
    *(Register(28 + i, f"compute_restart_{a}", f"workgroup to restart at, {a}", _S) for i, a in enumerate("xyz")),
    Register(31, "compute_thread_trace_enable", "1: thread trace runs", _S),
    Register(32, "compute_misc_reserved", "SEND_SEID and wave id base", _S),
    Register(33, "compute_dispatch_id", "number of the dispatch", _S),
    Register(34, "compute_threadgroup_id", "number of the workgroup", _S),
    Register(35, "compute_relaunch", "relaunch state after a restore", _S, gens=TO_V10),
    Register(36, "compute_wave_restore_addr_lo", "where saved waves are restored from", _S, "address", TO_V10),
    Register(37, "compute_wave_restore_addr_hi", _HI, _S, "address >> 32", TO_V10),
    Register(38, "compute_wave_restore_control", "how saved waves are restored", _S, gens=TO_V10),
    *(
        Register(35 + n, f"compute_static_thread_mgmt_se{n}", f"the same as se0, SE {n}", _D, "CU mask", V9)
        for n in range(4, 8)
    ),
    Register(
        39,
        "compute_current_logic_xcc_id",
        "this XCC's place in the round of workgroups: the driver writes (start + xcc) mod XCCs for AQL, 0 for PM4; "
        "captures start at the slot's pipe instead, so it is taken to be rewritten later",
        "structs, kfd_mqd, MI308X, inferred",
        gens=V9_4_3,
    ),
    Register(
        40,
        "compute_restart_cg_tg_id",
        "left at the 0xFFFFFFFF that the driver writes to the word as se5",
        "structs, kfd_mqd, MI308X",
        gens=V9_4_3,
    ),
    Register(
        41, "compute_tg_chunk_size", "workgroups given to one XCC in a row: 1 for AQL, 0 for PM4", _D, gens=V9_4_3
    ),
    Register(
        42,
        "compute_restore_tg_chunk_size",
        "0xFFFFFFFF (as se7) until CP writes it; 1 on a queue that ran",
        "structs, MI308X",
        gens=V9_4_3,
    ),
    Register(35, "compute_req_ctrl", "workgroup request grouping", _S, gens=V11_V12),
    *(Register(37 + n, f"compute_user_accum_{n}", f"user accumulator {n}", _S, gens=V11_V12) for n in range(4)),
    Register(41, "compute_pgm_rsrc3", "shader resources: shared VGPRs, instruction prefetch", _S, gens=V11_V12),
    Register(42, "compute_ddid_index", "data dependency id", _S, gens=V11_V12),
    Register(43, "compute_shader_chksum", "checksum of the shader", _S, gens=V11_V12),
    *(
        Register(40 + n, f"compute_static_thread_mgmt_se{n}", f"the same as se0, SE {n}", _D, "CU mask", V11_V12)
        for n in range(4, 8)
    ),
    Register(48, "compute_dispatch_interleave", "workgroups sent to an SE before the next one", _S, gens=V11_V12),
    Register(49, "compute_relaunch", "relaunch state after a restore", _S, gens=V11_V12),
    Register(50, "compute_wave_restore_addr_lo", "where saved waves are restored from", _S, "address", V11_V12),
    Register(51, "compute_wave_restore_addr_hi", _HI, _S, "address >> 32", V11_V12),
    Register(52, "compute_wave_restore_control", "how saved waves are restored", _S, gens=V11_V12),
    Register(59, "compute_static_thread_mgmt_se8", "the same as se0, SE 8; the driver leaves it 0", _D, "CU mask", V12),
    *(Register(65 + n, f"compute_user_data_{n}", f"user SGPR {n}", _S) for n in range(16)),
)

_FIRMWARE = (
    Register(81, "cp_compute_csinvoc_count_lo", "compute shader invocations", _S, "invocations"),
    Register(82, "cp_compute_csinvoc_count_hi", "upper half", _S, "invocations"),
    *(
        Register(
            86 + 2 * i + j, f"cp_mqd_{what}_time_{half}", f"{text}{', upper half' if j else ''}", _S, "GPU clock", g
        )
        for i, (what, text, g) in enumerate(
            (
                ("query", "last query of the queue", ALL),
                ("connect_start", "start of being connected to a slot; bit 63 is set", ALL),
                ("connect_end", "end of being connected", ALL),
            )
        )
        for j, half in enumerate(("lo", "hi"))
    ),
    Register(92, "cp_mqd_connect_end_wf_count", "waves launched when disconnected", _S, "waves"),
    Register(93, "cp_mqd_connect_end_pq_rptr", "ring read pointer when disconnected", _S, "dwords"),
    Register(94, "cp_mqd_connect_end_pq_wptr", "ring write pointer when disconnected", _S, "dwords"),
    Register(95, "cp_mqd_connect_end_ib_rptr", "IB read pointer when disconnected", _S, "dwords"),
    Register(96, "cp_mqd_readindex_lo", "AQL read index", "structs, MI308X", "packets", V9_AND_LATER),
    Register(97, "cp_mqd_readindex_hi", "upper half", _S, "packets", V9_AND_LATER),
    *(
        Register(98 + 2 * i + j, f"cp_mqd_{what}_time_{half}", f"{text}{', upper half' if j else ''}", _S, "GPU clock")
        for i, (what, text) in enumerate(
            (
                ("save_start", "start of the last save"),
                ("save_end", "end of the last save"),
                ("restore_start", "start of the last restore"),
                ("restore_end", "end of the last restore"),
            )
        )
        for j, half in enumerate(("lo", "hi"))
    ),
    Register(106, "disable_queue", "1: the firmware does not run this queue", _S),
    *(Register(108 + n, f"gds_cs_ctxsw_cnt{n}", f"GDS context switch counter {n}", _S, gens=TO_V11) for n in range(4)),
    Register(114, "cp_pq_exe_status_lo", "execution status of the ring; 3 on a queue that ran", "structs, MI308X"),
    Register(115, "cp_pq_exe_status_hi", "upper half", _S),
    Register(116, "cp_packet_id_lo", "packet being executed", _S),
    Register(117, "cp_packet_id_hi", "upper half", _S),
    Register(118, "cp_packet_exe_status_lo", "execution status of that packet", _S),
    Register(119, "cp_packet_exe_status_hi", "upper half", _S),
    Register(120, "gds_save_base_addr_lo", "where GDS is saved", _S, "address", TO_V11),
    Register(121, "gds_save_base_addr_hi", _HI, _S, "address >> 32", TO_V11),
    Register(122, "gds_save_mask_lo", "which GDS ranges are saved", _S, gens=TO_V11),
    Register(123, "gds_save_mask_hi", "upper half", _S, gens=TO_V11),
    Register(124, "ctx_save_base_addr_lo", "context save area as the firmware keeps it", _S, "address"),
    Register(125, "ctx_save_base_addr_hi", _HI, _S, "address >> 32"),
    Register(126, "dynamic_cu_mask_addr_lo", "CU mask in memory; unused by KFD", _S, "address", TO_V9),
    Register(127, "dynamic_cu_mask_addr_hi", _HI, _S, "address >> 32", TO_V9),
)

_HQ_STATUS0 = (
    Bits(1, 0, "dequeue_status", "state of a dequeue", TO_V10),
    Bits(3, 2, "dequeue_retry_cnt", "retries of a dequeue", TO_V10),
    Bits(0, 0, "cwsr", "the queue is saved by CWSR", V11_V12),
    Bits(1, 1, "save_status", "state of the save", V11_V12),
    Bits(5, 3, "static_queue", "the slot is bound statically", V11_V12),
    Bits(6, 6, "queue_run_once", "the queue runs once", V11_V12),
    Bits(7, 7, "scratch_ram_init", "scratch RAM is initialised"),
    Bits(8, 8, "tcl2_dirty", "L2 holds dirty lines of the queue"),
    Bits(9, 9, "pg_activated", "power gating is active", TO_V10),
    Bits(9, 9, "c_inherit_vmid", "the VMID is inherited", V11_V12),
    Bits(12, 10, "queue_scheduler_type", "who schedules the queue", V11_V12),
    Bits(13, 13, "c_queue_use_gws", "the queue uses GWS", V11_V12),
    Bits(14, 14, "c_queue_debug_en", "CP sets up DISPATCH_PTR for a debugger; the driver sets 1", V9_AND_LATER),
    Bits(15, 15, "queue_slot_connected", "the queue sits in a slot", V11_V12),
    Bits(20, 20, "mes_interrupt_enabled", "MES is told of events", V11_V12),
    Bits(22, 21, "mes_interrupt_pipe", "which MES pipe is told", V11_V12),
    Bits(27, 24, "concurrent_process_count", "processes at once", V11_V12),
    Bits(29, 29, "pcie_atomics", "the driver sets 1 when PCIe atomics work; the header does not name it", V11_V12),
    Bits(30, 30, "queue_idle", "the queue has nothing to do", V9_AND_LATER),
    Bits(31, 31, "db_updated_msg_en", "a message is sent when the doorbell rings", V9_AND_LATER),
)

_PQ_CONTROL = (
    Bits(5, 0, "queue_size", "log2(ring bytes / 4) - 1: the ring is 4 << (queue_size + 1) bytes"),
    Bits(6, 6, "wptr_carry", "carry of the write pointer", V9_AND_LATER),
    Bits(7, 7, "rptr_carry", "carry of the read pointer", V9_AND_LATER),
    Bits(13, 8, "rptr_block_size", "how often the read pointer is reported, as queue_size; the driver sets 5"),
    Bits(14, 14, "queue_full_en", "the queue may be filled entirely; 1 for AQL", V9_AND_LATER),
    Bits(16, 15, "mtype", "memory type of ring reads", VI),
    Bits(15, 15, "pq_empty", "hardware: the ring is empty", V9_AND_LATER),
    Bits(16, 16, "wpp_clamp_en", "clamp write pointer polling; 1 for AQL", V9_FAMILY),
    Bits(18, 17, "endian_swap", "byte order", TO_V9),
    Bits(19, 18, "slot_based_wptr", "2: write pointer counts 64-byte AQL packets", V10_AND_LATER),
    Bits(21, 20, "min_avail_size", "fewest dwords before a fetch"),
    Bits(22, 22, "tmz", "trusted memory zone; on v9 from GC 9.4.2 on", (*V9_FAMILY, *V11_V12)),
    Bits(23, 23, "pq_atc", "addresses are translated by the IOMMU", VI),
    Bits(23, 23, "exe_disable", "fetch only, do not execute", V9_AND_LATER),
    Bits(24, 24, "cache_policy", "L2 policy of ring reads", TO_V9),
    Bits(25, 24, "cache_policy", "L2 policy of ring reads", V10_AND_LATER),
    Bits(26, 25, "slot_based_wptr", "2: write pointer counts 64-byte AQL packets", TO_V9),
    Bits(26, 26, "pq_volatile", "ring reads are volatile", V10_V11),
    Bits(27, 27, "no_update_rptr", "do not report the read pointer: 1 for AQL; v9.4.3 clears it on XCC 0"),
    Bits(28, 28, "unord_dispatch", "packets may be launched out of order; the driver sets 1 from v9 on"),
    Bits(29, 29, "roq_pq_ib_flip", "order of ring and IB fetches", TO_V9),
    Bits(29, 29, "tunnel_dispatch", "the dispatch tunnel is used", V10_AND_LATER),
    Bits(30, 30, "priv_state", "the queue is privileged: HIQ"),
    Bits(31, 31, "kmd_queue", "the queue belongs to the kernel driver: HIQ"),
)

_UTCL1 = ("pq", "ib", "eop", "iq", "rrpt", "wpp", "sem", "dma_src", "dma_dst", "sr", "qu", "tc")

_HQD = (
    Register(128, "cp_mqd_base_addr_lo", "this MQD's own address in GART (not the ring)", _MD, "address"),
    Register(129, "cp_mqd_base_addr_hi", _HI, _MD, "address >> 32"),
    Register(
        130,
        "cp_hqd_active",
        "the slot is occupied; the driver leaves 0 in the MQD and CP writes 1",
        "structs, sh_mask, kfd_mqd, MI308X",
        bits=(
            Bits(0, 0, "active", "1: a queue is mapped here; the only sign that a slot is occupied"),
            Bits(1, 1, "busy_gate", "clock gating while busy"),
        ),
    ),
    Register(
        131,
        "cp_hqd_vmid",
        "address space of the queue; 0 in the MQD until saved when the firmware schedules",
        _MD,
        bits=(
            Bits(3, 0, "vmid", "VMID of ring accesses"),
            Bits(11, 8, "ib_vmid", "VMID of IBs and shaders"),
            Bits(25, 16, "vqid", "virtual queue id"),
        ),
    ),
    Register(
        132,
        "cp_hqd_persistent_state",
        "preloading, switching and restoring",
        _MD,
        bits=(
            Bits(0, 0, "preload_req", "load shader state on connect; the driver sets 1"),
            Bits(1, 1, "tmz_connect_override", "", V11_V12),
            Bits(7, 7, "suspend_status", "the queue is suspended", V10_AND_LATER),
            Bits(17, 8, "preload_size", "dwords to preload: 0x53, from v11 on 0x55"),
            Bits(18, 18, "tmz_switch_exempt", "", V11_V12),
            Bits(19, 19, "tmz_match_dis", "", V11_V12),
            Bits(20, 20, "wpp_clamp_en", "clamp write pointer polling", V10_AND_LATER),
            Bits(21, 21, "wpp_switch_qos_en", "urgent traffic while switching: write pointer polls", V9_AND_LATER),
            Bits(22, 22, "iq_switch_qos_en", "the same: indirect queue", V9_AND_LATER),
            Bits(23, 23, "ib_switch_qos_en", "the same: indirect buffers", V9_AND_LATER),
            Bits(24, 24, "eop_switch_qos_en", "the same: end-of-pipe buffer", V9_AND_LATER),
            Bits(25, 25, "pq_switch_qos_en", "the same: ring", V9_AND_LATER),
            Bits(26, 26, "tc_offload_qos_en", "the same: offloaded traffic", V9_AND_LATER),
            Bits(27, 27, "cache_full_packet_en", "whole packets are fetched", V9_AND_LATER),
            Bits(28, 28, "restore_active", "a restore is going on"),
            Bits(29, 29, "relaunch_waves", "waves are relaunched after a restore"),
            Bits(30, 30, "qswitch_mode", "1: waves are saved (CWSR) when the queue is preempted; 0: drained"),
            Bits(31, 31, "disp_active", "a dispatch is going on"),
        ),
    ),
    Register(
        133,
        "cp_hqd_pipe_priority",
        "0 low (KFD 0-6), 1 medium (7-10), 2 high (11-15)",
        _MD,
        bits=(Bits(1, 0, "pipe_priority", "arbitration between pipes"),),
    ),
    Register(
        134,
        "cp_hqd_queue_priority",
        "the KFD priority of the queue, 0 to 15; HSA normal is 7",
        _MD,
        bits=(Bits(3, 0, "priority_level", "higher goes first among the queues of a pipe"),),
    ),
    Register(
        135,
        "cp_hqd_quantum",
        "time slice on the pipe; KFD writes 0x111: on, scale 1, duration 1",
        _MD,
        bits=(
            Bits(0, 0, "quantum_en", "1: the slice is limited"),
            Bits(4, 4, "quantum_scale", "unit of the duration; 1 is 1 ms by the CIK header, no later source says"),
            Bits(13, 8, "quantum_duration", "length of the slice in that unit"),
            Bits(31, 31, "quantum_active", "hardware: the slice is running"),
        ),
    ),
    Register(136, "cp_hqd_pq_base_lo", "the ring", _MD, "address >> 8"),
    Register(137, "cp_hqd_pq_base_hi", "upper half of the address, 8 bits", _MD, "address >> 40"),
    Register(138, "cp_hqd_pq_rptr", "ring read pointer, saved by CP; 16 a 64-byte AQL packet", _MD, "dwords"),
    Register(
        139, "cp_hqd_pq_rptr_report_addr_lo", "where CP reports the read pointer; AQL: read_dispatch_id", _MD, "address"
    ),
    Register(140, "cp_hqd_pq_rptr_report_addr_hi", _HI, _MD, "address >> 32"),
    Register(
        141, "cp_hqd_pq_wptr_poll_addr_lo", "where CP reads the write pointer; AQL: write_dispatch_id", _MD, "address"
    ),
    Register(142, "cp_hqd_pq_wptr_poll_addr_hi", _HI, _MD, "address >> 32"),
    Register(
        143,
        "cp_hqd_pq_doorbell_control",
        "which doorbell rings this queue; 0x2 in a slot that is not mapped",
        "structs, sh_mask, kfd_mqd, MI308X",
        bits=(
            Bits(0, 0, "doorbell_mode", "1 under SR-IOV with several functions"),
            Bits(1, 1, "doorbell_bif_drop", "the bus interface may merge doorbells; 1 for AQL from v9 on"),
            Bits(22, 2, "doorbell_offset", "index of the doorbell in its BAR, in dwords", VI),
            Bits(25, 23, "doorbell_carry_bits", "", VI),
            Bits(27, 2, "doorbell_offset", "index of the doorbell in its BAR, in dwords", V9_AND_LATER),
            Bits(28, 28, "doorbell_source", "where the last doorbell came from"),
            Bits(29, 29, "doorbell_schd_hit", "the scheduler saw a doorbell"),
            Bits(30, 30, "doorbell_en", "doorbells are listened to; set when the queue is mapped"),
            Bits(31, 31, "doorbell_hit", "a doorbell rang"),
        ),
    ),
    Register(144, "cp_hqd_pq_wptr", "ring write pointer", _MD, "dwords", VI),
    Register(144, "reserved_144", "unused; the write pointer is at 182", _S, gens=V9_AND_LATER),
    Register(145, "cp_hqd_pq_control", "size and behaviour of the ring", _MD, bits=_PQ_CONTROL),
    Register(146, "cp_hqd_ib_base_addr_lo", "the indirect buffer being executed", _M, "address"),
    Register(147, "cp_hqd_ib_base_addr_hi", _HI, _M, "address >> 32"),
    Register(148, "cp_hqd_ib_rptr", "read pointer in that buffer", _M, "dwords"),
    Register(
        149,
        "cp_hqd_ib_control",
        "size and behaviour of that buffer",
        _MD,
        bits=(
            Bits(19, 0, "ib_size", "dwords left"),
            Bits(21, 20, "min_ib_avail_size", "fewest dwords before a fetch; the driver sets 3"),
            Bits(23, 23, "ib_atc", "addresses are translated by the IOMMU", VI),
            Bits(23, 23, "ib_exe_disable", "the driver sets 1 on v9", V9_AND_LATER),
            Bits(24, 24, "ib_cache_policy", "L2 policy", TO_V9),
            Bits(25, 24, "ib_cache_policy", "L2 policy", V10_AND_LATER),
            Bits(26, 26, "ib_volatile", "", V10_V11),
            Bits(28, 27, "mtype", "memory type", VI),
            Bits(30, 30, "ib_priv_state", "the buffer is privileged", (*V9_4_3, *V12)),
            Bits(31, 31, "processing_ib", "hardware: a buffer is being executed"),
        ),
    ),
    Register(
        150,
        "cp_hqd_iq_timer",
        "timer of the indirect queue; the driver writes 0 (VI: with memory type)",
        _MD,
        bits=(
            Bits(7, 0, "wait_time"),
            Bits(10, 8, "retry_type"),
            Bits(11, 11, "immediate_expire"),
            Bits(13, 12, "interrupt_type"),
            Bits(15, 14, "clock_count"),
            Bits(21, 16, "interrupt_size"),
            Bits(22, 22, "quantum_timer"),
            Bits(23, 23, "iq_atc", "addresses are translated by the IOMMU", VI),
            Bits(23, 23, "exe_disable", "", V9_AND_LATER),
            Bits(24, 24, "cache_policy", "L2 policy", TO_V9),
            Bits(25, 24, "cache_policy", "L2 policy", V10_AND_LATER),
            Bits(25, 25, "queue_type", "", V9_FAMILY),
            Bits(26, 26, "iq_volatile", "", V10_V11),
            Bits(27, 27, "queue_type", "", V10_AND_LATER),
            Bits(28, 27, "mtype", "memory type", VI),
            Bits(28, 28, "rearm_timer", "", V9_AND_LATER),
            Bits(29, 29, "process_iq_en"),
            Bits(30, 30, "processing_iq"),
            Bits(31, 31, "active"),
        ),
    ),
    Register(
        151,
        "cp_hqd_iq_rptr",
        "read pointer of the indirect queue; the driver writes 1 for AQL on VI",
        _MD,
        "dwords",
        bits=(Bits(5, 0, "offset"),),
    ),
    Register(
        152,
        "cp_hqd_dequeue_request",
        "asks the slot to give up its queue",
        _MD,
        bits=(
            Bits(2, 0, "dequeue_req", "0 none, 1 drain waves, 2 reset waves, 3 save waves (v9 on)", TO_V9),
            Bits(3, 0, "dequeue_req", "0 none, 1 drain waves, 2 reset waves, 3 save waves", V10_AND_LATER),
            Bits(4, 4, "iq_req_pend", "a request of the indirect queue waits"),
            Bits(8, 8, "dequeue_int", "interrupt when dequeued"),
            Bits(9, 9, "iq_req_pend_en"),
            Bits(10, 10, "dequeue_req_en"),
        ),
    ),
    Register(
        153,
        "cp_hqd_dma_offload",
        "which memory traffic is offloaded",
        _M,
        bits=(
            Bits(0, 0, "dma_offload"),
            Bits(1, 1, "dma_offload_en"),
            Bits(2, 2, "aql_offload", "", V9_AND_LATER),
            Bits(3, 3, "aql_offload_en", "", V9_AND_LATER),
            Bits(4, 4, "eop_offload"),
            Bits(5, 5, "eop_offload_en"),
        ),
    ),
    Register(
        154,
        "cp_hqd_sema_cmd",
        "semaphore in flight; gone on v12",
        _M,
        bits=(
            Bits(0, 0, "retry", "", TO_V11),
            Bits(2, 1, "result", "", TO_V11),
            Bits(8, 8, "polling_dis", "", V10_V11),
            Bits(9, 9, "message_en", "", V10_V11),
        ),
    ),
    Register(
        155, "cp_hqd_msg_type", "message to the scheduler", _M, bits=(Bits(2, 0, "action"), Bits(6, 4, "save_state"))
    ),
    Register(156, "cp_hqd_atomic0_preop_lo", "value before atomic 0", _M),
    Register(
        157, "cp_hqd_atomic0_preop_hi", "upper half; captures show a signal address in 157 to 159", "structs, MI308X"
    ),
    Register(158, "cp_hqd_atomic1_preop_lo", "value before atomic 1", _M),
    Register(159, "cp_hqd_atomic1_preop_hi", "upper half", _M),
    Register(
        160,
        "cp_hqd_hq_status0",
        "scheduling status",
        "structs, sh_mask, kfd_mqd, MI308X",
        gens=ALL_BUT_V10,
        bits=_HQ_STATUS0,
    ),
    Register(
        160,
        "cp_hqd_hq_scheduler0",
        "scheduling status (the v9 and v11 name is hq_status0)",
        _MD,
        gens=V10,
        bits=_HQ_STATUS0,
    ),
    Register(161, "cp_hqd_hq_control0", "scheduling control, firmware's own", _M, gens=ALL_BUT_V10),
    Register(161, "cp_hqd_hq_scheduler1", "scheduling control, firmware's own", _M, gens=V10),
    Register(
        162,
        "cp_mqd_control",
        "how CP accesses the MQD; the driver writes PRIV_STATE alone (VI: with memory type)",
        _MD,
        bits=(
            Bits(3, 0, "vmid", "VMID of MQD accesses"),
            Bits(8, 8, "priv_state", "accesses are privileged"),
            Bits(12, 12, "processing_mqd"),
            Bits(13, 13, "processing_mqd_en"),
            Bits(23, 23, "mqd_atc", "addresses are translated by the IOMMU", VI),
            Bits(23, 23, "exe_disable", "", V9_AND_LATER),
            Bits(24, 24, "cache_policy", "L2 policy", TO_V9),
            Bits(25, 24, "cache_policy", "L2 policy", V10_AND_LATER),
            Bits(26, 26, "mqd_volatile", "", V10_V11),
            Bits(28, 27, "mtype", "memory type", VI),
        ),
    ),
    Register(163, "cp_hqd_hq_status1", "scheduling status, firmware's own", _M),
    Register(164, "cp_hqd_hq_control1", "scheduling control, firmware's own", _M),
    Register(165, "cp_hqd_eop_base_addr_lo", "end-of-pipe buffer", _MD, "address >> 8"),
    Register(166, "cp_hqd_eop_base_addr_hi", "upper half of the address, 8 bits", _MD, "address >> 40"),
    Register(
        167,
        "cp_hqd_eop_control",
        "size and behaviour of that buffer; 0 on v9 when there is none",
        _MD,
        bits=(
            Bits(5, 0, "eop_size", "log2(bytes / 4) - 1, at most 10: hardware does not clamp it"),
            Bits(8, 8, "processing_eop"),
            Bits(12, 12, "process_eop_en"),
            Bits(13, 13, "processing_eopib"),
            Bits(14, 14, "process_eopib_en"),
            Bits(16, 15, "mtype", "memory type", VI),
            Bits(21, 21, "halt_fetcher", "", V9_AND_LATER),
            Bits(22, 22, "halt_fetcher_en", "", V9_AND_LATER),
            Bits(23, 23, "eop_atc", "addresses are translated by the IOMMU", VI),
            Bits(23, 23, "exe_disable", "", V9_AND_LATER),
            Bits(24, 24, "cache_policy", "L2 policy", TO_V9),
            Bits(25, 24, "cache_policy", "L2 policy", V10_AND_LATER),
            Bits(26, 26, "eop_volatile", "", V10_V11),
            Bits(30, 29, "sig_sem_result", "", TO_V11),
            Bits(31, 31, "pend_sig_sem", "", TO_V11),
        ),
    ),
    Register(
        168,
        "cp_hqd_eop_rptr",
        "read pointer of that buffer",
        _MD,
        "dwords",
        bits=(
            Bits(12, 0, "rptr"),
            Bits(28, 28, "reset_fetcher", "", V9_AND_LATER),
            Bits(29, 29, "dequeue_pend", "", V9_AND_LATER),
            Bits(30, 30, "rptr_eq_csmd_wptr", "the buffer is empty"),
            Bits(31, 31, "init_fetcher", "set when the queue is loaded (VI: at init)"),
        ),
    ),
    Register(
        169,
        "cp_hqd_eop_wptr",
        "write pointer of that buffer",
        _M,
        "dwords",
        bits=(
            Bits(12, 0, "wptr"),
            Bits(15, 15, "eop_empty", "the buffer is empty", V9_AND_LATER),
            Bits(28, 16, "eop_avail", "room left"),
        ),
    ),
    Register(
        170,
        "cp_hqd_eop_done_events",
        "end-of-pipe events",
        _M,
        bits=(Bits(11, 0, "event_count"), Bits(16, 16, "cs_partial_flush_pend")),
    ),
    Register(171, "cp_hqd_ctx_save_base_addr_lo", "CWSR save area of this XCC, page aligned", _MD, "address"),
    Register(172, "cp_hqd_ctx_save_base_addr_hi", "upper half of the address, 16 bits", _MD, "address >> 32"),
    Register(
        173,
        "cp_hqd_ctx_save_control",
        "how the save area is accessed; the driver writes 0 (VI: memory type)",
        _MD,
        bits=(
            Bits(0, 0, "atc", "addresses are translated by the IOMMU", VI),
            Bits(2, 1, "mtype", "memory type", VI),
            Bits(3, 3, "policy", "L2 policy", TO_V9),
            Bits(4, 3, "policy", "L2 policy", V10_AND_LATER),
            Bits(23, 23, "exe_disable", "", V9_AND_LATER),
        ),
    ),
    Register(
        174, "cp_hqd_cntl_stack_offset", "top of the control stack; starts at its size and grows down", _MD, "bytes"
    ),
    Register(175, "cp_hqd_cntl_stack_size", "size of the control stack", _MD, "bytes"),
    Register(
        176, "cp_hqd_wg_state_offset", "end of saved wave state; starts at the stack's size and grows up", _MD, "bytes"
    ),
    Register(177, "cp_hqd_ctx_save_size", "save area of one XCC: control stack and wave state", _MD, "bytes"),
    Register(
        178,
        "cp_hqd_gds_resource_state",
        "GDS and GWS held; v12 reserves the word in the MQD",
        _M,
        bits=(
            Bits(0, 0, "oa_required"),
            Bits(1, 1, "oa_acquired"),
            Bits(9, 4, "gws_size"),
            Bits(17, 12, "gws_pntr"),
        ),
    ),
    Register(
        179,
        "cp_hqd_error",
        "what went wrong; 0 is good",
        _M,
        bits=(
            Bits(3, 0, "edc_error_id", "memory error"),
            Bits(4, 4, "sua_error"),
            Bits(5, 5, "aql_error", "a bad AQL packet", V9_AND_LATER),
            *(
                Bits(8 + i, 8 + i, f"{n}_utcl1_error", "address translation failed", V9_AND_LATER)
                for i, n in enumerate(_UTCL1)
                if n != "sem"
            ),
            Bits(14, 14, "sem_utcl1_error", "address translation failed", V9_TO_V11),
        ),
    ),
    Register(
        180, "cp_hqd_eop_wptr_mem", "end-of-pipe write pointer in memory", _M, "dwords", bits=(Bits(12, 0, "wptr"),)
    ),
    Register(181, "cp_hqd_eop_dones", "end-of-pipe events done", _M, "events", VI),
    Register(
        181,
        "cp_hqd_aql_control",
        "AQL behaviour; the driver writes CONTROL0 = 1 for AQL, 0 for PM4",
        _MD,
        gens=V9_AND_LATER,
        bits=(
            Bits(14, 0, "control0", "1: packets are AQL"),
            Bits(15, 15, "control0_en"),
            Bits(30, 16, "control1"),
            Bits(31, 31, "control1_en"),
        ),
    ),
    Register(
        182,
        "cp_hqd_pq_wptr_lo",
        "ring write pointer, saved by CP; 16 a 64-byte AQL packet",
        _MD,
        "dwords",
        V9_AND_LATER,
    ),
    Register(183, "cp_hqd_pq_wptr_hi", "upper half", _MD, "dwords", V9_AND_LATER),
    Register(182, "reserved_182", "unused; the write pointer is at 144", _S, gens=VI),
    Register(183, "reserved_183", "unused", _S, gens=VI),
)

_TAIL = (
    Register(184, "cp_hqd_suspend_cntl_stack_offset", "control stack offset at a suspend", _S, "bytes", V10),
    Register(185, "cp_hqd_suspend_cntl_stack_dw_cnt", "control stack used at a suspend", _S, "dwords", V10),
    Register(186, "cp_hqd_suspend_wg_state_offset", "wave state offset at a suspend", _S, "bytes", V10),
    Register(185, "reserved_185", "1 on a queue that ran a packet; meaning unknown", "MI308X, inferred", gens=V9_4_3),
    Register(192, "iqtimer_pkt_header", "packet that the indirect queue's timer sends", _S),
    *(Register(193 + n, f"iqtimer_pkt_dw{n}", f"that packet, dword {n}", _S) for n in range(32)),
    Register(225, "pm4_target_xcc_in_xcp", "XCC of the partition that runs a PM4 queue", _D, gens=V9_4_3),
    Register(
        226, "cp_mqd_stride_size", "from this XCC's MQD to the next XCC's", "structs, kfd_mqd, MI308X", "bytes", V9_4_3
    ),
    Register(227, "reserved_227", "1 on a queue that ran a packet; meaning unknown", "MI308X, inferred", gens=V9_4_3),
    Register(228, "set_resources_header", "HIQ: the firmware's copy of SET_RESOURCES", _S),
    *(Register(228 + n, f"set_resources_dw{n}", f"that packet, dword {n}", _S) for n in range(1, 8)),
    Register(
        240,
        "queue_doorbell_id0",
        "HIQ: doorbell of a queue that could not be preempted; the driver reads and clears it",
        _D,
    ),
    *(Register(240 + n, f"queue_doorbell_id{n}", f"the same, entry {n}", _S) for n in range(1, 16)),
    *(
        Register(256 + n, name, "task and mesh shader work shared with the graphics queue", _S, gens=V11_V12)
        for n, name in enumerate(
            (
                *(f"control_buf_{what}_{half}" for what in ("addr", "wptr", "dptr") for half in ("lo", "hi")),
                "control_buf_num_entries",
                "draw_ring_addr_lo",
                "draw_ring_addr_hi",
            )
        )
    ),
    Register(272, "dfwx_flags", "debugger flags", _S, gens=V12),
    Register(273, "dfwx_slot", "debugger slot", _S, gens=V12),
    Register(274, "dfwx_client_data_addr_lo", "debugger data", _S, "address", V12),
    Register(275, "dfwx_client_data_addr_hi", _HI, _S, "address >> 32", V12),
    *(
        Register(
            320 + n,
            f"reserved_{320 + n}",
            f"XCC 0's image of a queue that ran: dwords that XCC {n} has consumed (4-XCC part; meaning inferred)",
            "MI308X, inferred",
            "dwords",
            V9_4_3,
        )
        for n in range(4)
    ),
    Register(446, "fence_address_lo", "fence that MES writes", _S, "address", V11_V12),
    Register(447, "fence_address_hi", _HI, _S, "address >> 32", V11_V12),
    *(Register(448 + n, f"gws_{n}_val", f"saved GWS {n}", _S, gens=V11_V12) for n in range(64)),
)

_SDMA_DWORDS = {Generation.V10: 130}
_RB_CNTL = (
    Bits(0, 0, "rb_enable", "the ring runs; set when the queue is loaded"),
    Bits(6, 1, "rb_size", "log2(ring bytes / 4)", (*VI, *V9)),
    Bits(5, 1, "rb_size", "log2(ring bytes / 4)", (*V9_4_3, *V10_AND_LATER)),
    Bits(11, 11, "f32_wptr_poll_enable", "the engine polls the write pointer; the driver sets 1", (Generation.V11,)),
    Bits(11, 11, "mcu_wptr_poll_enable", "the engine polls the write pointer; the driver sets 1", V12),
    Bits(12, 12, "rptr_writeback_enable", "the read pointer is reported; the driver sets 1"),
    Bits(20, 16, "rptr_writeback_timer", "how often; the driver says 6"),
    Bits(23, 23, "rb_priv", "the queue is privileged", V9_AND_LATER),
    Bits(27, 24, "rb_vmid", "VMID of the ring"),
)
_SDMA_BITS: dict[str, tuple[Bits, ...]] = {
    "rb_cntl": _RB_CNTL,
    "context_status": (
        Bits(0, 0, "selected", "the engine works on this queue"),
        Bits(2, 2, "idle", "the queue has nothing to do"),
        Bits(3, 3, "expired", "its time slice is over"),
        Bits(9, 9, "preempted", "the queue was preempted", (*V9_FAMILY, *V10)),
    ),
    "doorbell": (Bits(28, 28, "enable", "doorbells are listened to"), Bits(30, 30, "captured", "a doorbell rang")),
    "doorbell_offset": (Bits(27, 2, "offset", "index of the doorbell in its BAR, in dwords"),),
}
# Words of the SDMA MQD in order; the header's prefix "sdmax_rlcx_" stands before each.
_SDMA_WORDS: dict[Generation, tuple[str, ...]] = {
    Generation.VI: (
        *("rb_cntl", "rb_base", "rb_base_hi", "rb_rptr", "rb_wptr", "rb_wptr_poll_cntl"),
        *("rb_wptr_poll_addr_hi", "rb_wptr_poll_addr_lo", "rb_rptr_addr_hi", "rb_rptr_addr_lo"),
        *("ib_cntl", "ib_rptr", "ib_offset", "ib_base_lo", "ib_base_hi", "ib_size", "skip_cntl"),
        *("context_status", "doorbell", "virtual_addr", "ape1_cntl", "doorbell_log"),
    ),
    Generation.V9: (
        *("rb_cntl", "rb_base", "rb_base_hi", "rb_rptr", "rb_rptr_hi", "rb_wptr", "rb_wptr_hi", "rb_wptr_poll_cntl"),
        *("rb_rptr_addr_hi", "rb_rptr_addr_lo", "ib_cntl", "ib_rptr", "ib_offset", "ib_base_lo", "ib_base_hi"),
        *("ib_size", "skip_cntl", "context_status", "doorbell", "status", "doorbell_log", "watermark"),
        *("doorbell_offset", "csa_addr_lo", "csa_addr_hi", "ib_sub_remain", "preempt", "dummy_reg"),
        *("rb_wptr_poll_addr_hi", "rb_wptr_poll_addr_lo", "rb_aql_cntl", "minor_ptr_update"),
        *(f"midcmd_data{n}" for n in range(9)),
        "midcmd_cntl",
    ),
    Generation.V11: (
        *("rb_cntl", "rb_base", "rb_base_hi", "rb_rptr", "rb_rptr_hi", "rb_wptr", "rb_wptr_hi"),
        *("rb_rptr_addr_hi", "rb_rptr_addr_lo", "ib_cntl", "ib_rptr", "ib_offset", "ib_base_lo", "ib_base_hi"),
        *("ib_size", "skip_cntl", "context_status", "doorbell", "doorbell_log", "doorbell_offset", "csa_addr_lo"),
        *("csa_addr_hi", "sched_cntl", "ib_sub_remain", "preempt", "dummy_reg", "rb_wptr_poll_addr_hi"),
        *("rb_wptr_poll_addr_lo", "rb_aql_cntl", "minor_ptr_update", "rb_preempt"),
        *(f"midcmd_data{n}" for n in range(11)),
        *("midcmd_cntl", "f32_dbg0", "f32_dbg1"),
    ),
    Generation.V12: (
        *("rb_cntl", "rb_base", "rb_base_hi", "rb_rptr", "rb_rptr_hi", "rb_wptr", "rb_wptr_hi"),
        *("rb_rptr_addr_lo", "rb_rptr_addr_hi", "ib_cntl", "ib_rptr", "ib_offset", "ib_base_lo", "ib_base_hi"),
        *("ib_size", "doorbell", "doorbell_log", "doorbell_offset", "csa_addr_lo", "csa_addr_hi", "sched_cntl"),
        *("ib_sub_remain", "preempt", "dummy_reg", "rb_wptr_poll_addr_lo", "rb_wptr_poll_addr_hi", "rb_aql_cntl"),
        *("minor_ptr_update", "mcu_dbg0", "mcu_dbg1", "context_switch_status", "midcmd_cntl"),
        *(f"midcmd_data{n}" for n in range(11)),
        *("wait_unsatisfied_thd", "mqd_base_addr_lo", "mqd_base_addr_hi", "mqd_control"),
    ),
}
_SDMA_WORDS[Generation.V9_4_3] = _SDMA_WORDS[Generation.V10] = _SDMA_WORDS[Generation.V9]
# Meaning and unit of those words; what the driver neither reads nor writes is only named.
_SDMA_MEANING = {
    "rb_cntl": ("size and behaviour of the ring", ""),
    "rb_base": ("the ring", "address >> 8"),
    "rb_base_hi": (_HI, "address >> 40"),
    "rb_rptr": ("ring read pointer", "bytes"),
    "rb_rptr_hi": ("upper half", "bytes"),
    "rb_wptr": ("ring write pointer", "bytes"),
    "rb_wptr_hi": ("upper half", "bytes"),
    "rb_wptr_poll_cntl": ("how the write pointer is polled", ""),
    "rb_wptr_poll_addr_lo": ("where the write pointer is polled; the driver writes it from v11 on", "address"),
    "rb_wptr_poll_addr_hi": (_HI, "address >> 32"),
    "rb_rptr_addr_lo": ("where the read pointer is reported", "address"),
    "rb_rptr_addr_hi": (_HI, "address >> 32"),
    "ib_cntl": ("control of the indirect buffer", ""),
    "ib_rptr": ("read pointer in the indirect buffer", "bytes"),
    "ib_offset": ("offset in the indirect buffer", "bytes"),
    "ib_base_lo": ("the indirect buffer", "address"),
    "ib_base_hi": (_HI, "address >> 32"),
    "ib_size": ("size of the indirect buffer", "dwords"),
    "context_status": ("state of the queue: selected, idle, preempted", ""),
    "doorbell": ("doorbell on or off", ""),
    "doorbell_offset": ("which doorbell rings this queue", "dwords << 2"),
    "csa_addr_lo": ("context save area of the engine", "address"),
    "csa_addr_hi": (_HI, "address >> 32"),
    "sched_cntl": ("scheduling; the driver writes sdma_phase_quantum, 32", ""),
    "dummy_reg": ("the driver writes 0xF", ""),
    "virtual_addr": ("address space of the ring", ""),
}


COMPUTE = (*_DISPATCH, *_FIRMWARE, *_HQD, *_TAIL)
"""Every row of the compute MQD, of all generations, by dword."""


@cache
def compute(generation: Generation) -> Layout:
    """The MQD of a compute queue: 512 dwords, one image per XCC."""
    return layout_for("compute MQD", generation, MQD_DWORDS, COMPUTE)


@cache
def hiq(generation: Generation) -> Layout:
    """The MQD of the HIQ: the compute MQD's table, in which the HIQ rows (228 on, 240 on) come alive."""
    return layout_for("HIQ MQD", generation, MQD_DWORDS, COMPUTE)


@cache
def sdma(generation: Generation) -> Layout:
    """The MQD of an SDMA queue: 128 dwords, on v10 130; names carry the header's prefix ``sdmax_rlcx_``."""
    dwords = _SDMA_DWORDS.get(generation, 128)
    words = []
    for dword, name in enumerate(_SDMA_WORDS[generation]):
        meaning, unit = _SDMA_MEANING.get(name, (f"{name.replace('_', ' ')}: the engine's own", ""))
        source = "structs, kfd_mqd, sdma_mask" if name in _SDMA_BITS else _S
        held = tuple(g for g in ALL if _SDMA_WORDS[g][dword : dword + 1] == (name,))
        words.append(Register(dword, f"sdmax_rlcx_{name}", meaning, source, unit, held, _SDMA_BITS.get(name, ())))
    alike = tuple(g for g in ALL if _SDMA_DWORDS.get(g, 128) == dwords)
    driver = (
        Register(dwords - 2, "sdma_engine_id", "driver's own: engine of the queue", _D, gens=alike),
        Register(dwords - 1, "sdma_queue_id", "driver's own: queue on that engine", _D, gens=alike),
    )
    return layout_for("SDMA MQD", generation, dwords, (*words, *driver))
