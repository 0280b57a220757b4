"""The device catalogue: what each AMD part is, as the compute stack sees it.

The rows stand in :mod:`.rows`. What is not known is None and named in :attr:`Device.unknown`; nothing is guessed. What
can be computed from these rows (slots left to KFD, sizes of save areas, doorbell indexes) is computed by the stack, not
kept here.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any

from ringscope.errors import InputError
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.parts.layout import Generation
from ringscope.parts.pm4 import Format
from ringscope.parts.rows import DEVICES, FAMILIES, Row
from ringscope.records import dataclass, fields

FIDELITY = (
    Behaviour(
        "parts.catalogue",
        "gfx name, XCCs, CUs, slots, VMIDs, doorbells, save-area sizes and SDMA engines of each part",
        Standing.SOURCE,
        "the devices that `ringscope parts devices` lists",
        "kfd_device.c, gfx_v*.c, aqua_vanjaram.c; CU counts of consumer parts are product data",
        "tests/parts/test_catalogue.py::test_rows_of_the_driver",
    ),
    Behaviour(
        "parts.catalogue.mi308x",
        "every figure of the MI308X's row",
        Standing.CAPTURED,
        "MI308X, amdgpu of ROCm 7.0.2",
        "debugfs captures of eight MI308X",
        "tests/parts/test_catalogue.py::test_mi308x_is_the_captured_machine",
    ),
)

DEFAULT_NUM_KCQ = 8
"""Compute rings that amdgpu keeps for itself, spread over the pipes, when ``num_kcq`` is not given (amdgpu_gfx)."""
LAST_VMID = 15


class Scheduler(Enum):
    """Who maps queues to slots by default: firmware from runlists (CPSCH), the driver (NOCPSCH), or MES."""

    CPSCH = "cpsch"
    NOCPSCH = "nocpsch"
    MES = "mes"


@dataclass(frozen=True, slots=True)
class Partition:
    """A compute partition mode of a device.

    ``nodes`` KFD nodes of ``xccs_per_node`` XCCs each; ``vmids`` holds (first, last) KFD VMID, one entry for all nodes
    or, where neighbours share the VMID space, one for even and one for odd nodes.
    """

    name: str
    nodes: int
    xccs_per_node: int
    vmids: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One part. None means unknown (see ``unknown``), except where a field says what else it means.

    Args:
        key: short name, as used on the command line and in scenario files.
        name: product names.
        gfx: ISA target without the ``gfx`` prefix, such as ``942`` or ``90a``.
        gc: IP version of the graphics core.
        gfx_target_version: the number in KFD's topology.
        device_ids: PCI device ids; empty when unknown.
        generation: family of MQD layouts.
        xccs: XCCs of the whole device.
        cus_per_xcc: usable CUs of one XCC.
        shader_engines_per_xcc: shader engines of one XCC.
        array_count: shader arrays of the whole device, KFD's ``array_count``.
        cus_per_array: physical CUs of a shader array, KFD's ``cu_per_simd_array``.
        simd_per_cu, waves_per_simd, wave_size: shape of a CU; wave_size in work-items.
        lds_bytes, vgpr_bytes_per_cu: memories of a CU.
        mec_pipes, queues_per_pipe: hardware slots of the MEC that KFD uses, per XCC.
        kfd_first_pipe: first pipe whose slots KFD gets.
        kfd_queues_per_xcc: slots left to KFD with the default ``num_kcq``.
        queues_per_process: most queues of one process on one node.
        first_vmid: first VMID of KFD; the last is 15.
        gws: global wave sync entries.
        doorbell_bytes: size of a doorbell.
        non_cp_doorbells: first and last 8-byte entry of a doorbell page that KFD must not give to CP queues; None on
            parts with 4-byte doorbells, which have no such range.
        sdma_doorbell_base, sdma_doorbell_step: entry of SDMA engine 0 and distance to the next one; None likewise.
        hiq_doorbell: doorbell of the HIQ, as dword index of the BAR; None where MES makes a HIQ needless.
        first_process_doorbell: where the first process's doorbells begin, as dword index of the BAR.
        scheduler: who maps queues by default.
        packet_format: format of the packets in the HIQ; None where MES makes a HIQ needless.
        sdma_engines, sdma_xgmi_engines: engines for PCIe and for xGMI traffic.
        sdma_queues_per_engine: queues of an engine, of which ``sdma_reserved_queues`` are kept from KFD.
        eop_bytes: size of an end-of-pipe buffer.
        cwsr: whether waves can be saved and restored.
        partitions: compute partition modes, SPX first.
        source: keys of :mod:`ringscope.parts.sources`.
        unknown: names of the fields that are not known.
    """

    key: str
    name: str
    gfx: str
    gc: str
    gfx_target_version: int
    device_ids: tuple[int, ...]
    generation: Generation
    xccs: int
    cus_per_xcc: int
    shader_engines_per_xcc: int | None
    array_count: int | None
    cus_per_array: int | None
    simd_per_cu: int
    waves_per_simd: int
    wave_size: int
    lds_bytes: int
    vgpr_bytes_per_cu: int
    mec_pipes: int
    queues_per_pipe: int
    kfd_first_pipe: int
    kfd_queues_per_xcc: int
    queues_per_process: int
    first_vmid: int
    gws: int | None
    doorbell_bytes: int
    non_cp_doorbells: tuple[int, int] | None
    sdma_doorbell_base: int | None
    sdma_doorbell_step: int | None
    hiq_doorbell: int | None
    first_process_doorbell: int
    scheduler: Scheduler
    packet_format: Format | None
    sdma_engines: int | None
    sdma_xgmi_engines: int | None
    sdma_queues_per_engine: int
    sdma_reserved_queues: int
    eop_bytes: int
    cwsr: bool
    partitions: tuple[Partition, ...]
    source: str
    unknown: tuple[str, ...]

    @property
    def cus(self) -> int:
        """CUs of the whole device."""
        return self.xccs * self.cus_per_xcc

    @property
    def vmids(self) -> int:
        """Number of VMIDs that KFD has on an unpartitioned device."""
        return LAST_VMID - self.first_vmid + 1

    @property
    def save_bytes_per_cu(self) -> int:
        """Bytes of a compute queue's save area for the waves of one CU: VGPRs, SGPRs, LDS, hardware registers.

        Source: VGPR_SIZE_PER_CU, SGPR_SIZE_PER_CU, LDS_SIZE_PER_CU (the CU's real LDS on gfx950), HWREG_SIZE_PER_CU in
        kfd_queue.c; facts §9.2.
        """
        return self.vgpr_bytes_per_cu + 0x4000 + (self.lds_bytes if self.gfx == "950" else 0x10000) + 0x1000

    def partition(self, name: str) -> Partition:
        """The partition mode called ``name`` (any case); InputError when the device has none such."""
        for mode in self.partitions:
            if mode.name == name.upper():
                return mode
        raise InputError(
            f"{self.key} has no partition mode {name!r}", todo=f"it has {', '.join(p.name for p in self.partitions)}"
        )


