"""PM4 packets: those that KFD writes to the HIQ and to runlists, and those that user PM4 queues carry.

A packet is a type-3 header and ``dwords - 1`` words of body. HIQ packets differ by :class:`Format`, which follows the
driver's packet manager; packets that are read differently in their third word (a PASID or a doorbell) have both names
on that word. Packets whose length varies (NOP, WRITE_DATA) are described at the length the driver writes.
"""

from __future__ import annotations

from enum import Enum
from functools import cache

from ringscope.errors import InputError
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.parts.layout import Bits, Generation, Layout, Register

FIDELITY = (
    Behaviour(
        "parts.pm4",
        "formats of the packets on the HIQ and on user queues",
        Standing.SOURCE,
        "GC 9.4.2 to 9.5.0 (Aldebaran format), v9, VI; user packets of gfx9 to gfx12",
        "kfd_pm4_headers_*.h, soc15d.h, nvd.h",
        "tests/parts/test_pm4.py::test_the_words_that_kfd_sends_on_mi308x",
    ),
)


class Format(Enum):
    """Packet formats: the driver's packet managers, and what gfx10 changed for user queues.

    ALDEBARAN is V9 but for MAP_PROCESS; NV is V9 but for ACQUIRE_MEM and RELEASE_MEM.
    """

    VI = "vi"
    V9 = "v9"
    ALDEBARAN = "aldebaran"
    NV = "nv"


NOP = 0x10
WRITE_DATA = 0x37
WAIT_REG_MEM = 0x3C
INDIRECT_BUFFER = 0x3F
RELEASE_MEM = 0x49
ACQUIRE_MEM = 0x58
SET_RESOURCES = 0xA0
MAP_PROCESS = 0xA1
MAP_QUEUES = 0xA2
UNMAP_QUEUES = 0xA3
QUERY_STATUS = 0xA4
RUN_LIST = 0xA5

OPCODES: dict[int, str] = {
    NOP: "NOP",
    WRITE_DATA: "WRITE_DATA",
    WAIT_REG_MEM: "WAIT_REG_MEM",
    INDIRECT_BUFFER: "INDIRECT_BUFFER",
    RELEASE_MEM: "RELEASE_MEM",
    ACQUIRE_MEM: "ACQUIRE_MEM",
    SET_RESOURCES: "SET_RESOURCES",
    MAP_PROCESS: "MAP_PROCESS",
    MAP_QUEUES: "MAP_QUEUES",
    UNMAP_QUEUES: "UNMAP_QUEUES",
    QUERY_STATUS: "QUERY_STATUS",
    RUN_LIST: "RUN_LIST",
}

NOP_FILLER = 0xFFFF1000
"""One dword of padding: a NOP whose count, 0x3FFF, means that it has no body (kfd_kernel_queue)."""


def header(opcode: int, dwords: int) -> int:
    """The type-3 header of a packet of ``dwords`` dwords in all; ValueError when no header can say so."""
    if dwords == 1 and opcode == NOP:
        return NOP_FILLER
    if not 0 <= opcode <= 0xFF or not 2 <= dwords <= 0x4000:
        raise ValueError(f"no type-3 header for opcode {opcode:#x} and {dwords} dwords")
    return 3 << 30 | dwords - 2 << 16 | opcode << 8


def packet_dwords(word: int) -> int:
    """Length in dwords of the packet that ``word`` heads; ValueError when it is no type-3 header."""
    if word >> 30 != 3:
        raise ValueError(f"{word:#010x} is no type-3 PM4 header")
    count = word >> 16 & 0x3FFF
    return 1 if count == 0x3FFF else count + 2


def opcode_of(word: int) -> int:
    """Opcode in a type-3 header."""
    return word >> 8 & 0xFF


def user_format(generation: Generation) -> Format:
    """The format of packets in user PM4 queues of a generation."""
    if generation is Generation.VI:
        return Format.VI
    return Format.V9 if generation in (Generation.V9, Generation.V9_4_3) else Format.NV


_VI = "kfd_pm4_vi"
_AI = "kfd_pm4_ai"
_ALD = "kfd_pm4_aldebaran"
_SOC15 = "soc15d"
_NVD = "nvd"
_HI = "upper half of the address"

