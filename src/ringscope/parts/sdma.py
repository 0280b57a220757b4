"""SDMA packets of gfx9 (SDMA 4) and later, as user queues carry them.

The first word holds an opcode and a sub-opcode. Packets that vary in length (NOP, WRITE) are described with one data
word. Copy, fill and write count bytes or dwords **less one** from SDMA 4 on; the count of a fill is in bytes.
"""

from __future__ import annotations

from ringscope.parts.layout import V9_AND_LATER, V10_AND_LATER, Bits, Generation, Layout, Register, layout_for
from ringscope.records import dataclass

NOP = 0
COPY = 1
WRITE = 2
INDIRECT = 4
FENCE = 5
TRAP = 6
POLL_REGMEM = 8
COND_EXE = 9
ATOMIC = 10
CONST_FILL = 11
TIMESTAMP = 13
SRBM_WRITE = 14
GCR = 17

COPY_LINEAR = 0
WRITE_LINEAR = 0
TIMESTAMP_SET = 0
TIMESTAMP_GET = 1
TIMESTAMP_GET_GLOBAL = 2

ATOMIC_ADD64 = 0x2F
"""``atomic_op`` that adds 64 bits and does not return the old value (ROCr amd_blit_sdma)."""

_S = "sdma_pkt"
_HI = "upper half of the address"


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet by name, opcode and sub-opcode; ``dwords`` is its length, with one data word where it varies."""

    name: str
    op: int
    sub_op: int
    dwords: int
    rows: tuple[Register, ...]
    gens: tuple[Generation, ...] = V9_AND_LATER

    @property
    def header(self) -> int:
        """Opcode and sub-opcode in place."""
        return self.op | self.sub_op << 8


def _header(*bits: Bits) -> Register:
    fixed = (Bits(7, 0, "op", "opcode"), Bits(15, 8, "sub_op", "sub-opcode"))
    return Register(0, "header", "opcode and flags", _S, bits=(*fixed, *bits))


def _address(dword: int, name: str, meaning: str) -> tuple[Register, Register]:
    return (
        Register(dword, f"{name}_lo", meaning, _S, "address"),
        Register(dword + 1, f"{name}_hi", _HI, _S, "address >> 32"),
    )


_TMZ = Bits(18, 18, "tmz", "trusted memory zone")
# The header names 22 bits; ROCr has an override for larger copies, and the bits above are otherwise zero.
_COUNT = Bits(29, 0, "count", "bytes, less 1; before gfx90a 22 bits")
_CACHE = (
    Bits(18, 16, "mtype", "memory type", V10_AND_LATER),
    Bits(19, 19, "gcc", "", V10_AND_LATER),
    Bits(20, 20, "sys", "system memory", V10_AND_LATER),
    Bits(22, 22, "snp", "snooped", V10_AND_LATER),
    Bits(23, 23, "gpa", "guest physical address", V10_AND_LATER),
    Bits(25, 24, "l2_policy", "L2 policy", V10_AND_LATER),
)

PACKETS = (
    Packet(
        "NOP",
        NOP,
        0,
        1,
        (_header(Bits(29, 16, "count", "dwords that follow and are skipped")),),
    ),
    Packet(
        "COPY_LINEAR",
        COPY,
        COPY_LINEAR,
        7,
        (
            _header(
                Bits(16, 16, "encrypt", "encrypted copy"),
                _TMZ,
                Bits(25, 25, "backwards", "from the end to the start", V10_AND_LATER),
                Bits(27, 27, "broadcast", "two destinations"),
            ),
            Register(1, "count", "length", "sdma_pkt, inferred", "bytes - 1", bits=(_COUNT,)),
            Register(
                2,
                "parameter",
                "byte swapping",
                _S,
                bits=(Bits(17, 16, "dst_sw", "of the destination"), Bits(25, 24, "src_sw", "of the source")),
            ),
            *_address(3, "src_addr", "source"),
            *_address(5, "dst_addr", "destination"),
        ),
    ),
    Packet(
        "WRITE_LINEAR",
        WRITE,
        WRITE_LINEAR,
        5,
        (
            _header(Bits(16, 16, "encrypt", "encrypted write"), _TMZ),
            *_address(1, "dst_addr", "destination"),
            Register(
                3,
                "count",
                "length",
                _S,
                "dwords - 1",
                bits=(Bits(19, 0, "count", "dwords, less 1"), Bits(25, 24, "sw", "byte swapping")),
            ),
            Register(4, "data0", "first dword written; more may follow", _S),
        ),
    ),
    Packet(
        "INDIRECT",
        INDIRECT,
        0,
        6,
        (
            _header(Bits(19, 16, "vmid", "VMID of the buffer"), Bits(31, 31, "priv", "privileged", V10_AND_LATER)),
            *_address(1, "ib_base", "the buffer"),
            Register(3, "ib_size", "length", _S, "dwords", bits=(Bits(19, 0, "ib_size", "dwords"),)),
            *_address(4, "csa_addr", "context save area"),
        ),
    ),
    Packet(
        "FENCE",
        FENCE,
        0,
        4,
        (_header(*_CACHE), *_address(1, "addr", "where"), Register(3, "data", "32-bit value written", _S)),
    ),
    Packet(
        "TRAP",
        TRAP,
        0,
        2,
        (
            _header(),
            Register(1, "int_context", "what the interrupt carries", _S, bits=(Bits(27, 0, "int_context"),)),
        ),
    ),
    Packet(
        "POLL_REGMEM",
        POLL_REGMEM,
        0,
        6,
        (
            _header(
                Bits(26, 26, "hdp_flush", "flush HDP instead"),
                Bits(30, 28, "func", "0 always, 1 <, 2 <=, 3 ==, 4 !=, 5 >=, 6 >"),
                Bits(31, 31, "mem_poll", "1 memory, 0 register"),
            ),
            *_address(1, "addr", "what is polled"),
            Register(3, "value", "value compared with", _S),
            Register(4, "mask", "bits compared", _S),
            Register(
                5,
                "dw5",
                "how often",
                _S,
                bits=(
                    Bits(15, 0, "interval", "clocks between polls"),
                    Bits(27, 16, "retry_count", "polls; the drivers write all ones"),
                ),
            ),
        ),
    ),
    Packet(
        "COND_EXE",
        COND_EXE,
        0,
        5,
        (
            _header(),
            *_address(1, "addr", "what is compared"),
            Register(3, "reference", "value compared with", _S),
            Register(4, "exec_count", "dwords skipped when different", _S, "dwords", bits=(Bits(13, 0, "exec_count"),)),
        ),
    ),
    Packet(
        "ATOMIC",
        ATOMIC,
        0,
        8,
        (
            _header(
                Bits(16, 16, "loop", "repeat until the compare holds"),
                _TMZ,
                Bits(31, 25, "atomic_op", "operation; 0x2F adds 64 bits"),
            ),
            *_address(1, "addr", "where"),
            Register(3, "src_data_lo", "operand", _S),
            Register(4, "src_data_hi", "upper half", _S),
            Register(5, "cmp_data_lo", "value compared with", _S),
            Register(6, "cmp_data_hi", "upper half", _S),
            Register(7, "loop_interval", "clocks between tries", _S, bits=(Bits(12, 0, "loop_interval"),)),
        ),
    ),
    Packet(
        "CONST_FILL",
        CONST_FILL,
        0,
        5,
        (
            _header(Bits(17, 16, "sw", "byte swapping"), Bits(31, 30, "fillsize", "2: fill with dwords")),
            *_address(1, "dst_addr", "destination"),
            Register(3, "data", "value", _S),
            Register(
                4,
                "count",
                "length",
                _S,
                "bytes - 1",
                bits=(Bits(21, 0, "count", "bytes, less 1; dword fills: less 4"),),
            ),
        ),
    ),
    Packet(
        "TIMESTAMP_SET",
        TIMESTAMP,
        TIMESTAMP_SET,
        3,
        (_header(), Register(1, "init_data_lo", "value", _S), Register(2, "init_data_hi", "upper half", _S)),
    ),
    Packet(
        "TIMESTAMP_GET",
        TIMESTAMP,
        TIMESTAMP_GET,
        3,
        (_header(), *_address(1, "write_addr", "where the engine's clock goes, 8 byte aligned")),
    ),
    Packet(
        "TIMESTAMP_GET_GLOBAL",
        TIMESTAMP,
        TIMESTAMP_GET_GLOBAL,
        3,
        (_header(), *_address(1, "write_addr", "where the GPU clock goes, 8 byte aligned")),
    ),
    Packet(
        "SRBM_WRITE",
        SRBM_WRITE,
        0,
        3,
        (
            _header(Bits(31, 28, "byte_en", "bytes written")),
            Register(
                1,
                "addr",
                "register",
                _S,
                "dwords",
                bits=(Bits(17, 0, "addr"), Bits(31, 20, "apertureid", "", V10_AND_LATER)),
            ),
            Register(2, "data", "value", _S),
        ),
    ),
    Packet(
        "GCR",
        GCR,
        0,
        5,
        (
            _header(),
            Register(1, "payload1", "start of the range", _S, bits=(Bits(31, 7, "base_va_31_7"),)),
            Register(
                2,
                "payload2",
                "start and actions",
                _S,
                bits=(Bits(15, 0, "base_va_47_32"), Bits(31, 16, "gcr_control_15_0")),
            ),
            Register(
                3,
                "payload3",
                "actions and end",
                _S,
                bits=(Bits(2, 0, "gcr_control_18_16"), Bits(31, 7, "limit_va_31_7")),
            ),
            Register(4, "payload4", "end and VMID", _S, bits=(Bits(15, 0, "limit_va_47_32"), Bits(27, 24, "vmid"))),
        ),
        V10_AND_LATER,
    ),
)
_BY_HEADER = {(packet.op, packet.sub_op): packet for packet in PACKETS}


def packet(op: int, sub_op: int = 0) -> Packet | None:
    """The packet with this opcode and sub-opcode, or None when the table has none."""
    return _BY_HEADER.get((op, sub_op))


def packet_layout(found: Packet, generation: Generation) -> Layout:
    """The words of a packet for a generation."""
    return layout_for(found.name, generation, found.dwords, found.rows)
