"""The SDMA engine: copies, fills, writes, fences, polls, atomics, timestamps and traps of one ring, in order.

Packet layouts: :mod:`ringscope.parts.sdma` (source ROCR sdma_registers.h). The doorbell and the read pointer count
bytes and never wrap.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.parts.sdma import (
    ATOMIC,
    COND_EXE,
    CONST_FILL,
    COPY,
    COPY_LINEAR,
    FENCE,
    GCR,
    NOP,
    POLL_REGMEM,
    TIMESTAMP,
    TIMESTAMP_SET,
    TRAP,
    WRITE,
)
from ringscope.virtual import signals
from ringscope.virtual.faults import ERROR_PACKET, Fault, Stall
from ringscope.virtual.pm4 import COMPARE

if TYPE_CHECKING:
    from ringscope.virtual.processor import Processor
    from ringscope.virtual.ring import Ring

FIDELITY = (
    Behaviour(
        "virtual.sdma",
        "SDMA packets: copy, fill, write, fence, poll, atomic, timestamp, trap",
        Standing.CAPTURED,
        "ROCr 5.2.3, 6.1.2 and 6.4.3 run on it",
        "vega10_sdma_pkt_open.h",
        "tests/virtual/test_programs.py::test_copies_are_right",
    ),
)

_COPY_RECT = 4
"""Sub-opcode of the linear sub-window copy (ROCR sdma_registers.h SDMA_PKT_COPY_LINEAR_RECT)."""
_ATOMIC_SWAP, _ATOMIC_CAS, _ATOMIC_ADD, _ATOMIC_SUB = 0x27, 0x28, 0x2F, 0x30
_MASK = 0xFFFFFFFFFFFFFFFF


def run(cp: Processor, ring: Ring) -> int:
    """Take packets up to the doorbell; returns how many."""
    client, space = ring.client, ring.client.space
    rang = client.doorbells[ring.slot]
    taken = 0
    while ring.index < rang and taken < cp.batch:
        at = ring.index % ring.bytes
        room = min(64, ring.bytes - at)
        words = struct.unpack(f"<{room // 4}I", space.read(ring.base + at, room))
        try:
            length = _one(cp, ring, words)
        except Stall:
            ring.last, ring.waiting = rang, True
            return taken
        ring.index += 4 * length
        ring.packets += 1
        taken += 1
        if ring.read_here:
            space.store.words[ring.read_here >> 3] = ring.index
        else:
            space.write64(ring.read_va, ring.index)
    ring.last, ring.waiting = rang, ring.index < rang
    return taken


def _address(words: tuple[int, ...], at: int) -> int:
    return words[at] | words[at + 1] << 32


def _one(cp: Processor, ring: Ring, words: tuple[int, ...]) -> int:
    """Carry out the packet at the head; returns its length in dwords."""
    space = ring.client.space
    head = words[0]
    opcode, sub = head & 0xFF, head >> 8 & 0xFF
    attrs: dict[str, int] = {}
    length = 1
    if opcode == NOP:
        length = 1 + (head >> 16 & 0x3FFF)
    elif opcode == COPY and sub == COPY_LINEAR:
        size, source, target = (words[1] & 0x3FFFFFFF) + 1, _address(words, 3), _address(words, 5)
        length = 7
        space.copy(target, source, size)
        if head >> 27 & 1:
            length = 9
            space.copy(_address(words, 7), source, size)
        attrs = {"bytes": size, "source": source, "target": target}
    elif opcode == COPY and sub == _COPY_RECT:
        length = 13
        attrs = _rectangle(ring, words)
    elif opcode == WRITE:
        count = (words[3] & 0xFFFFF) + 1
        length = 4 + count
        data = space.read(ring.base + (ring.index + 16) % ring.bytes, 4 * count)
        space.write(_address(words, 1), data)
    elif opcode == FENCE:
        length = 4
        space.write32(_address(words, 1), words[3])
    elif opcode == TRAP:
        length = 2
        event = words[1] & 0xFFFFFFF
        ring.client.events.signal(event)
        if cp.record:
            cp.record.interrupt(ring.client, ring, event)
    elif opcode == POLL_REGMEM:
        length = 6
        function = head >> 28 & 7
        if function >= len(COMPARE):
            raise Fault(ERROR_PACKET, f"SDMA poll at byte {ring.index} has function {function}")
        if head >> 31 and not COMPARE[function](space.read32(_address(words, 1)) & words[4], words[3]):
            raise Stall
    elif opcode == ATOMIC:
        length = 8
        _atomic(ring, head >> 25 & 0x7F, _address(words, 1), _address(words, 3), _address(words, 5))
    elif opcode == CONST_FILL:
        length = 5
        size = (words[4] & 0x3FFFFF) + 1
        unit = 1 << (head >> 30)
        # The count is of the last byte, or of the last dword's first byte, depending on the generation.
        size = size + 3 & ~3 if unit == 4 else size
        space.fill(_address(words, 1), words[3].to_bytes(4, "little")[:unit], size)
        attrs = {"bytes": size, "target": _address(words, 1), "value": words[3]}
    elif opcode == TIMESTAMP:
        length = 3
        if sub != TIMESTAMP_SET:
            space.write64(_address(words, 1), signals.gpu_clock())
    elif opcode == COND_EXE:
        length = 5
        if space.read32(_address(words, 1)) != words[3]:
            length += words[4] & 0x3FFF
    elif opcode == GCR:
        length = 5
    else:
        raise Fault(ERROR_PACKET, f"SDMA opcode {opcode} (sub {sub}) at byte {ring.index} is not known")
    if cp.record:
        cp.record.packet(ring, f"sdma-{_NAMES[opcode]}", attrs)
    return length


def _atomic(ring: Ring, operation: int, address: int, value: int, compare: int) -> None:
    space = ring.client.space
    old = space.read64(address)
    if operation == _ATOMIC_ADD:
        space.write64(address, (old + value) & _MASK)
    elif operation == _ATOMIC_SUB:
        space.write64(address, (old - value) & _MASK)
    elif operation == _ATOMIC_SWAP:
        space.write64(address, value)
    elif operation == _ATOMIC_CAS:
        if old == compare:
            space.write64(address, value)
    else:
        raise Fault(ERROR_PACKET, f"SDMA atomic operation {operation:#x} at byte {ring.index} is not known")


def _rectangle(ring: Ring, words: tuple[int, ...]) -> dict[str, int]:
    """A linear sub-window copy: element size 2^n bytes, (x, y, z) offsets and pitches on both sides."""
    space = ring.client.space
    element = 1 << (words[0] >> 29 & 7)
    source, target = _address(words, 1), _address(words, 6)
    sx, sy, sz, spitch, sslice = words[3] & 0x3FFF, words[3] >> 16 & 0x3FFF, words[4] & 0x7FF, words[4] >> 13, words[5]
    tx, ty, tz, tpitch, tslice = words[8] & 0x3FFF, words[8] >> 16 & 0x3FFF, words[9] & 0x7FF, words[9] >> 13, words[10]
    width, height, depth = (words[11] & 0x3FFF) + 1, (words[11] >> 16 & 0x3FFF) + 1, (words[12] & 0x7FF) + 1
    spitch, tpitch, sslice, tslice = spitch + 1, tpitch + 1, sslice + 1, tslice + 1
    for z in range(depth):
        for y in range(height):
            here = source + element * ((sz + z) * sslice + (sy + y) * spitch + sx)
            there = target + element * ((tz + z) * tslice + (ty + y) * tpitch + tx)
            space.copy(there, here, width * element)
    return {"bytes": width * height * depth * element, "source": source, "target": target}


_NAMES = {
    NOP: "nop",
    COPY: "copy",
    WRITE: "write",
    FENCE: "fence",
    TRAP: "trap",
    POLL_REGMEM: "poll",
    ATOMIC: "atomic",
    CONST_FILL: "fill",
    TIMESTAMP: "timestamp",
    COND_EXE: "conditional",
    GCR: "gcr",
}