_HEADER = Register(
    0,
    "header",
    "type-3 header",
    "kfd_pm4_ai",
    bits=(
        Bits(15, 8, "opcode", "which packet"),
        Bits(29, 16, "count", "dwords of the packet, less 2"),
        Bits(31, 30, "type", "3"),
    ),
)


def _word(dword: int, name: str, meaning: str, source: str, *bits: Bits, unit: str = "") -> Register:
    return Register(dword, name, meaning, source, unit, bits=bits)


def _pair(dword: int, stem: str, meaning: str, source: str, unit: str = "address") -> tuple[Register, Register]:
    """A 64-bit value in two words."""
    upper = _HI if unit == "address" else "upper half"
    return (
        Register(dword, f"{stem}_lo", meaning, source, unit),
        Register(dword + 1, f"{stem}_hi", upper, source, "address >> 32" if unit == "address" else ""),
    )


def _packet(opcode: int, dwords: int, *rows: Register) -> Layout:
    return Layout(OPCODES[opcode], None, dwords, (_HEADER, *rows))


def _set_resources(fmt: Format) -> Layout:
    vi = fmt is Format.VI
    src = _VI if vi else _AI
    late = () if vi else (Bits(28, 28, "enb_xnack_retry_disable_check", "check XNACK retry settings"),)
    heap: tuple[Bits, ...] = (
        (Bits(5, 0, "gds_heap_base"), Bits(16, 11, "gds_heap_size"))
        if vi
        else (Bits(9, 0, "gds_heap_base"), Bits(20, 11, "gds_heap_size"))
    )
    return _packet(
        SET_RESOURCES,
        8,
        _word(
            1,
            "control",
            "what the firmware may hand out",
            src,
            Bits(15, 0, "vmid_mask", "VMIDs, one bit each"),
            Bits(23, 16, "unmap_latency", "time to unmap a queue, in 100 ms; the driver says 40"),
            *late,
            Bits(31, 29, "queue_type", "the sender: 0 KIQ, 1 HIQ, 4 debug queue"),
        ),
        _word(2, "queue_mask_lo", "slots: bit mec * 32 + pipe * 8 + queue", src),
        _word(3, "queue_mask_hi", "upper half: MEC 2", src),
        _word(4, "gws_mask_lo", "GWS entries; the driver gives all", src),
        _word(5, "gws_mask_hi", "upper half", src),
        _word(6, "oac_mask", "ordered append counters", src, Bits(15, 0, "oac_mask")),
        _word(7, "gds_heap", "GDS memory", src, *heap),
    )


def _gds_and_queues(dword: int, fmt: Format, src: str) -> Register:
    num_queues = Bits(31, 22, "num_queues", "queues of the process; 0 while it is debugged")
    if fmt is Format.VI:
        shared: tuple[Bits, ...] = (Bits(5, 0, "num_gws"), Bits(11, 8, "num_oac"), Bits(21, 16, "gds_size"))
    else:
        shared = (
            Bits(6, 0, "num_gws", "GWS entries of the process"),
            Bits(7, 7, "sdma_enable", "the process may use SDMA; the driver says 1"),
            Bits(11, 8, "num_oac"),
            Bits(15, 12, "gds_size_hi"),
            Bits(21, 16, "gds_size"),
        )
    return Register(dword, "resources", "what the process holds", src, bits=(*shared, num_queues))


