"""What the virtual GPU tells user space beyond the catalogue: memory, clocks, names, revisions.

The queue path is the catalogue's and the driver's (:mod:`ringscope.parts.catalogue`, :mod:`ringscope.stack`). The rest
is here: nothing in it moves a queue, but runtimes ask for it and some of them abort on a wrong family.
"""

from __future__ import annotations

from ringscope.errors import InputError
from ringscope.parts import catalogue
from ringscope.parts.catalogue import Device
from ringscope.records import dataclass

GIB = 1 << 30


@dataclass(frozen=True)
class Cache:
    """Caches of one level: KiB each, bytes a line, and how many the topology lists."""

    level: int
    kib: int
    line: int
    count: int = 1


@dataclass(frozen=True)
class Model:
    """One device as topology and AMDGPU_INFO describe it.

    ``family`` and ``external_revision`` are amdgpu's (amdgpu_drm.h, addrlib's chip tables); ``asic`` the name that
    amdkfd prints for the node.
    """

    part: Device
    name: str
    asic: str
    family: int
    external_revision: int
    gb_addr_config: int
    vram: int
    clock_mhz: int
    fw_version: int
    sdma_fw_version: int
    caches: tuple[Cache, ...]
    revision: int = 0
    subsystem_id: int = 0x0C34

    @property
    def device_id(self) -> int:
        """PCI device id; a made-up one where the catalogue knows none (runtimes go by the target version)."""
        return self.part.device_ids[0] if self.part.device_ids else 0x7FFF

    @property
    def arrays(self) -> int:
        """``array_count``: the catalogue's, or as many as no array needs more than 16 CUs."""
        return self.part.array_count or -(-self.part.cus // 16)

    @property
    def cus_per_array(self) -> int:
        """``cu_per_simd_array``: the catalogue's, or the fewest CUs per array that hold all."""
        return self.part.cus_per_array or -(-self.part.cus // self.arrays)


_GFX9 = (Cache(1, 16, 64, 4), Cache(2, 4096, 64))
_GFX90A = (Cache(1, 16, 64, 4), Cache(2, 8192, 128, 2))
_GFX942 = (Cache(1, 32, 128, 2), Cache(1, 64, 128, 2), Cache(2, 4096, 128, 4), Cache(3, 262144, 64))
_RDNA = (Cache(1, 16, 128, 4), Cache(2, 4096, 128))
# By target: (asic, family, GB_ADDR_CONFIG, MEC and SDMA firmware, caches).
_TARGETS = {
    "900": ("vega10", 141, 0x2A114042, 470, 430, _GFX9),
    "906": ("vega20", 141, 0x2A114042, 470, 145, _GFX9),
    "908": ("arcturus", 141, 0x22014042, 67, 18, _GFX9),
    "90a": ("aldebaran", 141, 0x22014042, 78, 8, _GFX90A),
    "942": ("ip discovery", 141, 0x2A114042, 185, 24, _GFX942),
    "950": ("ip discovery", 141, 0x2A114042, 185, 24, _GFX942),
    "1010": ("navi10", 143, 0x00100044, 151, 35, _RDNA),
    "1011": ("navi12", 143, 0x00100044, 151, 35, _RDNA),
    "1012": ("navi14", 143, 0x00100043, 151, 35, _RDNA),
    "1030": ("navi21", 143, 0x00000444, 120, 80, _RDNA),
    "1031": ("navi22", 143, 0x00000344, 120, 80, _RDNA),
    "1032": ("navi23", 143, 0x00000344, 120, 80, _RDNA),
    "1033": ("vangogh", 144, 0x00000142, 120, 80, _RDNA),
    "1034": ("navi24", 143, 0x00000242, 120, 80, _RDNA),
    "1035": ("yellow carp", 146, 0x00000142, 120, 80, _RDNA),
    "1036": ("ip discovery", 149, 0x00000142, 120, 80, _RDNA),
    "1100": ("ip discovery", 145, 0x00000545, 550, 19, _RDNA),
    "1101": ("ip discovery", 145, 0x00000444, 550, 19, _RDNA),
    "1102": ("ip discovery", 145, 0x00000343, 550, 19, _RDNA),
    "1103": ("ip discovery", 148, 0x00000142, 550, 19, _RDNA),
    "1150": ("ip discovery", 150, 0x00000142, 32, 14, _RDNA),
    "1151": ("ip discovery", 150, 0x00000242, 32, 14, _RDNA),
    "1200": ("ip discovery", 152, 0x00000343, 100, 10, _RDNA),
    "1201": ("ip discovery", 152, 0x00000444, 100, 10, _RDNA),
}
# By device: (external revision, GiB of VRAM, MHz). Sources: chip tables of addrlib, product pages; APUs: a carve-out.
_DEVICES = {
    "vega10": (0x01, 16, 1500),
    "mi50": (0x29, 16, 1725),
    "mi60": (0x29, 32, 1800),
    "mi100": (0x33, 32, 1502),
    "mi210": (0x3D, 64, 1700),
    "mi250": (0x3D, 64, 1700),
    "mi250x": (0x3D, 64, 1700),
    "mi300a": (0x47, 128, 2100),
    "mi300x": (0x47, 192, 2100),
    "mi308x": (0x47, 192, 1420),
    "mi325x": (0x47, 256, 2100),
    "mi350x": (0x51, 288, 2200),
    "mi355x": (0x51, 288, 2400),
    "navi10": (0x02, 8, 2100),
    "navi12": (0x0B, 8, 1800),
    "navi14": (0x15, 8, 1900),
    "navi21": (0x29, 16, 2250),
    "navi22": (0x33, 12, 2600),
    "navi23": (0x3D, 8, 2600),
    "vangogh": (0x02, 1, 1600),
    "navi24": (0x47, 4, 2800),
    "rembrandt": (0x02, 1, 2400),
    "raphael": (0x02, 1, 2200),
    "navi31": (0x02, 24, 2500),
    "navi32": (0x21, 16, 2430),
    "navi33": (0x11, 8, 2655),
    "phoenix": (0x02, 1, 2800),
    "strix": (0x02, 1, 2900),
    "strix-halo": (0xC1, 1, 2900),
    "navi44": (0x41, 16, 3130),
    "navi48": (0x51, 16, 2970),
}
_NAMES = {
    "mi210": ("AMD Instinct MI210", 2, 0x0C34),
    "mi250": ("AMD Instinct MI250X / MI250", 1, 0x0B0C),
    "mi250x": ("AMD Instinct MI250X", 0, 0x0B0C),
    "mi308x": ("AMD Instinct MI308X", 0, 0x74A2),
}


def model_of(key: str) -> Model:
    """The model of a catalogue device; InputError where there is none or runtimes could not use it."""
    part = catalogue.find(key)
    if part.doorbell_bytes != 8:
        raise InputError(
            f"{part.key} has 32-bit doorbells, which the runtimes supported here do not drive",
            todo="choose a device from vega10 on",
        )
    asic, family, gb_addr_config, fw_version, sdma_fw_version, caches = _TARGETS[part.gfx]
    external_revision, gib, clock = _DEVICES[part.key]
    name, revision, subsystem = _NAMES.get(part.key, (f"AMD {part.name}", 0, 0x0C34))
    return Model(
        part, name, asic, family, external_revision, gb_addr_config, gib * GIB, clock, fw_version, sdma_fw_version,
        caches, revision, subsystem,
    )  # fmt: skip