# XCCs of a node in each mode, as a divisor of the device's XCCs; 0: one XCC a node (aqua_vanjaram).
_NODES = {"SPX": 1, "DPX": 2, "TPX": 3, "QPX": 4, "CPX": 0}
# In CPX two neighbouring nodes share a VMID space and take a half each (kfd_device).
_CPX_VMIDS = ((4, 9), (10, 15))
# ISA targets of each family of MQD layouts (kfd_device).
_TARGETS = {
    Generation.VI: "801 802 803 805 810",
    Generation.V9: "900 902 904 906 908 909 90a 90c",
    Generation.V9_4_3: "940 941 942 950",
    Generation.V10: "1010 1011 1012 1013 1030 1031 1032 1033 1034 1035 1036",
    Generation.V11: "1100 1101 1102 1103 1150 1151 1152 1153",
    Generation.V12: "1200 1201",
}
# Fields that a device may leave out: unknown, or (second tuple) meaning that there is none.
_MAY_BE_UNKNOWN = ("shader_engines_per_xcc", "array_count", "cus_per_array", "gws", "sdma_engines", "sdma_xgmi_engines")
_MAY_BE_ABSENT = ("non_cp_doorbells", "sdma_doorbell_base", "sdma_doorbell_step", "hiq_doorbell", "packet_format")