def _map_process(fmt: Format) -> Layout:
    src = {Format.VI: _VI, Format.ALDEBARAN: _ALD}.get(fmt, _AI)
    control = [
        Bits(15, 0, "pasid", "the process"),
        Bits(24, 24, "diq_enable", "the process has a debug queue"),
        Bits(
            31, 25, "process_quantum", "time slice when over-subscribed; the driver says 10, no source names the unit"
        ),
    ]
    if fmt is not Format.VI:
        control += [
            Bits(17, 17, "exec_cleaner_shader", "run the cleaner shader between processes"),
            Bits(21, 18, "debug_vmid", "VMID of the debugger"),
            Bits(22, 22, "new_debug", "debugging by VMID"),
        ]
    if fmt is Format.ALDEBARAN:
        control += [
            Bits(16, 16, "single_memops", "one memory operation at a time"),
            Bits(23, 23, "tmz", "trusted memory"),
        ]
    head = _word(1, "control", "who and how long", src, *sorted(control, key=lambda b: b.low))
    memory = (
        _word(4, "sh_mem_bases", "LDS and scratch apertures", src),
        _word(5, "sh_mem_config", "shader memory", src),
    )
    gds = (*_pair(11, "gds_addr", "GDS of the process", src), _gds_and_queues(13, fmt, src))
    if fmt is Format.VI:
        return _packet(
            MAP_PROCESS,
            16,
            head,
            _word(2, "page_table_base", "page table", src, Bits(27, 0, "page_table_base"), unit="page"),
            *memory,
            _word(6, "sh_mem_ape1_base", "second aperture, base", src),
            _word(7, "sh_mem_ape1_limit", "second aperture, limit", src),
            _word(8, "sh_hidden_private_base_vmid", "hidden private memory", src),
            *gds,
            *_pair(14, "completion_signal", "signal when mapped", src),
        )
    trap_en = () if fmt is Format.ALDEBARAN else (Bits(31, 31, "trap_en", "the trap handler is on"),)
    v9 = (
        head,
        *_pair(2, "vm_context_page_table_base_addr", "page table of the process", src),
        *memory,
        _word(6, "sq_shader_tba_lo", "trap handler", src, unit="address >> 8"),
        _word(7, "sq_shader_tba_hi", _HI, src, Bits(7, 0, "tba_hi"), *trap_en, unit="address >> 40"),
        _word(8, "sq_shader_tma_lo", "trap handler's memory", src, unit="address >> 8"),
        _word(9, "sq_shader_tma_hi", _HI, src, unit="address >> 40"),
        *gds,
    )
    if fmt is not Format.ALDEBARAN:
        return _packet(MAP_PROCESS, 16, *v9, *_pair(14, "completion_signal", "signal when mapped", src))
    return _packet(
        MAP_PROCESS,
        21,
        *v9,
        _word(14, "spi_gdbg_per_vmid_cntl", "debugger settings of the VMID", src),
        *(_word(15 + n, f"tcp_watch_cntl{n}", f"watch point {n}", src) for n in range(4)),
        *_pair(19, "completion_signal", "signal when mapped", src),
    )


_ENGINE = "0 compute, 1 HIQ by the KIQ, 2 SDMA 0, 3 SDMA 1; with the extended selector, engine mod 8"


def _map_queues(fmt: Format) -> Layout:
    vi = fmt is Format.VI
    src = _VI if vi else _AI
    late = (
        ()
        if vi
        else (
            Bits(3, 2, "extended_engine_sel", "0 as engine_sel says, 1 SDMA 0-7, 2 SDMA 8-15"),
            Bits(12, 12, "gws_control_queue", "the queue uses GWS"),
        )
    )
    doorbell = (
        (Bits(22, 2, "doorbell_offset", "absolute index"), Bits(31, 26, "queue", "slot of a specified queue"))
        if vi
        else (Bits(27, 2, "doorbell_offset", "absolute index"),)
    )
    control = (
        *late,
        Bits(5, 4, "queue_sel", "0 the slot named, 1 the firmware chooses"),
        Bits(23, 21, "queue_type", "0 normal, 1 debug, 2 static normal latency, 3 static low latency"),
        Bits(28, 26, "engine_sel", _ENGINE),
        Bits(31, 29, "num_queues", "queues in this packet; KFD sends 1"),
    )
    return _packet(
        MAP_QUEUES,
        7,
        _word(
            1, "control", "where the queue goes; KFD compute: 0x20000010", src, *sorted(control, key=lambda b: b.low)
        ),
        _word(
            2,
            "control2",
            "doorbell of the queue, in dwords of the BAR",
            src,
            Bits(1, 1, "check_disable", "do not check the queue"),
            *doorbell,
        ),
        *_pair(3, "mqd_addr", "MQD in GART", src),
        *_pair(5, "wptr_addr", "where the write pointer is polled", src),
    )


