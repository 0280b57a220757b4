"""A node of ``/sys/class/kfd/kfd/topology``: the keys of its ``properties``, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping

KEYS = (
    "cpu_cores_count",
    "simd_count",
    "mem_banks_count",
    "caches_count",
    "io_links_count",
    "p2p_links_count",
    "cpu_core_id_base",
    "simd_id_base",
    "max_waves_per_simd",
    "lds_size_in_kb",
    "gds_size_in_kb",
    "num_gws",
    "wave_front_size",
    "array_count",
    "simd_arrays_per_engine",
    "cu_per_simd_array",
    "simd_per_cu",
    "max_slots_scratch_cu",
    "gfx_target_version",
    "vendor_id",
    "device_id",
    "location_id",
    "domain",
    "drm_render_minor",
    "hive_id",
    "num_sdma_engines",
    "num_sdma_xgmi_engines",
    "num_sdma_queues_per_engine",
    "num_cp_queues",
    "max_engine_clk_fcompute",
    "local_mem_size",
    "fw_version",
    "capability",
    "debug_prop",
    "sdma_fw_version",
    "unique_id",
    "num_xcc",
    "max_engine_clk_ccompute",
)
"""The keys of a GPU node in the order of ``node_show`` (amdkfd/kfd_topology.c of January 2026).

A CPU node ends at ``num_cp_queues`` and the CPU clock.
"""


def text(values: Mapping[str, int]) -> str:
    """A node's ``properties``: keys the driver knows in its order, then others as they come."""
    known = [key for key in KEYS if key in values]
    return "".join(f"{key} {values[key]}\n" for key in (*known, *(key for key in values if key not in KEYS)))
