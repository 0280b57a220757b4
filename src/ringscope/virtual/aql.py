"""The AQL front end: barriers, dispatches and vendor packets of one ring, in order (facts §12)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.virtual import pm4, signals
from ringscope.virtual.faults import ERROR_PACKET, Fault, Stall
from ringscope.virtual.ring import AQL_PACKET, Ring

if TYPE_CHECKING:
    from ringscope.virtual.front import Front

FIDELITY = (
    Behaviour(
        "virtual.aql",
        "AQL packets in ring order, barrier bit, dependency and completion signals",
        Standing.CAPTURED,
        "ROCr 5.2.3, 6.1.2 and 6.4.3 run on it",
        "HSA runtime specification; amd_hsa_signal.h",
        "tests/virtual/test_aql.py::test_packets_are_taken_in_order_around_the_ring",
    ),
)

VENDOR, INVALID, DISPATCH, BARRIER_AND, AGENT_DISPATCH, BARRIER_OR = range(6)
FORMAT_PM4_IB, FORMAT_BARRIER_VALUE = 1, 2
_BARRIER_BIT = 1 << 8
_CONDITIONS = (int.__eq__, int.__ne__, int.__lt__, int.__ge__)
"""``hsa_signal_condition32_t``: EQ, NE, LT, GTE."""


def run(cp: Front, ring: Ring) -> int:
    """Take packets until the ring is empty, stalls, or has had its share; returns how many were taken."""
    client = ring.client
    store, space = client.space.store, client.space
    octets, words = store.octets, store.words
    packets = ring.bytes // AQL_PACKET
    here = ring.here
    taken = 0
    rang = client.doorbells[ring.slot]
    while taken < cp.batch:
        index = ring.index
        end = words[ring.write_here >> 3] if ring.write_here else space.read64(ring.write_va)
        if index >= end:
            ring.last, ring.waiting = rang, bool(ring.busy)
            return taken
        at = index % packets * AQL_PACKET
        packet = bytes(octets[here + at : here + at + AQL_PACKET]) if here else space.read(ring.base + at, AQL_PACKET)
        kind = packet[0]
        if kind == INVALID:
            # Reserved by a producer that has not published it: its own doorbell may already have been seen.
            ring.last, ring.waiting = rang, True
            return taken
        try:
            if ring.busy and packet[1] & 1 and kind != DISPATCH:  # a kernel waits where it gets its time
                raise Stall
            _execute(cp, ring, kind, packet)
        except Stall:
            ring.last, ring.waiting = rang, True
            return taken
        if here:
            words[(here + at) >> 3] = words[(here + at) >> 3] & ~0xFFFF | INVALID
        else:
            space.write(ring.base + at, b"\x01\x00")
        ring.index = index + 1
        ring.packets += 1
        taken += 1
        if ring.read_here:
            words[ring.read_here >> 3] = index + 1
        else:
            space.write64(ring.read_va, index + 1)
        signal = words[(here + at + 56) >> 3] if here else int.from_bytes(packet[56:64], "little")
        if ring.held:
            ring.held.signal = signal
            ring.busy.append(ring.held)
            ring.held = None
        elif signal:
            event = signals.complete(client, signal, cp.began)
            if event and cp.record:
                cp.record.interrupt(client, ring, event)
    ring.waiting = True
    return taken


def _execute(cp: Front, ring: Ring, kind: int, packet: bytes) -> None:
    client = ring.client
    cp.began = signals.gpu_clock()
    if kind in (BARRIER_AND, BARRIER_OR):
        deps = [dep for dep in struct.unpack_from("<5Q", packet, 8) if dep]
        if deps:
            read64 = client.space.read64
            left = [read64(dep + signals.VALUE) for dep in deps]
            if any(left) if kind == BARRIER_AND else all(left):
                raise Stall
        if cp.record:
            cp.record.packet(ring, "barrier-and" if kind == BARRIER_AND else "barrier-or", {"deps": len(deps)})
    elif kind == DISPATCH:
        cp.kernels.dispatch(ring, packet, cp.record)
    elif kind == VENDOR and packet[2] == FORMAT_BARRIER_VALUE:
        signal, wanted, mask, condition = struct.unpack_from("<QqqI", packet, 8)
        if condition >= len(_CONDITIONS):
            raise Fault(ERROR_PACKET, f"barrier-value packet {ring.index} has condition {condition}")
        if signal and not _CONDITIONS[condition](signals.value(client, signal) & mask, wanted):
            raise Stall
        if cp.record:
            cp.record.packet(ring, "barrier-value", {"signal": signal, "value": wanted, "mask": mask & (2**64 - 1)})
    elif kind == VENDOR and packet[2] == FORMAT_PM4_IB:
        # A PM4 INDIRECT_BUFFER in dwords 1 to 4 (ROCR amd_aql_queue.cpp ExecutePM4); dword 5 is the dwords left.
        words = struct.unpack_from("<4I", packet, 4)
        pm4.execute(cp, ring, list(words))
        signal = int.from_bytes(packet[56:64], "little")
        ring.indirect = (words[1] | words[2] << 32, words[3] & 0xFFFFF, signal, cp.began)
        if cp.record:
            cp.record.packet(ring, "pm4-ib", {"address": words[1] | words[2] << 32, "dwords": words[3] & 0xFFFFF})
    else:
        raise Fault(ERROR_PACKET, f"packet {ring.index} is invalid: type {kind}, header {packet[:4].hex()}")