def _unmap_queues(fmt: Format) -> Layout:
    vi = fmt is Format.VI
    src, top = (_VI, 22) if vi else (_AI, 27)
    late = () if vi else (Bits(3, 2, "extended_engine_sel", "0 as engine_sel says, 1 SDMA 0-7"),)
    return _packet(
        UNMAP_QUEUES,
        6,
        _word(
            1,
            "control",
            "which queues and how; all but static ones: 0x30",
            src,
            Bits(1, 0, "action", "0 preempt, 1 reset, 2 disable the process's queues"),
            *late,
            Bits(5, 4, "queue_sel", "0 those named, 1 those of a PASID, 2 all, 3 all but static ones"),
            Bits(28, 26, "engine_sel", "0 compute, 2 SDMA 0, 3 SDMA 1"),
            Bits(31, 29, "num_queues", "doorbells that follow; 0 unless queues are named"),
        ),
        _word(2, "pasid", "for queue_sel 1", src, Bits(15, 0, "pasid")),
        _word(2, "doorbell0", "for queue_sel 0", src, Bits(top, 2, "doorbell_offset", "absolute index"), unit="dwords"),
        *(
            _word(
                2 + n, f"doorbell{n}", "the same", src, Bits(top, 2, "doorbell_offset", "absolute index"), unit="dwords"
            )
            for n in range(1, 4)
        ),
    )


def _query_status(fmt: Format) -> Layout:
    vi = fmt is Format.VI
    src = _VI if vi else _AI
    doorbell = (
        (Bits(22, 2, "doorbell_offset", "absolute index"), Bits(27, 25, "engine_sel", "0 compute"))
        if vi
        else (Bits(27, 2, "doorbell_offset", "absolute index"), Bits(30, 28, "engine_sel", "0 compute"))
    )
    return _packet(
        QUERY_STATUS,
        7,
        _word(
            1,
            "control",
            "what is reported; KFD: 0x80000000",
            src,
            Bits(27, 0, "context_id"),
            Bits(29, 28, "interrupt_sel", "0 completion, 1 process, 2 queue status"),
            Bits(31, 30, "command", "0 interrupt, 1 fence at once, 2 fence after write ack, 3 fence and interrupt"),
        ),
        _word(2, "pasid", "process asked about", src, Bits(15, 0, "pasid")),
        _word(2, "doorbell", "queue asked about", src, *doorbell),
        *_pair(3, "addr", "fence", src),
        *_pair(5, "data", "value written there; KFD: 100", src, unit=""),
    )


def _run_list(fmt: Format) -> Layout:
    vi = fmt is Format.VI
    src = _VI if vi else _AI
    late = () if vi else (Bits(22, 22, "chained_runlist_idle_disable", "a chained runlist never counts as idle"),)
    return _packet(
        RUN_LIST,
        4,
        *_pair(1, "ib_base", "the runlist", src),
        _word(
            3,
            "control",
            "size and use of the runlist",
            src,
            Bits(19, 0, "ib_size", "dwords, of the whole allocation"),
            Bits(20, 20, "chain", "1: over-subscribed, the runlist loops by this packet at its end"),
            Bits(21, 21, "offload_polling"),
            *late,
            Bits(23, 23, "valid", "1"),
            Bits(27, 24, "process_cnt", "processes at once"),
        ),
    )


_DST_AND_DATA = (
    Bits(17, 16, "dst_sel", "0 memory, 1 L2, 2 write pointer register, 3 write pointer poll mask"),
    Bits(26, 24, "int_sel", "0 none, 1 interrupt, 2 interrupt after the write, 3 data after the write"),
    Bits(31, 29, "data_sel", "0 none, 1 32 bits, 2 64 bits, 3 GPU clock, 4 system clock, 5 GDS"),
)


