"""The generated part of sysfs: KFD topology, the PCI device, the module, libdrm's list of names."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ringscope.parts.node import KEYS, text
from ringscope.stack.kfd.topology import properties as node_properties
from ringscope.stack.machine import NodeSpec
from ringscope.virtual.model import Model

NODES = "/sys/devices/virtual/kfd/kfd/topology/nodes"
PROC = "/sys/devices/virtual/kfd/kfd/proc"
DEBUGFS = "/sys/kernel/debug/kfd"
DRM = "/sys/dev/char/226:128"
NAMES = "/usr/share/libdrm/amdgpu.ids"
ROOTS = (
    "/dev/kfd",
    "/dev/dri",
    "/sys/devices/virtual/kfd",
    "/sys/class/kfd",
    "/sys/module/amdgpu",
    "/sys/kernel/debug/kfd",
    DRM,
    "/proc/modules",
    NAMES,
)
"""Paths that the virtual machine answers; everything else is the host's."""

GPU_NODE = 1
_PCIE, _VRAM_PUBLIC, _GPU_CACHE = 2, 1, 8
_SIMD_ID_BASE = 0x80001000
RENDER_MINOR = 128
CAPABILITY = 0x80 | 2 << 8 | 2 << 12 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 26 | 1 << 27
"""Four watch points, 64-bit AQL doorbells, EDC, RAS notice, ASIC revision 1, SRAM ECC, SVM (kfd_sysfs.h; facts §10.2).

Trap debugging (1 << 29) is left out: with it a runtime expects a debugger's reports of errors.
"""

_PARAMETERS = {
    "sched_policy": 0,
    "hws_max_conc_proc": -1,
    "cwsr_enable": 1,
    "max_num_of_queues_per_device": 4096,
    "hws_gws_support": "N",
    "queue_preemption_timeout_ms": 9000,
    "num_kcq": -1,
    "compute_multipipe": -1,
    "mes": 0,
    "noretry": -1,
    "user_partt_mode": -2,
    "enforce_isolation": -1,
    "sdma_phase_quantum": 32,
}
"""Module parameters that decide how queues are scheduled, at their defaults (amdgpu_drv.c; facts §10.5)."""


def _keys(values: Mapping[str, int]) -> str:
    return "".join(f"{key} {value}\n" for key, value in values.items())


