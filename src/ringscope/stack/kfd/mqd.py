"""The MQDs that the driver writes: compute queues and the HIQ, of every generation, and SDMA queues.

An MQD here is an immutable record of what went into it (:class:`ComputeMqd`, :class:`SdmaMqd`); an update makes a new
record. Bytes are made only when somebody looks: a template for all constants, cut once from the part's table by name,
and a few words per queue packed over it. What the firmware writes over an MQD is :mod:`ringscope.stack.firmware`'s.

Rules: facts §4.1 to §4.5; amdkfd kfd_mqd_manager_{vi,v9,v10,v11,v12}.c.
"""

from __future__ import annotations

import struct
from functools import cache

from ringscope.parts import mqd
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.parts.layout import V9_FAMILY, Builder, Generation, Image
from ringscope.parts.mqd import PIPE_PRIORITY
from ringscope.records import dataclass

FIDELITY = (
    Behaviour(
        "kfd.mqd.v9_4_3",
        "every dword that the driver writes into compute, HIQ and SDMA MQDs",
        Standing.CAPTURED,
        "gfx942",
        "kfd_mqd_manager_v9.c; 40 MQDs of eight MI308X",
        "tests/stack/kfd/test_capture.py::test_every_driver_written_dword_of_every_mqd",
    ),
    Behaviour(
        "kfd.mqd.others",
        "the same for VI, v9, v10, v11 and v12",
        Standing.SOURCE,
        "gfx8 to gfx12",
        "kfd_mqd_manager_{vi,v9,v10,v11,v12}.c",
        "tests/stack/kfd/test_mqd.py::test_what_differs",
    ),
    Behaviour(
        "kfd.mqd.cu_mask",
        "which CU a bit of a CU mask means",
        Standing.SOURCE,
        "gfx9 to gfx12, 1 to 8 XCCs",
        "kfd_mqd_manager.c mqd_symmetrically_map_cu_mask; no capture of a masked queue was at hand",
        "tests/stack/kfd/test_mqd.py::test_bits_go_to_xccs_first_then_engines_then_rows",
    ),
)

MQD_BYTES = mqd.MQD_DWORDS * 4
ONES = 0xFFFFFFFF
TBA = 0x2000
"""Where a process's trap handler lies on discrete GPUs (kfd_flat_memory.c SVM_CWSR_BASE)."""
TMA = TBA + 4096 + 2048
"""Its memory: one page and 2048 bytes behind it (kfd_priv.h, facts §9.1)."""


_MTYPE_UC = 3
_V11_V12 = (Generation.V11, Generation.V12)


@dataclass(frozen=True, slots=True)
class Shape:
    """What all MQDs of one kind on one node have in common; a template is cut for each.

    Attributes:
        generation: layout.
        xccs: XCCs of the node, an image each.
        aql: AQL packets, else PM4.
        hiq: the kernel's own queue.
        trap: a trap handler is installed.
        save: waves are saved when the queue is preempted (CWSR).
        profiler: a profiler owns the device.
        atomics: PCIe atomics work.
        privileged: user queues run privileged (``priv_cp_queues``).
    """

    generation: Generation
    xccs: int
    aql: bool
    hiq: bool = False
    trap: bool = False
    save: bool = False
    profiler: bool = False
    atomics: bool = False
    privileged: bool = False