def _release_mem(fmt: Format) -> Layout:
    event = (
        Bits(5, 0, "event_type", "0x14 CACHE_FLUSH_AND_INV_TS"),
        Bits(11, 8, "event_index", "5 end of pipe, 6 shader done"),
    )
    policy = Bits(26, 25, "cache_policy", "0 LRU, 1 stream")
    vi_v9 = (
        Bits(12, 12, "tcl1_vol_action_ena", "invalidate volatile L1 lines"),
        Bits(13, 13, "tc_vol_action_ena", "invalidate volatile L2 lines"),
        Bits(15, 15, "tc_wb_action_ena", "write L2 back"),
        Bits(16, 16, "tcl1_action_ena", "invalidate L1"),
        Bits(17, 17, "tc_action_ena", "invalidate L2"),
    )
    actions: dict[Format, tuple[Bits, ...]] = {
        Format.VI: (*vi_v9, Bits(24, 24, "atc", "address translated by the IOMMU")),
        Format.NV: tuple(
            Bits(bit, bit, f"gcr_{name}")
            for bit, name in (
                *((12, "glm_wb"), (13, "glm_inv"), (14, "glv_inv"), (15, "gl1_inv"), (16, "gl2_us")),
                *((17, "gl2_range"), (19, "gl2_discard"), (20, "gl2_inv"), (21, "gl2_wb"), (22, "gcr_seq")),
            )
        ),
    }
    v9 = (
        *vi_v9,
        Bits(19, 19, "tc_nc_action_ena", "non-coherent L2 lines"),
        Bits(20, 20, "tc_wc_action_ena", "write-combined L2 lines"),
        Bits(21, 21, "tc_md_action_ena", "L2 metadata"),
    )
    status = (
        Bits(28, 28, "execute", "trailing fence") if fmt is Format.NV else Bits(28, 28, "pq_exe_status", "phase update")
    )
    late = () if fmt is Format.VI else (status,)
    src = {Format.VI: _VI, Format.NV: _NVD}.get(fmt, _AI)
    rows = (
        _word(1, "control", "event and cache actions", src, *event, *actions.get(fmt, v9), policy, *late),
        _word(2, "control2", "what is written and who is told", src, *_DST_AND_DATA),
        *_pair(3, "address", "where, 4 or 8 byte aligned", src),
        *_pair(5, "data", "what", src, unit=""),
    )
    if fmt is Format.VI:
        return _packet(RELEASE_MEM, 7, *rows)
    return _packet(RELEASE_MEM, 8, *rows, _word(7, "int_ctxid", "context id of the interrupt", src))


def _write_data(fmt: Format) -> Layout:
    resume = (Bits(19, 19, "resume_vf", "9.4.3: resume a virtual function"),) if fmt is Format.ALDEBARAN else ()
    return _packet(
        WRITE_DATA,
        5,
        _word(
            1,
            "control",
            "where and how",
            "kfd_pm4_ai, soc15d",
            Bits(11, 8, "dst_sel", "0 register, 2 L2, 3 GDS, 5 memory"),
            Bits(16, 16, "addr_incr", "1: all data to one address"),
            *resume,
            Bits(20, 20, "wr_confirm", "wait for the write"),
            Bits(26, 25, "cache_policy", "0 LRU, 1 stream"),
        ),
        _word(2, "dst_mmreg_addr", "register, for dst_sel 0", _SOC15, Bits(17, 0, "dst_mmreg_addr"), unit="dwords"),
        Register(2, "dst_mem_addr_lo", "memory, for dst_sel 2 and 5", _SOC15, "address"),
        Register(3, "dst_mem_addr_hi", _HI, _SOC15, "address >> 32"),
        _word(4, "data", "first dword written; more may follow", _SOC15),
    )


def _wait_reg_mem(_: Format) -> Layout:
    return _packet(
        WAIT_REG_MEM,
        7,
        _word(
            1,
            "control",
            "what is waited for",
            _SOC15,
            Bits(2, 0, "function", "0 always, 1 <, 2 <=, 3 ==, 4 !=, 5 >=, 6 >"),
            Bits(5, 4, "mem_space", "0 register, 1 memory"),
            Bits(7, 6, "operation", "0 wait, 1 write-wait-write, 3 wait and let others preempt"),
            Bits(26, 25, "cache_policy", "L2 policy"),
        ),
        Register(2, "mem_poll_addr_lo", "memory polled", _SOC15, "address"),
        Register(3, "mem_poll_addr_hi", _HI, _SOC15, "address >> 32"),
        _word(2, "reg_poll_addr", "register polled", _SOC15, Bits(17, 0, "reg_poll_addr"), unit="dwords"),
        _word(4, "reference", "value compared with", _SOC15),
        _word(5, "mask", "bits compared", _SOC15),
        _word(
            6,
            "poll",
            "how often",
            _SOC15,
            Bits(15, 0, "poll_interval", "clocks between polls"),
            Bits(31, 31, "optimize_ace_offload_mode"),
        ),
    )


