"""The SDMA engine: copies, fills, writes, fences, polls, atomics, timestamps and traps of one ring, in order.

Packet layouts: :mod:`ringscope.parts.sdma` (source ROCR sdma_registers.h). The doorbell and the read pointer count
bytes and never wrap.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
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
    INDIRECT,
    NOP,
    PACKETS,
    POLL_REGMEM,
    TIMESTAMP,
    TIMESTAMP_SET,
    TRAP,
    WRITE,
    WRITE_LINEAR,
)
from ringscope.virtual import signals
from ringscope.virtual.faults import ERROR_PACKET, Fault, Stall
from ringscope.virtual.pm4 import COMPARE

if TYPE_CHECKING:
    from ringscope.virtual.front import Front
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
_DWORDS = {row.op: row.dwords for row in PACKETS} | {WRITE: 4}
_RECT_DWORDS = 13
"""Dwords of a packet without the data that follows some; NOP is its header and what that counts."""


def run(cp: Front, ring: Ring) -> int:
    """Take packets up to the doorbell; returns how many."""
    client, space = ring.client, ring.client.space
    rang = client.doorbells[ring.slot]
    taken = 0
    while ring.index < rang and taken < cp.batch:
        try:
            length = _packet(cp, ring, lambda at, dwords: _around(ring, at, dwords))
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


def _around(ring: Ring, at: int, dwords: int) -> bytes:
    """Dwords of the ring from the head on, which may lie on both sides of its end."""
    start, size = (ring.index + 4 * at) % ring.bytes, 4 * dwords
    first = min(size, ring.bytes - start)
    data = ring.client.space.read(ring.base + start, first)
    return data if first == size else data + ring.client.space.read(ring.base, size - first)


_Fetch = Callable[[int, int], bytes]
"""Bytes of the packet at the head: from which dword on, and how many dwords."""


def _packet(cp: Front, ring: Ring, fetch: _Fetch) -> int:
    """Carry out the packet at the head of the ring; returns its length in dwords."""
    head = int.from_bytes(fetch(0, 1), "little")
    if head & 0xFF == INDIRECT:
        _indirect(cp, ring, struct.unpack("<6I", fetch(0, 6)))
        return 6
    return _one(cp, ring, head, fetch)


def _indirect(cp: Front, ring: Ring, words: tuple[int, ...]) -> None:
    """Carry out an indirect buffer; after a stall it goes on at the packet that stalled."""
    base, size = _address(words, 1), words[3] & 0xFFFFF
    space = ring.client.space
    while ring.step < size:
        start = ring.step

        def fetch(at: int, dwords: int, start: int = start) -> bytes:
            if start + at + dwords > size:
                raise Fault(ERROR_PACKET, f"SDMA packet at dword {start} of an indirect buffer is longer than it")
            return space.read(base + 4 * (start + at), 4 * dwords)

        head = int.from_bytes(fetch(0, 1), "little")
        ring.step += _one(cp, ring, head, fetch)
    ring.step = 0
    if cp.record:
        cp.record.packet(ring, f"sdma-{_NAMES[INDIRECT]}", {"address": base, "dwords": size})


def _address(words: tuple[int, ...], at: int) -> int:
    return words[at] | words[at + 1] << 32


def _one(cp: Front, ring: Ring, head: int, fetch: _Fetch) -> int:
    """Carry out a packet that is not indirect; returns its length in dwords."""
    space = ring.client.space
    opcode, sub = head & 0xFF, head >> 8 & 0xFF
    fixed = _RECT_DWORDS if opcode == COPY and sub == _COPY_RECT else _DWORDS.get(opcode, 1)
    fixed += 2 if opcode == COPY and head >> 27 & 1 else 0
    words = struct.unpack(f"<{fixed}I", fetch(0, fixed))
    attrs: dict[str, int] = {}
    length = fixed
    if opcode == NOP:
        length = 1 + (head >> 16 & 0x3FFF)
    elif opcode == COPY and sub == COPY_LINEAR:
        size, source, target = (words[1] & 0x3FFFFFFF) + 1, _address(words, 3), _address(words, 5)
        space.copy(target, source, size)
        if head >> 27 & 1:
            space.copy(_address(words, 7), source, size)
        attrs = {"bytes": size, "source": source, "target": target}
    elif opcode == COPY and sub == _COPY_RECT:
        attrs = _rectangle(cp, ring, words)
    elif opcode == WRITE and sub == WRITE_LINEAR:
        count = (words[3] & 0xFFFFF) + 1
        length += count
        space.write(_address(words, 1), fetch(4, count))
    elif opcode == FENCE:
        space.write32(_address(words, 1), words[3])
    elif opcode == TRAP:
        event = words[1] & 0xFFFFFFF
        ring.client.events.signal(event)
        if cp.record:
            cp.record.interrupt(ring.client, ring, event)
    elif opcode == POLL_REGMEM:
        function = head >> 28 & 7
        if function >= len(COMPARE):
            raise Fault(ERROR_PACKET, f"SDMA poll at byte {ring.index} has function {function}")
        if head >> 31 and not COMPARE[function](space.read32(_address(words, 1)) & words[4], words[3]):
            raise Stall
    elif opcode == ATOMIC:
        _atomic(ring, head >> 25 & 0x7F, _address(words, 1), _address(words, 3), _address(words, 5))
    elif opcode == CONST_FILL:
        size = (words[4] & 0x3FFFFF) + 1
        unit = 1 << (head >> 30)
        # The count is of the last byte, or of the last dword's first byte, depending on the generation.
        size = size + 3 & ~3 if unit == 4 else size
        space.fill(_address(words, 1), words[3].to_bytes(4, "little")[:unit], size)
        attrs = {"bytes": size, "target": _address(words, 1), "value": words[3]}
    elif opcode == TIMESTAMP:
        if sub != TIMESTAMP_SET:
            space.write64(_address(words, 1), signals.gpu_clock())
    elif opcode == COND_EXE:
        if space.read32(_address(words, 1)) != words[3]:
            length += words[4] & 0x3FFF
    elif opcode != GCR:
        raise Fault(ERROR_PACKET, f"SDMA opcode {opcode} (sub {sub}) at byte {ring.index} is not known")
    if cp.record:
        cp.record.packet(ring, f"sdma-{_NAMES[opcode]}", attrs)
    return length


def _atomic(ring: Ring, operation: int, address: int, value: int, compare: int) -> None:
    space = ring.client.space
    if operation == _ATOMIC_ADD and value == _MASK:
        space.decrement64(address)  # how ROCr completes a signal
        return
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


def _rectangle(cp: Front, ring: Ring, words: tuple[int, ...]) -> dict[str, int]:
    """A linear sub-window copy: element size 2^n bytes, (x, y, z) offsets and pitches on both sides.

    gfx12 has wider fields for all but the pitch (ROCR SDMA_PKT_COPY_LINEAR_RECT_GFX12).
    """
    space = ring.client.space
    element = 1 << (words[0] >> 29 & 7)
    xy, z_bits, pitch_at = (0xFFFF, 0x3FFF, 16) if cp.kernels.gfx.startswith("12") else (0x3FFF, 0x7FF, 13)

    def window(at: int) -> Callable[[int, int], int]:
        base, x, y, z = _address(words, at), words[at + 2] & xy, words[at + 2] >> 16 & xy, words[at + 3] & z_bits
        pitch, slice_ = (words[at + 3] >> pitch_at) + 1, words[at + 4] + 1
        return lambda row, layer: base + element * ((z + layer) * slice_ + (y + row) * pitch + x)

    source, target = window(1), window(6)
    width, height, depth = (words[11] & xy) + 1, (words[11] >> 16 & xy) + 1, (words[12] & z_bits) + 1
    for layer in range(depth):
        for row in range(height):
            space.copy(target(row, layer), source(row, layer), width * element)
    return {"bytes": width * height * depth * element, "source": _address(words, 1), "target": _address(words, 6)}


_NAMES = {
    NOP: "nop",
    COPY: "copy",
    INDIRECT: "indirect",
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
