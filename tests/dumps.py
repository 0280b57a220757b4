"""Small debugfs dumps as text, written independently of the readers and of the stack's own writers."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

SDMA_SHAPE = ((0x4E40, 19), (0x4EE0, 6), (0x4EFC, 7), (0x4F40, 12))
"""Registers of one SDMA queue of gfx942 as runs: address and words."""


def rows(words: Sequence[int], first: int = 0, indent: str = "    ") -> str:
    """Words as the driver prints them: eight a row, each row with the address of its first."""
    return "".join(
        f"{indent}{first + 4 * at:08x}: " + " ".join(f"{word:08x}" for word in words[at : at + 8]) + "\n"
        for at in range(0, len(words), 8)
    )


def mqd(**at: int) -> list[int]:
    """A compute MQD with the words that init_mqd_v9_4_3 writes and those given as ``dw128=…``."""
    words = [0] * 512
    fixed = {0: 0xC0310800, 130: 1, 132: 0x40005301, 133: 1, 134: 7, 135: 0x111, 145: 0x14014511, 149: 0xB00000}
    for dword, word in {**fixed, 160: 0x4000, 162: 0x100, 181: 1, 226: 0x3000}.items():
        words[dword] = word
    for name, word in at.items():
        words[int(name.removeprefix("dw"))] = word
    return words


def queue(gpu_id: int, *images: Sequence[int], kind: str = "Compute queue") -> str:
    """One queue of ``mqds``."""
    return f"  {kind} on device {gpu_id:x}\n" + "".join(rows(image) for image in images)


def process(pid: int, *queues: str, pasid: int = 0x8001) -> str:
    """One process of ``mqds``."""
    return f"Process {pid} PASID {pasid}:\n" + "".join(queues)


def slot(xcc: int, pipe: int, queue: int, words: Sequence[int] = (0,) * 56, base: int = 0xC914) -> str:
    """One CP slot of ``hqds``."""
    return f" Inst {xcc},  CP Pipe {pipe}, Queue {queue}\n" + rows(words, base)


def hiq(xcc: int, write_pointer: int = 8, base: int = 0xC914) -> str:
    """The HIQ's slot of one XCC."""
    words = [0] * 56
    words[2], words[4], words[54], words[55] = 1, 0x5300, write_pointer & 0xFFFFFFFF, write_pointer >> 32
    return f"   Inst {xcc}, HIQ on MEC 2 Pipe 0 Queue 0\n" + rows(words, base)


def sdma(engine: int, rlc: int, shape: Iterable[tuple[int, int]] = SDMA_SHAPE) -> str:
    """One SDMA queue of ``hqds``."""
    return f"  SDMA Engine {engine}, RLC {rlc}\n" + "".join(rows([0] * count, first) for first, count in shape)


def device(
    gpu_id: int = 0xF7BC,
    node: int = 2,
    xccs: int = 2,
    write_pointer: int = 8,
    slots: dict[tuple[int, int, int], Sequence[int]] | None = None,
) -> str:
    """One device of ``hqds``: two pipes more than it needs are left out; ``slots`` are words by (xcc, pipe, queue)."""
    text = f"Node {node}, gpu_id {gpu_id:x}:\n"
    for xcc in range(xccs):
        text += hiq(xcc, write_pointer)
        for pipe in range(4):
            for number in (2, 7):
                text += slot(xcc, pipe, number, (slots or {}).get((xcc, pipe, number), (0,) * 56))
    return text + "".join(sdma(engine, rlc) for engine in range(2) for rlc in range(2))


def le(words: Sequence[int]) -> bytes:
    """Words as little-endian bytes."""
    return struct.pack(f"<{len(words)}I", *words)