def _indirect_buffer(_: Format) -> Layout:
    return _packet(
        INDIRECT_BUFFER,
        4,
        *_pair(1, "ib_base", "the buffer", _SOC15),
        _word(
            3,
            "control",
            "size and use of the buffer",
            _SOC15,
            Bits(19, 0, "ib_size", "dwords"),
            Bits(20, 20, "chain", "go there and do not come back"),
            Bits(21, 21, "offload_polling"),
            Bits(23, 23, "valid", "1"),
            Bits(27, 24, "vmid", "VMID of the buffer"),
            Bits(29, 28, "cache_policy", "0 LRU, 1 stream, 2 bypass"),
            Bits(31, 31, "priv", "the buffer is privileged"),
        ),
    )


def _acquire_mem(fmt: Format) -> Layout:
    nv = fmt is Format.NV
    src = _NVD if nv else _SOC15
    coher = (
        ()
        if nv
        else tuple(
            Bits(bit, bit, f"{name}_ena")
            for bit, name in (
                *((3, "tc_nc_action"), (4, "tc_wc_action"), (5, "tc_inv_metadata_action"), (15, "tcl1_vol_action")),
                *((18, "tc_wb_action"), (22, "tcl1_action"), (23, "tc_action"), (25, "cb_action"), (26, "db_action")),
                *((27, "sh_kcache_action"), (28, "sh_kcache_vol_action"), (29, "sh_icache_action")),
                (30, "sh_kcache_wb_action"),
            )
        )
    )
    rows = (
        _word(1, "coher_cntl", "which caches; unused from gfx10 on, see gcr_cntl", src, *coher),
        _word(2, "coher_size", "size of the range, in 256 bytes; all ones: everything", src, unit="256 bytes"),
        _word(3, "coher_size_hi", "upper half, 8 bits (gfx9: 24)", src),
        _word(4, "coher_base_lo", "start of the range", src, unit="address >> 8"),
        _word(5, "coher_base_hi", _HI + ", 24 bits", src, unit="address >> 40"),
        _word(6, "poll_interval", "clocks between polls", src, Bits(15, 0, "poll_interval")),
    )
    if not nv:
        return _packet(ACQUIRE_MEM, 7, *rows)
    gcr = (
        Bits(1, 0, "gli_inv", "instruction cache"),
        Bits(3, 2, "gl1_range"),
        Bits(4, 4, "glm_wb", "metadata cache"),
        Bits(5, 5, "glm_inv"),
        Bits(6, 6, "glk_wb", "scalar cache"),
        Bits(7, 7, "glk_inv"),
        Bits(8, 8, "glv_inv", "vector L0"),
        Bits(9, 9, "gl1_inv"),
        Bits(10, 10, "gl2_us"),
        Bits(12, 11, "gl2_range"),
        Bits(13, 13, "gl2_discard"),
        Bits(14, 14, "gl2_inv"),
        Bits(15, 15, "gl2_wb"),
        Bits(17, 16, "seq", "order of the actions"),
        Bits(18, 18, "range_is_pa", "the range is physical"),
    )
    return _packet(ACQUIRE_MEM, 8, *rows, _word(7, "gcr_cntl", "which caches, and what is done to them", src, *gcr))


def _nop(_: Format) -> Layout:
    return Layout("NOP", None, 1, (_HEADER,))


_BUILDERS = {
    SET_RESOURCES: _set_resources,
    MAP_PROCESS: _map_process,
    MAP_QUEUES: _map_queues,
    UNMAP_QUEUES: _unmap_queues,
    QUERY_STATUS: _query_status,
    RUN_LIST: _run_list,
    RELEASE_MEM: _release_mem,
    WRITE_DATA: _write_data,
    NOP: _nop,
    INDIRECT_BUFFER: _indirect_buffer,
    WAIT_REG_MEM: _wait_reg_mem,
    ACQUIRE_MEM: _acquire_mem,
}


@cache
def packet_layout(opcode: int, fmt: Format) -> Layout:
    """The words of a packet; InputError when the opcode is none of :data:`OPCODES`."""
    if opcode not in _BUILDERS:
        raise InputError(f"no layout for PM4 opcode {opcode:#x}", todo=f"known: {', '.join(OPCODES.values())}")
    return _BUILDERS[opcode](fmt)