@cache
def _template(shape: Shape, master: bool) -> bytes:
    """The constant words of an MQD; ``master`` is XCC 0 of a multi-XCC node."""
    gen = shape.generation
    layout = mqd.hiq(gen) if shape.hiq else mqd.compute(gen)
    mtype = {"mtype": _MTYPE_UC} if gen is Generation.VI else {}
    build = Builder(layout)
    build.set("header", mqd.HEADER).set("compute_pipelinestat_enable", 1)
    build.set("compute_perfcount_enable", int(shape.profiler))
    for name in _se_registers(gen):
        build.set(name, ONES)
    if gen is Generation.V9_4_3:
        # The driver initialises the words as CU masks of SE 5 and 7 and never comes back to them.
        build.set("compute_restart_cg_tg_id", ONES).set("compute_restore_tg_chunk_size", ONES)
        build.set("compute_tg_chunk_size", int(shape.aql))
    if shape.trap and gen in (Generation.VI, *V9_FAMILY):
        build.put("compute_pgm_rsrc2", trap_present=1)
    if shape.trap and gen is Generation.VI:
        build.set64("compute_tba_lo", "compute_tba_hi", TBA >> 8).set64("compute_tma_lo", "compute_tma_hi", TMA >> 8)
    build.put("cp_hqd_persistent_state", preload_req=1, preload_size=0x55 if gen in _V11_V12 else 0x53)
    build.put("cp_hqd_persistent_state", qswitch_mode=int(shape.save))
    build.put("cp_hqd_quantum", quantum_en=1, quantum_scale=1, quantum_duration=1)
    build.put("cp_hqd_pq_control", rptr_block_size=5, **mtype)
    build.put("cp_hqd_ib_control", min_ib_avail_size=3, **mtype)
    if gen in V9_FAMILY:
        build.put("cp_hqd_ib_control", ib_exe_disable=1)
    build.put("cp_mqd_control", priv_state=1, **mtype)
    if gen is Generation.VI:
        build.put("cp_hqd_iq_timer", **mtype).put("cp_hqd_eop_control", **mtype)
        build.put("cp_hqd_eop_rptr", init_fetcher=1)
        if shape.save:
            build.put("cp_hqd_ctx_save_control", **mtype)
    else:
        status = "cp_hqd_hq_status0" if "cp_hqd_hq_status0" in layout else "cp_hqd_hq_scheduler0"
        build.put(status, c_queue_debug_en=1)
        build.put("cp_hqd_pq_control", unord_dispatch=1)
        if gen in _V11_V12 and shape.atomics:
            build.put(status, pcie_atomics=1)
    if shape.aql:
        _aql(build, gen, master)
    if shape.privileged or shape.hiq:
        build.put("cp_hqd_pq_control", priv_state=1)
    if shape.hiq:
        build.put("cp_hqd_pq_control", kmd_queue=1)
        if gen is Generation.V9_4_3 and not master:
            build.put("cp_hqd_pq_control", no_update_rptr=1)
    return build.bytes()


def _aql(build: Builder, gen: Generation, master: bool) -> None:
    build.put("cp_hqd_pq_control", slot_based_wptr=2)
    # One ring feeds all XCCs of a node: only XCC 0 reports how far it has been read.
    build.put("cp_hqd_pq_control", no_update_rptr=int(not (gen is Generation.V9_4_3 and master)))
    if gen is Generation.VI:
        build.set("cp_hqd_iq_rptr", 1)
        return
    build.put("cp_hqd_pq_control", queue_full_en=1)
    if gen in V9_FAMILY:
        build.put("cp_hqd_pq_control", wpp_clamp_en=1)
    build.put("cp_hqd_pq_doorbell_control", doorbell_bif_drop=1)
    build.put("cp_hqd_aql_control", control0=1)


@cache
def _se_registers(gen: Generation) -> tuple[str, ...]:
    """CU mask registers that the driver writes: SE 0 to 3, and 4 to 7 where there are words for them."""
    layout = mqd.compute(gen)
    names = (f"compute_static_thread_mgmt_se{n}" for n in range(8))
    return tuple(name for name in names if name in layout)


@dataclass(frozen=True, slots=True)
class _At:
    """Dwords at which a queue's own words go; runs of neighbours are packed at once."""

    base: int  # base lo, hi
    vmid: int
    priorities: int  # pipe, queue
    ring: int  # ring lo, hi, rptr, report lo, hi, poll lo, hi, doorbell control
    pq_control: int
    eop: int  # base lo, hi, control
    save: int  # base lo, hi, control, stack offset, stack size, wave offset, size
    doorbell_shift: int
    bif_drop: int
    masks: tuple[int, ...]
    resource_limits: int
    logic_xcc: int | None
    target_xcc: int | None
    stride: int | None
    force_simd_dist: int


@cache
def _at(gen: Generation) -> _At:
    layout = mqd.compute(gen)
    at = {name: row.dword for name, row in layout.by_name.items()}
    doorbell = {bits.name: bits for bits in layout["cp_hqd_pq_doorbell_control"].bits}
    limits = {bits.name: bits.mask for bits in layout["compute_resource_limits"].bits}
    return _At(
        base=at["cp_mqd_base_addr_lo"],
        vmid=at["cp_hqd_vmid"],
        priorities=at["cp_hqd_pipe_priority"],
        ring=at["cp_hqd_pq_base_lo"],
        pq_control=at["cp_hqd_pq_control"],
        eop=at["cp_hqd_eop_base_addr_lo"],
        save=at["cp_hqd_ctx_save_base_addr_lo"],
        doorbell_shift=doorbell["doorbell_offset"].low,
        bif_drop=doorbell["doorbell_bif_drop"].mask,
        masks=tuple(at[name] for name in _se_registers(gen)),
        resource_limits=at["compute_resource_limits"],
        logic_xcc=at.get("compute_current_logic_xcc_id"),
        target_xcc=at.get("pm4_target_xcc_in_xcp"),
        stride=at.get("cp_mqd_stride_size"),
        force_simd_dist=limits.get("force_simd_dist", 0),
    )


