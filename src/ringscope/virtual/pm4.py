"""PM4 type-3 packets of user queues: on PM4 queues, and in the indirect buffers that AQL vendor packets name.

Field positions: :mod:`ringscope.parts.pm4`. What changes no memory (cache maintenance, registers) is done by doing
nothing; what would start a kernel is not known here.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ringscope.parts import pm4
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.virtual import signals
from ringscope.virtual.faults import ERROR_PACKET, Fault, Stall

if TYPE_CHECKING:
    from ringscope.virtual.processor import Processor
    from ringscope.virtual.ring import Ring

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

SET_SH_REG, SET_UCONFIG_REG, EVENT_WRITE, CLEAR_STATE, CONTEXT_CONTROL = 0x76, 0x79, 0x46, 0x12, 0x28
_QUIET = {pm4.NOP, pm4.ACQUIRE_MEM, SET_SH_REG, SET_UCONFIG_REG, EVENT_WRITE, CLEAR_STATE, CONTEXT_CONTROL}
_DEPTH = 4
"""Indirect buffers may call further ones this deep; hardware allows two levels, real clients use one."""


def _always(*_: int) -> bool:
    return True


COMPARE = (_always, int.__lt__, int.__le__, int.__eq__, int.__ne__, int.__ge__, int.__gt__)
"""``function`` of WAIT_REG_MEM, and of SDMA's POLL_REGMEM."""


def run(cp: Processor, ring: Ring) -> int:
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
    ring.last, ring.waiting = rang, ring.index < rang
    return taken


def _length(ring: Ring, word: int) -> int:
    try:
        return pm4.packet_dwords(word)
    except ValueError as error:
        raise Fault(ERROR_PACKET, f"PM4 dword {ring.index}: {error}") from error


def execute(cp: Processor, ring: Ring, words: list[int], depth: int = 0) -> None:
    """Carry out the packets in ``words``; raises Stall to be called again with the same ones."""
    at = 0
    while at < len(words):
        length = _length(ring, words[at])
        packet = words[at : at + length]
        if len(packet) < length:
            raise Fault(ERROR_PACKET, "a PM4 packet is longer than its buffer")
        _one(cp, ring, packet, depth)
        at += length


def _one(cp: Processor, ring: Ring, packet: list[int], depth: int) -> None:
    opcode = pm4.opcode_of(packet[0])
    space = ring.client.space
    if opcode in _QUIET:
        return
    if len(packet) < _SHORTEST.get(opcode, 1):
        raise Fault(ERROR_PACKET, f"PM4 {pm4.OPCODES.get(opcode, hex(opcode))} has {len(packet)} dwords")
    if opcode == pm4.INDIRECT_BUFFER:
        size = packet[3] & 0xFFFFF
        if depth >= _DEPTH:
            raise Fault(ERROR_PACKET, "PM4 indirect buffers call each other without end")
        body = space.read((packet[1] & ~3) | packet[2] << 32, size * 4)
        execute(cp, ring, list(struct.unpack(f"<{size}I", body)), depth + 1)
    elif opcode == pm4.WRITE_DATA:
        if packet[1] >> 8 & 0xF in (1, 2, 5):
            address, data = (packet[2] & ~3) | packet[3] << 32, packet[4:]
            if packet[1] >> 16 & 1:
                space.write32(address, data[-1])
            else:
                space.write(address, struct.pack(f"<{len(data)}I", *data))
    elif opcode == pm4.WAIT_REG_MEM:
        if packet[1] >> 4 & 3 == 1:
            found = space.read32((packet[2] & ~3) | packet[3] << 32) & packet[5]
            if packet[1] & 7 >= len(COMPARE) or not COMPARE[packet[1] & 7](found, packet[4]):
                raise Stall
    elif opcode == pm4.RELEASE_MEM:
        address, what = (packet[3] & ~3) | packet[4] << 32, packet[2] >> 29 & 7
        if what == 1:
            space.write32(address, packet[5])
        elif what == 2:
            space.write64(address, packet[5] | packet[6] << 32)
        elif what == 3:
            space.write64(address, signals.gpu_clock())
        if packet[2] >> 24 & 7 and len(packet) > 7:
            ring.client.events.signal(packet[7] & 0xFFFFFF)
            if cp.record:
                cp.record.interrupt(ring.client, ring, packet[7])
    else:
        raise Fault(ERROR_PACKET, f"PM4 opcode {opcode:#x} is not carried out on this device")


_SHORTEST = {pm4.INDIRECT_BUFFER: 4, pm4.WRITE_DATA: 5, pm4.WAIT_REG_MEM: 7, pm4.RELEASE_MEM: 7}
