"""PM4 type-3 packets of user queues: on PM4 queues, and in the indirect buffers that AQL vendor packets name.

Field positions: :mod:`ringscope.parts.pm4`. What changes no memory (cache maintenance, most registers) is done by doing
nothing; a dispatch is a kernel of the program's own and goes the way of one (:mod:`.kernels`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ringscope.parts import pm4
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.virtual import signals
from ringscope.virtual.faults import ERROR_PACKET, Fault, Stall
from ringscope.virtual.ring import Dispatch, Ring

if TYPE_CHECKING:
    from ringscope.virtual.front import Front

FIDELITY = (
    Behaviour(
        "virtual.pm4",
        "PM4 packets of user queues and indirect buffers",
        Standing.SOURCE,
        "gfx9",
        "soc15d.h",
        "tests/virtual/test_pm4.py::test_write_data_release_and_wait",
    ),
)

DISPATCH_DIRECT, DISPATCH_INDIRECT, SET_SH_REG = 0x15, 0x16, 0x76
SET_UCONFIG_REG, EVENT_WRITE, CLEAR_STATE, CONTEXT_CONTROL = 0x79, 0x46, 0x12, 0x28
_QUIET = {pm4.NOP, pm4.ACQUIRE_MEM, SET_UCONFIG_REG, CLEAR_STATE, CONTEXT_CONTROL}
_CS_PARTIAL_FLUSH = 7
"""VGT_EVENT_TYPE: go on when the queue's kernels are done (gc_9_*_enum.h)."""
_NUM_THREADS, _PGM, _RSRC1, _RSRC2 = 0x207, 0x20C, 0x212, 0x213
"""COMPUTE_NUM_THREAD_X, PGM_LO, PGM_RSRC1, PGM_RSRC2 as SET_SH_REG counts registers, from 0x2C00 (gc_9_*_offset.h)."""
_LDS_GRANULE = 512
"""Bytes that one step of COMPUTE_PGM_RSRC2.LDS_SIZE stands for (LLVM AMDGPUUsage: 128 dwords since GFX7)."""
_THREAD_DIMENSIONS = 1 << 5
"""COMPUTE_DISPATCH_INITIATOR.USE_THREAD_DIMENSIONS: the packet counts work-items."""
_WAVE32 = 1 << 15
"""COMPUTE_DISPATCH_INITIATOR.CS_W32_EN (GFX10 on)."""
_DEPTH = 4
"""Indirect buffers may call further ones this deep; hardware allows two levels, real clients use one."""


def _always(*_: int) -> bool:
    return True


COMPARE = (_always, int.__lt__, int.__le__, int.__eq__, int.__ne__, int.__ge__, int.__gt__)
"""``function`` of WAIT_REG_MEM, and of SDMA's POLL_REGMEM."""


def run(cp: Front, ring: Ring) -> int:
    """Take packets of a PM4 queue up to its doorbell; returns how many. The doorbell is the write pointer in dwords."""
    client = ring.client
    rang = client.doorbells[ring.slot]
    dwords = ring.bytes // 4
    taken = 0
    while ring.index < rang and taken < cp.batch:
        word = client.space.read32(ring.base + ring.index % dwords * 4)
        length = _length(ring, word)
        if ring.index + length > rang:
            raise Fault(ERROR_PACKET, f"PM4 packet at dword {ring.index} is longer than what was submitted")
        words = [client.space.read32(ring.base + (ring.index + i) % dwords * 4) for i in range(length)]
        try:
            execute(cp, ring, words)
        except Stall:
            ring.last, ring.waiting = rang, True
            return taken
        ring.index += length
        ring.packets += 1
        taken += 1
        client.space.write32(ring.read_va, ring.index % dwords)
        if cp.record:
            cp.record.packet(ring, "pm4", {"opcode": pm4.opcode_of(word), "dwords": length})
    ring.last, ring.waiting = rang, ring.index < rang or bool(ring.busy)
    return taken


def _length(ring: Ring, word: int) -> int:
    try:
        return pm4.packet_dwords(word)
    except ValueError as error:
        raise Fault(ERROR_PACKET, f"PM4 dword {ring.index}: {error}") from error


def execute(cp: Front, ring: Ring, words: list[int]) -> None:
    """Carry out the packets in ``words``; raises Stall to be called again with the same ones.

    What was carried out before a stall is not done again: ``ring.step`` counts it.
    """
    for index, packet in enumerate(_flat(ring, words, 0)):
        if index >= ring.step:
            _one(cp, ring, packet)
            ring.step = index + 1
    ring.step = 0