def _cpu() -> tuple[int, int]:
    """First APIC id and memory in bytes of the host."""
    apic = 0
    with open("/proc/cpuinfo") as file:  # noqa: PTH123 - see .remote
        for line in file:
            if line.startswith("apicid"):
                apic = int(line.split(":")[1])
                break
    return apic, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def files(model: Model, node: NodeSpec) -> dict[str, str]:
    """Every static file, by absolute path."""
    apic, memory = _cpu()
    cpu, gpu = f"{NODES}/0", f"{NODES}/{GPU_NODE}"
    values = _gpu_properties(model, node)
    location_id = values["location_id"]
    top = os.path.dirname(NODES)  # noqa: PTH120
    link = {
        "type": _PCIE, "version_major": 0, "version_minor": 0, "node_from": 0, "node_to": 0, "weight": 20,
        "min_latency": 0, "max_latency": 0, "min_bandwidth": 312, "max_bandwidth": 31504,
        "recommended_transfer_size": 0, "recommended_sdma_engine_id_mask": 0, "flags": 1,
    }  # fmt: skip
    slot = f"0000:{location_id >> 8:02x}:{location_id >> 3 & 31:02x}.{location_id & 7}"
    device = f"{DRM}/device"
    tree = {
        f"{top}/generation_id": "2\n",
        f"{top}/system_properties": _keys({"platform_oem": 0, "platform_id": 0, "platform_rev": 0}),
        f"{cpu}/gpu_id": "0\n",
        f"{cpu}/name": "\n",
        f"{cpu}/properties": text(_zeros() | {
            "cpu_cores_count": os.cpu_count() or 1, "mem_banks_count": 1, "io_links_count": 1,
            "cpu_core_id_base": apic, "max_engine_clk_ccompute": 2600,
        }),
        f"{cpu}/mem_banks/0/properties": _keys(
            {"heap_type": 0, "size_in_bytes": memory, "flags": 0, "width": 72, "mem_clk_max": 3200}
        ),
        f"{cpu}/io_links/0/properties": _keys(link | {"node_to": GPU_NODE}),
        f"{gpu}/gpu_id": f"{node.gpu_id}\n",
        f"{gpu}/name": f"{model.asic}\n",
        f"{gpu}/properties": text(values),
        f"{gpu}/mem_banks/0/properties": _keys(
            {"heap_type": _VRAM_PUBLIC, "size_in_bytes": model.vram, "flags": 0, "width": 4096, "mem_clk_max": 1600}
        ),
        f"{gpu}/io_links/0/properties": _keys(link | {"node_from": GPU_NODE}),
        "/sys/class/kfd/kfd/dev": "511:0\n",
        "/sys/module/amdgpu/version": "6.12.12\n",
        "/sys/module/amdgpu/initstate": "live\n",
        "/sys/module/amdgpu/refcnt": "1\n",
        "/proc/modules": "amdgpu 16384000 1 - Live 0x0000000000000000\n",
        f"{device}/vendor": "0x1002\n",
        f"{device}/device": f"{model.device_id:#06x}\n",
        f"{device}/revision": f"{model.revision:#04x}\n",
        f"{device}/subsystem_vendor": "0x1002\n",
        f"{device}/subsystem_device": f"{model.subsystem_id:#06x}\n",
        f"{device}/uevent": f"DRIVER=amdgpu\nPCI_CLASS=38000\nPCI_ID=1002:{model.device_id:04X}\n"
        f"PCI_SUBSYS_ID=1002:{model.subsystem_id:04X}\nPCI_SLOT_NAME={slot}\n",
        f"{DRM}/uevent": "MAJOR=226\nMINOR=128\nDEVNAME=dri/renderD128\nDEVTYPE=drm_minor\n",
        f"{device}/drm/renderD128/dev": "226:128\n",
        # The list that libdrm was built with is the host's and may be older than the device.
        NAMES: f"1.0.0\n{model.device_id:04X},\t{model.revision:02X},\t{model.name}\n",
    }  # fmt: skip
    tree |= {f"/sys/module/amdgpu/parameters/{name}": f"{value}\n" for name, value in _PARAMETERS.items()}
    flat = [cache for cache in model.caches for _ in range(cache.count)]
    for index, cache in enumerate(flat):
        tree[f"{gpu}/caches/{index}/properties"] = _keys({
            "processor_id_low": _SIMD_ID_BASE, "level": cache.level, "size": cache.kib, "cache_line_size": cache.line,
            "cache_lines_per_tag": 1, "association": 0, "latency": 0, "type": _GPU_CACHE | 1,
        }) + "sibling_map " + ",".join(["1"] + ["0"] * 255) + "\n"  # fmt: skip
    return tree


def _zeros() -> dict[str, int]:
    """Every key that a CPU node prints, zero."""
    return dict.fromkeys(KEYS[: KEYS.index("num_cp_queues") + 1], 0)


def _gpu_properties(model: Model, node: NodeSpec) -> dict[str, int]:
    """The driver's properties of the node, with what the driver would read from the device filled in."""
    return node_properties(node) | {
        "caches_count": sum(cache.count for cache in model.caches),
        "io_links_count": 1,
        "simd_id_base": _SIMD_ID_BASE,
        "cu_per_simd_array": model.cus_per_array,
        "array_count": model.arrays,
        "device_id": model.device_id,
        "drm_render_minor": RENDER_MINOR,
        "max_engine_clk_fcompute": model.clock_mhz,
        "fw_version": model.fw_version,
        "capability": CAPABILITY,
        "debug_prop": 1495,
        "sdma_fw_version": model.sdma_fw_version,
        "unique_id": 0x1234567890ABCDEF,
        "max_engine_clk_ccompute": 2600,
    }


LINKS = {
    "/sys/class/kfd/kfd/topology": "../../../devices/virtual/kfd/kfd/topology",
    "/sys/class/kfd/kfd/proc": "../../../devices/virtual/kfd/kfd/proc",
}
