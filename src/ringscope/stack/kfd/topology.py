"""A node's topology properties, as the driver shows them to user space (facts §10.2; kfd_topology.c node_show).

What a part's row in the catalogue does not say and nothing computes, clocks and firmware versions above all, is 0.
"""

from __future__ import annotations

from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.stack.machine import NodeSpec

FIDELITY = (
    Behaviour(
        "kfd.topology",
        "what sysfs says of a node",
        Standing.CAPTURED,
        "MI308X; other parts by the same rules",
        "rocminfo of ROCm 5.2.3, 6.1.2 and 6.4.3 reads it; the keys of kfd_topology.c",
        "tests/stack/kfd/test_topology.py::test_an_mi308x_describes_itself_as_the_real_one_does",
    ),
)

AMD = 0x1002
MAX_SCRATCH_SLOTS = 32
"""max_slots_scratch_cu; gfx8's, and what later parts report (facts §11 notes)."""
WATCH_POINTS = 4
CAPABILITY = 0x80 | 2 << 8 | 2 << 12
"""Four watch points, and 64-bit AQL doorbells; gfx8 has doorbell type 1 (facts §10.2)."""


def properties(spec: NodeSpec) -> dict[str, int]:
    """The node's properties by the driver's keys."""
    part = spec.part
    pcie, xgmi = spec.sdma_engines
    arrays = (part.array_count or 0) * spec.xccs // part.xccs
    engines = (part.shader_engines_per_xcc or 1) * spec.xccs
    return {
        "cpu_cores_count": 0,
        "simd_count": spec.cus * part.simd_per_cu,
        "mem_banks_count": 1,
        "caches_count": 0,
        "io_links_count": 0,
        "p2p_links_count": 0,
        "cpu_core_id_base": 0,
        "simd_id_base": 0x80000000,
        "max_waves_per_simd": part.waves_per_simd,
        "lds_size_in_kb": part.lds_bytes >> 10,
        "gds_size_in_kb": 0,
        "num_gws": spec.gws,
        "wave_front_size": part.wave_size,
        "array_count": arrays,
        "simd_arrays_per_engine": max(1, arrays // engines),
        "cu_per_simd_array": part.cus_per_array or 0,
        "simd_per_cu": part.simd_per_cu,
        "max_slots_scratch_cu": MAX_SCRATCH_SLOTS,
        "gfx_target_version": part.gfx_target_version,
        "vendor_id": AMD,
        "device_id": part.device_ids[0] if part.device_ids else 0,
        "location_id": (spec.device + 1) << 8,
        "domain": 0,
        "drm_render_minor": 128 + spec.node,
        "hive_id": 0,
        "num_sdma_engines": pcie,
        "num_sdma_xgmi_engines": xgmi,
        "num_sdma_queues_per_engine": part.sdma_queues_per_engine - part.sdma_reserved_queues,
        "num_cp_queues": len(spec.slots),
        "max_engine_clk_fcompute": 0,
        "local_mem_size": 0,
        "fw_version": 0,
        "capability": CAPABILITY if spec.soc15 else CAPABILITY & ~(3 << 12) | 1 << 12,
        "debug_prop": 0,
        "sdma_fw_version": 0,
        "unique_id": 0,
        "num_xcc": spec.xccs,
        "max_engine_clk_ccompute": 0,
    }