def _partition(name: str, xccs: int, first_vmid: int) -> Partition:
    nodes = _NODES[name] or xccs
    shared = name == "CPX" and nodes > 1
    return Partition(name, nodes, xccs // nodes, _CPX_VMIDS if shared else ((first_vmid, LAST_VMID),))


def _merged(row: Row) -> dict[str, Any]:
    family = row.get("family")
    return {**_merged(FAMILIES[str(family)]), **row} if family else dict(row)


@cache
def _device(key: str) -> Device:
    full = _merged(DEVICES[key])
    full.pop("family", None)
    values: dict[str, Any] = dict.fromkeys((*_MAY_BE_UNKNOWN, *_MAY_BE_ABSENT))
    values |= {name: None if value in ("unknown", "none") else value for name, value in full.items()}
    extra = values.pop("extra_source", None)
    values["source"] = ", ".join(filter(None, (values["source"], extra)))
    values["device_ids"] = tuple(values.get("device_ids", ()))
    values["kfd_first_pipe"] = values.get("kfd_first_pipe", 0)
    values["generation"] = Generation(values["generation"])
    values["scheduler"] = Scheduler(values["scheduler"])
    values["packet_format"] = values["packet_format"] and Format(values["packet_format"])
    values["non_cp_doorbells"] = values["non_cp_doorbells"] and tuple(values["non_cp_doorbells"])
    values["partitions"] = tuple(_partition(n, values["xccs"], values["first_vmid"]) for n in values["partitions"])
    unknown = [name for name in _MAY_BE_UNKNOWN if values[name] is None]
    if not values["device_ids"]:
        unknown.append("device_ids")
    return Device(key=key, unknown=tuple(unknown), **values)


@cache
def devices() -> tuple[Device, ...]:
    """Every device of the catalogue, oldest first."""
    return tuple(map(_device, DEVICES))


def _near(word: str, known: list[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415

    near = get_close_matches(word, known, 4, 0.5)
    return f"near ones: {', '.join(near)}" if near else f"known: {', '.join(known)}"


def find(key: str) -> Device:
    """The device called ``key`` (any case); InputError naming near ones when there is none."""
    if key.lower() in DEVICES:
        return _device(key.lower())
    raise InputError(f"no device {key!r} in the catalogue", todo=_near(key.lower(), list(DEVICES)))


def by_gfx_target_version(number: int) -> tuple[Device, ...]:
    """Devices whose ``gfx_target_version`` in KFD's topology is ``number``; empty when the catalogue has none."""
    return tuple(device for device in devices() if device.gfx_target_version == number)


def for_gfx(gfx: str) -> tuple[Device, ...]:
    """Devices with the ISA target ``gfx`` (``942``, ``gfx90a``); InputError naming near ones when there is none."""
    wanted = gfx.lower().removeprefix("gfx")
    found = tuple(device for device in devices() if device.gfx == wanted)
    if not found:
        raise InputError(f"no device with target gfx{wanted}", todo=_near(wanted, sorted({d.gfx for d in devices()})))
    return found


def generation_of_gfx(gfx: str) -> Generation:
    """Family of MQD layouts of an ISA target, in the catalogue or not; InputError when KFD drives no such target."""
    wanted = gfx.lower().removeprefix("gfx")
    for generation, targets in _TARGETS.items():
        if wanted in targets.split():
            return generation
    raise InputError(f"no target gfx{wanted}", todo=_near(wanted, " ".join(_TARGETS.values()).split()))


def known_fields(device: Device) -> dict[str, Any]:
    """The fields of a device by name, in the order of the table, unknown ones as None."""
    return {field.name: getattr(device, field.name) for field in fields(device)}
