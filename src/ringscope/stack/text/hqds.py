"""``/sys/kernel/debug/kfd/hqds``: the registers of every hardware queue slot the driver may use, busy or not.

Per device and XCC the HIQ comes first, then the compute slots by pipe and queue; SDMA slots close the device. Source:
T/amdkfd/kfd_device_queue_manager.c ``dqm_debugfs_hqds``, ``seq_reg_dump``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ringscope.parts.layout import Generation
from ringscope.snapshot import Device, Hqd, Snapshot
from ringscope.stack.text import hexdump

FIRST_DWORD = 128
"""MQD dword that mirrors CP_MQD_BASE_ADDR, the first register of the dump."""

CP_MQD_BASE = {
    Generation.VI: 0x3245,
    Generation.V9: 0x2000 + 0x1245,
    Generation.V9_4_3: 0x2000 + 0x1245,
    Generation.V10: 0x1260 + 0x1FA9,
    Generation.V11: 0x1260 + 0x1FA9,
    Generation.V12: 0x1260 + 0x1FA9,
}
"""Dword address of CP_MQD_BASE_ADDR on XCC 0: the GC segment's base plus the register's offset.

v9.4.3 is confirmed by the MI308X capture (0xc914); the others are the offsets of the gc_*_offset.h headers and
gfx_8_0_d.h, unconfirmed by any capture.
"""
XCC_STEP = 0x10000
"""Dwords between the GC segments of two physical XCCs of v9.4.3 (MI308X capture: 0x2000, 0x32000, 0x42000, 0x72000)."""

HARVESTED_XCCS = {4: (0, 3, 4, 7)}
"""Physical numbers of the XCCs of a device that shows so many; those of the MI308X are read off its register addresses.

A device of another number of XCCs is taken to have them all, counted from 0 (inferred).
"""

VI_HQD_DWORDS = 54
VI_MASKS = (0x2E16 * 4, 0x2E19 * 4)
"""VI prints COMPUTE_STATIC_THREAD_MGMT_SE0 and SE1, SE2 and SE3 before a slot's 54 registers (amdgpu_amdkfd_gfx_v8.c).

A Snapshot does not hold them: every CU is shown as enabled, the value without a CU mask.
"""


def hqds(snapshot: Snapshot) -> str:
    """The file as the driver would print it for the devices of ``snapshot``."""
    text = "".join(part for number, device in enumerate(snapshot.devices) for part in _device(number, device))
    return f"{text[1:]}\n" if text else ""


def title(number: int, device: Device) -> str:
    """The line above a device's dump; a device of unknown node is named by its place in the list."""
    return f"Node {number if device.node is None else device.node}, gpu_id {device.gpu_id:x}:"


def address(device: Device, xcc: int, first_dword: int = FIRST_DWORD) -> int:
    """Byte address of the register that MQD dword ``first_dword`` mirrors, on logical XCC ``xcc`` of ``device``."""
    generation = device.generation or Generation.V9_4_3
    physical = HARVESTED_XCCS.get(device.xccs, range(device.xccs))[xcc]
    return (CP_MQD_BASE[generation] + XCC_STEP * physical + first_dword - FIRST_DWORD) * 4


def _device(number: int, device: Device) -> Iterator[str]:
    yield f"\n{title(number, device)}"
    if device.stopped:
        yield "\n Device is stopped"
        return
    for xcc in sorted({slot.xcc for slot in (*device.hiqs, *device.hqds)}):
        for slot in _of(device.hiqs, xcc):
            yield f"\n   Inst {xcc}, HIQ on MEC {slot.mec} Pipe {slot.pipe} Queue {slot.queue}"
            yield _registers(device, slot)
        for slot in _of(device.hqds, xcc):
            yield f"\n Inst {xcc},  CP Pipe {slot.pipe}, Queue {slot.queue}"
            yield _registers(device, slot)
    for rlc in device.sdma:
        yield f"\n  SDMA Engine {rlc.engine}, RLC {rlc.rlc}"
        yield "".join(hexdump.registers(run.address, run.data) for run in rlc.runs)


def _of(slots: Sequence[Hqd], xcc: int) -> list[Hqd]:
    return sorted((slot for slot in slots if slot.xcc == xcc), key=lambda slot: (slot.pipe, slot.queue))


def _registers(device: Device, slot: Hqd) -> str:
    base, data = address(device, slot.xcc, slot.image.first_dword), slot.image.data
    if device.generation is not Generation.VI:
        return hexdump.registers(base, data)
    masks = "".join(hexdump.registers(mask, b"\xff" * 8) for mask in VI_MASKS)
    return masks + hexdump.registers(base, data[: 4 * VI_HQD_DWORDS])
