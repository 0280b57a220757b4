"""AQL: the 64-byte packets of HSA queues, and the structures that firmware and ROCr share in memory."""

from __future__ import annotations

from enum import IntEnum

from ringscope.parts.layout import Bits
from ringscope.parts.record import Field, Record

PACKET_BYTES = 64
PACKET_DWORDS = 16


class PacketType(IntEnum):
    """Type in an AQL header (hsa)."""

    VENDOR_SPECIFIC = 0
    INVALID = 1
    KERNEL_DISPATCH = 2
    BARRIER_AND = 3
    AGENT_DISPATCH = 4
    BARRIER_OR = 5


class FenceScope(IntEnum):
    """Acquire and release scope in an AQL header (hsa)."""

    NONE = 0
    AGENT = 1
    SYSTEM = 2


class AmdFormat(IntEnum):
    """Format of a vendor packet (hsa); PM4_IB stands in ROCr's amd_aql_queue.cpp, in no public header."""

    PM4_IB = 1
    BARRIER_VALUE = 2
    AIE_ERT = 3


HEADER_BITS = (
    Bits(7, 0, "type", "0 vendor, 1 invalid, 2 kernel dispatch, 3 barrier-AND, 4 agent dispatch, 5 barrier-OR"),
    Bits(8, 8, "barrier", "wait until all earlier packets of the queue are complete"),
    Bits(10, 9, "acquire", "scope of the fence before: 0 none, 1 agent, 2 system"),
    Bits(12, 11, "release", "scope of the fence after: 0 none, 1 agent, 2 system"),
)
_TYPE, _BARRIER, _ACQUIRE, _RELEASE = HEADER_BITS


def header(
    kind: PacketType,
    barrier: bool = False,
    acquire: FenceScope = FenceScope.NONE,
    release: FenceScope = FenceScope.NONE,
) -> int:
    """The 16-bit header of an AQL packet."""
    return _TYPE.put(kind) | _BARRIER.put(int(barrier)) | _ACQUIRE.put(acquire) | _RELEASE.put(release)


_HSA = "hsa"
_AMD = "amd_hsa"
_HEADER = Field(0, 2, "header", "type, barrier bit and fence scopes; written last", bits=HEADER_BITS)
_DONE = Field(56, 8, "completion_signal", "decremented by 1 when the packet is complete; 0: none")


def _barrier(name: str, when: str) -> Record:
    signals = (Field(8 + 8 * n, 8, f"dep_signal{n}", f"0: none; complete when {when} reached 0") for n in range(5))
    return Record(name, PACKET_BYTES, _HSA, (_HEADER, *signals, _DONE))


KERNEL_DISPATCH = Record(
    "kernel-dispatch",
    PACKET_BYTES,
    _HSA,
    (
        _HEADER,
        Field(2, 2, "setup", "shape of the grid", bits=(Bits(1, 0, "dimensions", "1 to 3"),)),
        Field(4, 2, "workgroup_size_x", "work-items"),
        Field(6, 2, "workgroup_size_y", "work-items"),
        Field(8, 2, "workgroup_size_z", "work-items"),
        Field(12, 4, "grid_size_x", "work-items"),
        Field(16, 4, "grid_size_y", "work-items"),
        Field(20, 4, "grid_size_z", "work-items"),
        Field(24, 4, "private_segment_size", "scratch of a work-item, bytes"),
        Field(28, 4, "group_segment_size", "LDS of a workgroup, bytes"),
        Field(32, 8, "kernel_object", "address of the kernel descriptor"),
        Field(40, 8, "kernarg_address", "address of the kernel's arguments"),
        Field(48, 8, "reserved2", "reserved; CLR keeps its correlation id here"),
        _DONE,
    ),
)
BARRIER_AND = _barrier("barrier-and", "all of them")
BARRIER_OR = _barrier("barrier-or", "any of them")
AGENT_DISPATCH = Record(
    "agent-dispatch",
    PACKET_BYTES,
    _HSA,
    (
        _HEADER,
        Field(2, 2, "type", "function asked for"),
        Field(8, 8, "return_address", "where the result goes"),
        *(Field(16 + 8 * n, 8, f"arg{n}", "argument") for n in range(4)),
        _DONE,
    ),
)
BARRIER_VALUE = Record(
    "barrier-value",
    PACKET_BYTES,
    _HSA,
    (
        _HEADER,
        Field(2, 1, "amd_format", "2: this packet, among AMD's vendor packets"),
        Field(8, 8, "signal", "signal waited for"),
        Field(16, 8, "value", "value compared with", signed=True),
        Field(24, 8, "mask", "bits compared", signed=True),
        Field(32, 4, "condition", "0 ==, 1 !=, 2 <, 3 >="),
        _DONE,
    ),
)
PM4_IB = Record(
    "pm4-ib",
    PACKET_BYTES,
    "rocr_aql_queue",
    (
        _HEADER,
        Field(2, 2, "amd_format", "1: this packet, among AMD's vendor packets"),
        *(Field(4 + 4 * n, 4, f"ib_jump{n}", f"INDIRECT_BUFFER to the commands, dword {n}") for n in range(4)),
        Field(20, 4, "dwords_remaining", "dwords after the jump, 10"),
        _DONE,
    ),
)
PACKETS = (KERNEL_DISPATCH, BARRIER_AND, BARRIER_OR, AGENT_DISPATCH, BARRIER_VALUE, PM4_IB)

