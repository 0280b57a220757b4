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
    "kfd_dqm": "amdkfd/kfd_device_queue_manager.c",
    "MI308X": "debugfs captures of a real MI308X (gfx942) under ROCm 7.0.2",
    "inferred": "inferred from captures or neighbouring code; no source states it",
}


def keys(source: str) -> tuple[str, ...]:
    """The keys of a row's ``source``, without the places within them."""
    return tuple(part.split()[0] for part in source.split(", ") if part)
