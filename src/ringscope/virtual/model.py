"""What the virtual GPU tells user space about itself: topology properties, DRM device information, its names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cache:
    """One cache level: bytes in KiB, line in bytes, how many the topology lists."""

    level: int
    kib: int
    line: int


@dataclass(frozen=True)
class Model:
    """One device as ``node_show`` and AMDGPU_INFO describe it."""

    name: str
    marketing: str
    asic: str
    gfx_target_version: int
    device_id: int
    revision: int
    subsystem_id: int
    simd_count: int
    array_count: int
    cu_per_simd_array: int
    shader_engines: int
    xcc: int
    sdma: int
    sdma_xgmi: int
    vram: int
    clock_mhz: int
    fw_version: int
    sdma_fw_version: int
    external_revision: int
    gb_addr_config: int
    caches: tuple[Cache, ...]
    capability: int


MI210 = Model(
    "mi210", "AMD Instinct MI210", "aldebaran", 90010, 0x740F, 2, 0x0C34, 416, 8, 14, 8, 1, 2, 3, 64 << 30, 1700,
    78, 8, 0x3D, 0x22014042, (*(Cache(1, 16, 64),) * 4, *(Cache(2, 8192, 128),) * 2), 0x4702280,
)
MI308X = Model(
    "mi308x", "AMD Instinct MI308X", "ip discovery", 90402, 0x74A2, 0, 0x74A2, 320, 16, 10, 4, 4, 2, 6, 192 << 30, 1420,
    185, 24, 0x47, 0x2A114042,
    (*(Cache(1, 32, 128),) * 2, *(Cache(1, 64, 128),) * 2, *(Cache(2, 4096, 128),) * 4, Cache(3, 262144, 64)), 0x4702280,
)
MODELS = {model.name: model for model in (MI210, MI308X)}