AMD_QUEUE = Record(
    "amd_queue_t",
    256,
    _AMD,
    (
        Field(0x00, 4, "type", "hsa_queue_t: 0 multi, 1 single producer, 2 cooperative"),
        Field(0x04, 4, "features", "1 kernel dispatch, 2 agent dispatch"),
        Field(0x08, 8, "base_address", "the ring"),
        Field(0x10, 8, "doorbell_signal", "signal whose value is the doorbell"),
        Field(0x18, 4, "size", "packets in the ring"),
        Field(0x20, 8, "id", "number of the queue in its process"),
        Field(0x28, 4, "caps", "capabilities"),
        Field(0x38, 8, "write_dispatch_id", "index of the next packet to write; what the HQD polls"),
        Field(0x40, 4, "group_segment_aperture_base_hi", "LDS aperture"),
        Field(0x44, 4, "private_segment_aperture_base_hi", "scratch aperture"),
        Field(0x48, 4, "max_cu_id", "CUs, less 1"),
        Field(0x4C, 4, "max_wave_id", "waves of a CU, less 1"),
        Field(0x50, 8, "max_legacy_doorbell_dispatch_id_plus_1", "before gfx9: highest doorbell value"),
        Field(0x58, 4, "legacy_doorbell_lock", "before gfx9: lock of that value"),
        Field(0x80, 8, "read_dispatch_id", "index of the next packet to read; what CP reports"),
        Field(0x88, 4, "read_dispatch_id_field_base_byte_offset", "offset of read_dispatch_id, 0x80"),
        Field(0x8C, 4, "compute_tmpring_size", "scratch: waves and size of a wave"),
        *(Field(0x90 + 4 * n, 4, f"scratch_resource_descriptor{n}", "buffer descriptor of scratch") for n in range(4)),
        Field(0xA0, 8, "scratch_backing_memory_location", "address of scratch"),
        Field(0xB0, 4, "scratch_wave64_lane_byte_size", "scratch of a lane"),
        Field(
            0xB4,
            4,
            "queue_properties",
            "how the queue is used",
            bits=(
                Bits(0, 0, "enable_trap_handler"),
                Bits(1, 1, "is_ptr64"),
                Bits(2, 2, "enable_trap_handler_debug_sgprs"),
                Bits(3, 3, "enable_profiling", "time stamps are written to signals"),
                Bits(4, 4, "use_scratch_once"),
            ),
        ),
        Field(0xC0, 8, "queue_inactive_signal", "signal that reports errors of the queue"),
    ),
)


class SignalKind(IntEnum):
    """``kind`` of an amd_signal_t (amd_hsa)."""

    LEGACY_DOORBELL = -2
    DOORBELL = -1
    INVALID = 0
    USER = 1


AMD_SIGNAL = Record(
    "amd_signal_t",
    64,
    _AMD,
    (
        Field(0, 8, "kind", "1 user, -1 doorbell, -2 legacy doorbell", signed=True),
        Field(8, 8, "value", "the value; a doorbell signal keeps the doorbell's address here", signed=True),
        Field(16, 8, "event_mailbox_ptr", "where event_id is written when the value changes"),
        Field(24, 4, "event_id", "KFD event that is raised"),
        Field(32, 8, "start_ts", "start of the dispatch, GPU clock"),
        Field(40, 8, "end_ts", "end of the dispatch, GPU clock"),
        Field(48, 8, "queue_ptr", "queue of a doorbell signal"),
    ),
)
RECORDS = (*PACKETS, AMD_QUEUE, AMD_SIGNAL)