def _flat(ring: Ring, words: list[int], depth: int) -> Iterator[list[int]]:
    """Packets in the order of their execution, those of indirect buffers in the place of the call."""
    at = 0
    while at < len(words):
        length = _length(ring, words[at])
        packet = words[at : at + length]
        if len(packet) < length:
            raise Fault(ERROR_PACKET, "a PM4 packet is longer than its buffer")
        opcode = pm4.opcode_of(packet[0])
        if len(packet) < _SHORTEST.get(opcode, 1):
            raise Fault(ERROR_PACKET, f"PM4 {pm4.OPCODES.get(opcode, hex(opcode))} has {len(packet)} dwords")
        if opcode == pm4.INDIRECT_BUFFER:
            if depth >= _DEPTH:
                raise Fault(ERROR_PACKET, "PM4 indirect buffers call each other without end")
            size = packet[3] & 0xFFFFF
            body = ring.client.space.read((packet[1] & ~3) | packet[2] << 32, size * 4)
            yield from _flat(ring, list(struct.unpack(f"<{size}I", body)), depth + 1)
        else:
            yield packet
        at += length


def _one(cp: Front, ring: Ring, packet: list[int]) -> None:
    opcode = pm4.opcode_of(packet[0])
    space = ring.client.space
    if opcode in _QUIET:
        return
    if opcode == EVENT_WRITE:
        if packet[1] & 0x3F == _CS_PARTIAL_FLUSH and ring.busy:
            raise Stall
    elif opcode == SET_SH_REG:
        first = packet[1] & 0xFFFF
        ring.registers |= {first + i: word for i, word in enumerate(packet[2:])}
    elif opcode == DISPATCH_DIRECT:
        _dispatch(cp, ring, (packet[1], packet[2], packet[3]), packet[4])
    elif opcode == DISPATCH_INDIRECT:
        where = (packet[1] & ~3) | packet[2] << 32
        x, y, z = struct.unpack("<3I", space.read(where, 12))
        _dispatch(cp, ring, (x, y, z), packet[3])
    elif opcode == pm4.WRITE_DATA:
        if packet[1] >> 8 & 0xF in (1, 2, 5):
            address, data = (packet[2] & ~3) | packet[3] << 32, packet[4:]
            if packet[1] >> 16 & 1:
                space.write32(address, data[-1])
            else:
                space.write(address, struct.pack(f"<{len(data)}I", *data))
    elif opcode == pm4.WAIT_REG_MEM:
        if packet[1] & 7 >= len(COMPARE):
            raise Fault(ERROR_PACKET, f"PM4 wait with function {packet[1] & 7}")
        if packet[1] >> 4 & 3 == 1:
            found = space.read32((packet[2] & ~3) | packet[3] << 32) & packet[5]
            if not COMPARE[packet[1] & 7](found, packet[4]):
                raise Stall
    elif opcode == pm4.RELEASE_MEM:
        _release(cp, ring, packet)
    else:
        raise Fault(ERROR_PACKET, f"PM4 opcode {opcode:#x} is not carried out on this device")


def _dispatch(cp: Front, ring: Ring, counts: tuple[int, int, int], initiator: int) -> None:
    """A kernel described by the shader registers that the queue has set; counts of workgroups, or of work-items."""
    registers = ring.registers
    size = [registers.get(_NUM_THREADS + i, 0) & 0xFFFF for i in range(3)]
    code = (registers.get(_PGM, 0) | registers.get(_PGM + 1, 0) << 32) << 8
    if 0 in size or 0 in counts or not code:
        raise Fault(ERROR_PACKET, f"PM4 dispatch of {counts}, workgroups of {size}, code at {code:#x}")
    unit = (1, 1, 1) if initiator & _THREAD_DIMENSIONS else size
    grid = [count * step for count, step in zip(counts, unit, strict=True)]
    lds_bytes = (registers.get(_RSRC2, 0) >> 15 & 0x1FF) * _LDS_GRANULE
    job = Dispatch(3, (size[0], size[1], size[2]), (grid[0], grid[1], grid[2]), 0, lds_bytes, code, 0)
    cp.kernels.launch(ring, job, registers.get(_RSRC1, 0), bool(initiator & _WAVE32))


def _release(cp: Front, ring: Ring, packet: list[int]) -> None:
    """End of pipe: when everything before it is done, write and interrupt."""
    if ring.busy:
        raise Stall
    space = ring.client.space
    address, what = (packet[3] & ~3) | packet[4] << 32, packet[2] >> 29 & 7
    if what == 1:
        space.write32(address, packet[5])
    elif what == 2:
        space.write64(address, packet[5] | packet[6] << 32)
    elif what == 3:
        space.write64(address, signals.gpu_clock())
    elif what:
        raise Fault(ERROR_PACKET, f"PM4 end of pipe writes data of kind {what}")
    if packet[2] >> 24 & 7 and len(packet) > 7:
        ring.client.events.signal(packet[7] & 0xFFFFFF)
        if cp.record:
            cp.record.interrupt(ring.client, ring, packet[7])


_SHORTEST = {
    EVENT_WRITE: 2,
    SET_SH_REG: 3,
    DISPATCH_DIRECT: 5,
    DISPATCH_INDIRECT: 4,
    pm4.INDIRECT_BUFFER: 4,
    pm4.WRITE_DATA: 5,
    pm4.WAIT_REG_MEM: 7,
    pm4.RELEASE_MEM: 7,
}