def _order(value: int) -> int:
    """The kernel's ``order_base_2``: log2, rounded up; 0 for 0 and 1."""
    return (value - 1).bit_length() if value > 1 else 0


def _eop_control(gen: Generation, size: int) -> int:
    """The size field: log2 of the dwords less one, at most 10; without a buffer what each generation's code yields."""
    if gen in V9_FAMILY:
        return min(0xA, _order(size // 4) - 1) if size else 0
    if gen is Generation.VI:
        return min(0xA, _order(size // 4) - 1) & ONES
    lowest_bit = (size // 4 & -(size // 4)).bit_length()  # ffs()
    return min(0xA, lowest_bit - 2) & ONES


@dataclass(frozen=True, slots=True)
class ComputeMqd:
    """What the driver wrote into the MQD of a compute queue or of the HIQ.

    ``address`` is that of XCC 0's image, the next XCC's lies ``stride`` bytes on; ``doorbell`` is the BAR dword index;
    ``cu_masks`` holds, per XCC, a mask a shader engine, and is empty while no mask was set; ``logic_xcc`` is the
    driver's start value for dword 39 of v9.4.3. ``vmid`` is 0 unless the driver itself loads the queue.
    """

    shape: Shape
    address: int
    stride: int
    ring_base: int
    ring_bytes: int
    read_pointer: int
    write_pointer: int
    doorbell: int
    priority: int
    eop_base: int = 0
    eop_bytes: int = 0
    cwsr_base: int = 0
    cwsr_bytes: int = 0
    ctl_stack_bytes: int = 0
    vmid: int = 0
    gws: bool = False
    target_xcc: int = 0
    logic_xcc: int = 0
    cu_masks: tuple[tuple[int, ...], ...] = ()

    @property
    def aql(self) -> bool:
        """Whether the ring holds AQL packets."""
        return self.shape.aql

    def write(self, image: bytearray, xcc: int) -> None:
        """Fill ``image`` (2048 bytes) with the driver's words for one XCC of the node."""
        shape = self.shape
        gen = shape.generation
        at = _at(gen)
        image[:] = _template(shape, xcc == 0)
        pack = struct.pack_into
        pack("<Q", image, at.base * 4, self.address + xcc * self.stride)
        if self.vmid:
            pack("<I", image, at.vmid * 4, self.vmid)
        pack("<II", image, at.priorities * 4, PIPE_PRIORITY[self.priority], self.priority)
        bif_drop = at.bif_drop if shape.aql and gen is not Generation.VI else 0
        pack(
            "<QIQQI",
            image,
            at.ring * 4,
            self.ring_base >> 8,
            0,
            self.read_pointer,
            self.write_pointer,
            self.doorbell << at.doorbell_shift | bif_drop,
        )
        _or(image, at.pq_control, _order(self.ring_bytes // 4) - 1)
        pack("<Q", image, at.eop * 4, self.eop_base >> 8)
        _or(image, at.eop + 2, _eop_control(gen, self.eop_bytes))
        if self.cwsr_base:
            pack("<Q", image, at.save * 4, self.cwsr_base + xcc * self.cwsr_bytes)
            stack = self.ctl_stack_bytes
            pack("<IIII", image, (at.save + 3) * 4, stack, stack, stack, self.cwsr_bytes)
        if self.cu_masks:
            masks = self.cu_masks[xcc]
            for i, dword in enumerate(at.masks):
                pack("<I", image, dword * 4, masks[i] if i < len(masks) else 0)
        if self.gws:
            _or(image, at.resource_limits, at.force_simd_dist)
        if at.stride is not None:
            pack("<I", image, at.stride * 4, self.stride)
        if at.logic_xcc is not None and not shape.hiq:
            pack("<I", image, at.logic_xcc * 4, (self.logic_xcc + xcc) % shape.xccs if shape.aql else 0)
        if at.target_xcc is not None and not shape.aql:
            pack("<I", image, at.target_xcc * 4, self.target_xcc)

    def image(self, xcc: int = 0) -> Image:
        """The driver's words for one XCC, readable; the firmware has written nothing yet."""
        data = bytearray(MQD_BYTES)
        self.write(data, xcc)
        return Image(mqd.compute(self.shape.generation), bytes(data))


def _or(image: bytearray, dword: int, bits: int) -> None:
    struct.pack_into("<I", image, dword * 4, struct.unpack_from("<I", image, dword * 4)[0] | bits)


def cu_masks(
    words: tuple[int, ...], bits: int, *, xccs: int, arrays: tuple[tuple[int, ...], ...], wgp: bool
) -> tuple[tuple[int, ...], ...]:
    """Deal the bits of a user's CU mask out: XCC first, then shader engine, then array, then CU row.

    Args:
        words: the mask, bit 0 first.
        bits: how many of its bits count; cut to the CUs there are.
        xccs: XCCs of the node; neighbouring bits go to neighbouring XCCs.
        arrays: active CUs of one XCC, ``arrays[se][sh]``.
        wgp: CUs come in pairs, as from gfx10 on.

    Returns:
        Per XCC one mask a shader engine: array 0 in bits 15:0, array 1 in bits 31:16.

    Source: kfd_mqd_manager.c mqd_symmetrically_map_cu_mask.
    """
    step, enable = (2, 0b11) if wgp else (1, 0b1)
    bits = min(bits, len(words) * 32, xccs * sum(map(sum, arrays)))
    mask = sum(word << 32 * i for i, word in enumerate(words))
    return tuple(_deal(mask, bits, xcc, step * xccs, step, enable, arrays) for xcc in range(xccs))


def _deal(
    mask: int, bits: int, first: int, stride: int, step: int, enable: int, arrays: tuple[tuple[int, ...], ...]
) -> tuple[int, ...]:
    masks = [0] * len(arrays)
    bit = first
    for cu in range(0, 16, step):
        for sh in range(max(map(len, arrays))):
            for se, engine in enumerate(arrays):
                if sh >= len(engine) or engine[sh] <= cu:
                    continue
                if bit >= bits:
                    return tuple(masks)
                if mask >> bit & enable:
                    masks[se] |= enable << (cu + 16 * sh)
                bit += stride
    return tuple(masks)


@dataclass(frozen=True, slots=True)
class SdmaMqd:
    """What the driver wrote into the MQD of an SDMA queue; SDMA queues have no priority and one image.

    ``doorbell`` is the BAR dword index; ``vmid`` is 0 unless the driver itself loads the queue.
    """

    generation: Generation
    address: int
    ring_base: int
    ring_bytes: int
    read_pointer: int
    write_pointer: int
    doorbell: int
    engine: int
    queue: int
    vmid: int = 0
    phase_quantum: int = 32

    def image(self) -> Image:
        """The MQD's words (facts §4.4; kfd_mqd_manager_*.c update_mqd_sdma)."""
        gen = self.generation
        layout = mqd.sdma(gen)
        build = Builder(layout)
        cntl = {"rb_size": _order(self.ring_bytes // 4), "rb_vmid": self.vmid, "rptr_writeback_enable": 1}
        if gen is Generation.V11:
            cntl["f32_wptr_poll_enable"] = 1
        elif gen is Generation.V12:
            cntl["mcu_wptr_poll_enable"] = 1
        build.put("sdmax_rlcx_rb_cntl", rptr_writeback_timer=6, **cntl)
        build.set64("sdmax_rlcx_rb_base", "sdmax_rlcx_rb_base_hi", self.ring_base >> 8)
        build.set64("sdmax_rlcx_rb_rptr_addr_lo", "sdmax_rlcx_rb_rptr_addr_hi", self.read_pointer)
        if gen is Generation.VI:
            build.set("sdmax_rlcx_doorbell", self.doorbell)
        else:
            build.put("sdmax_rlcx_doorbell_offset", offset=self.doorbell)
            build.set("sdmax_rlcx_dummy_reg", 0xF)
        if gen in _V11_V12:
            build.set64("sdmax_rlcx_rb_wptr_poll_addr_lo", "sdmax_rlcx_rb_wptr_poll_addr_hi", self.write_pointer)
            build.set("sdmax_rlcx_sched_cntl", self.phase_quantum)
        build.set("sdma_engine_id", self.engine).set("sdma_queue_id", self.queue)
        return build.image()
