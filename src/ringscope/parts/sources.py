"""Where the rows of the tables were read: the short keys that a row's ``source`` uses, spelled out.

A source is one or more keys joined by ``", "``; a key may be followed by a place within it, after a space. Headers and
driver files are those of the Linux amdgpu and amdkfd drivers unless the text says otherwise.
"""

from __future__ import annotations

SOURCES: dict[str, str] = {
    "structs": "include/{vi,v9,v10,v11,v12}_structs.h: the MQD structures",
    "sh_mask": "include/asic_reg/gc: gfx_8_0 (VI), gc_9_0 (v9), gc_9_4_3, gc_10_3_0 (v10), gc_11_5_0 (v11) and "
    "gc_12_0_0 (v12) _sh_mask.h: bit positions",
    "kfd_mqd": "amdkfd/kfd_mqd_manager_{vi,v9,v10,v11,v12}.c: what the driver writes",
    "kfd_dqm": "amdkfd/kfd_device_queue_manager.c, kfd_process_queue_manager.c: slots, ids and limits",
    "kfd_device": "amdkfd/kfd_device.c: what a device is to KFD",
    "kfd_queue": "amdkfd/kfd_queue.c: sizes of save areas and end-of-pipe buffers",
    "kfd_doorbell": "amdkfd/kfd_doorbell.c, amdgpu/amdgpu_doorbell_mgr.c: layout of the doorbell BAR",
    "kfd_pm4_vi": "amdkfd/kfd_pm4_headers_vi.h: HIQ packets of VI",
    "kfd_pm4_ai": "amdkfd/kfd_pm4_headers_ai.h: HIQ packets from v9 on",
    "kfd_pm4_aldebaran": "amdkfd/kfd_pm4_headers_aldebaran.h: MAP_PROCESS from GC 9.4.2 on",
    "kfd_ioctl": "uapi/linux/kfd_ioctl.h, interface 1.17",
    "amdgpu_gfx": "amdgpu/amdgpu_gfx.c and gfx_v*.c: MEC geometry and the rings that amdgpu keeps",
    "amdgpu_doorbell": "amdgpu/amdgpu_doorbell.h, aqua_vanjaram.c: doorbell assignment",
    "amdgpu_mes": "amdgpu/amdgpu_mes.c, mes_v11_0.c, mes_v12_0.c",
    "aqua_vanjaram": "amdgpu/aqua_vanjaram.c: partition modes of GC 9.4.3 and 9.5.0",
    "gmc_v9": "amdgpu/gmc_v9_0.c: first KFD VMID",
    "soc15d": "amdgpu/soc15d.h: PM4 packets of gfx9",
    "nvd": "amdgpu/nvd.h: PM4 packets of gfx10 and later",
    "sdma_pkt": "amdgpu/vega10_sdma_pkt_open.h, navi10_sdma_pkt_open.h: SDMA packets",
    "sdma_mask": "include/asic_reg: sdma0_4_0 (v9), sdma_4_4_2 (v9.4.3), gc_11_5_0 (v11) _sh_mask.h; "
    "VI, v10 and v12 were not read and are taken to agree",
    "hsa": "ROCR inc/hsa.h, hsa_ext_amd.h: AQL packets",
    "rocr_aql_queue": "ROCR core/runtime/amd_aql_queue.cpp: the PM4-IB packet that ROCr itself sends",
    "amd_hsa": "ROCR inc/amd_hsa_queue.h, amd_hsa_signal.h: amd_queue_t and amd_signal_t",
    "product": "public product data of the maker, not in any driver",
    "MI308X": "debugfs captures of a real MI308X (gfx942) under ROCm 7.0.2",
    "inferred": "inferred from captures or neighbouring code; no source states it",
}


def keys(source: str) -> tuple[str, ...]:
    """The keys of a row's ``source``, without the places within them."""
    return tuple(part.split()[0] for part in source.split(", ") if part)
