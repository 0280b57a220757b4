"""Kernels in GPU memory: their names and arguments, read from the loaded code object around a kernel descriptor.

A code object is loaded with its ELF header, dynamic symbols and metadata note, so that the address in a dispatch
packet is enough to say which kernel it is. ROCr's own blit kernels (5.2 and 6.1 use them) have no ELF around them: a
bare kernel descriptor whose code starts 256 bytes on. Sources: ELF; LLVM AMDGPUUsage (metadata note, kernel
descriptor); the descriptors of ROCr 5.2.3 and 6.1.2 as seen.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from ringscope.records import dataclass, field, replace
from ringscope.virtual.memory import PAGE, AddressSpace

_ELF = b"\x7fELF\x02\x01\x01"
_AMDGPU, _PT_DYNAMIC, _PT_NOTE = 224, 2, 4
_DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ = 4, 5, 6, 10
_NT_METADATA = 32
_BARE_ENTRY = 256
_FURTHEST = 4096
"""Pages looked through for the ELF header below a descriptor; descriptors lie near the start, in .rodata."""
_MOST = 1 << 22
"""Largest note or table read: a length in memory is not believed beyond it."""


_WAVE32 = 1 << 10
_UNIFIED = ("90a", "940", "941", "942", "950")
"""Targets whose VGPRs and AGPRs are one file of 512, given out eight at a time."""


@dataclass(frozen=True)
class Needs:
    """What one wave of a kernel needs: work-items of it, and vector registers (AGPRs among them)."""

    wave_size: int = 64
    vgprs: int = 0

    @classmethod
    def read(cls, descriptor: bytes, gfx: str) -> Needs:
        """From the 64 bytes of a kernel descriptor (LLVM AMDGPUUsage, COMPUTE_PGM_RSRC1 and kernel code properties)."""
        rsrc1, properties = struct.unpack_from("<I4xH", descriptor, 48)
        return cls.of(rsrc1, bool(properties & _WAVE32), gfx)

    @classmethod
    def of(cls, rsrc1: int, wave32: bool, gfx: str) -> Needs:
        """From COMPUTE_PGM_RSRC1, and whether waves of 32 work-items are asked for, where the target has them."""
        wave_size = 32 if wave32 and len(gfx) > 3 else 64
        granule = 8 if wave_size == 32 or gfx in _UNIFIED else 4
        return cls(wave_size, ((rsrc1 & 63) + 1) * granule)


@dataclass(frozen=True)
class Kernel:
    """A kernel and where its arguments lie: name to (byte offset, bytes). A ``bare`` one has neither."""

    name: str
    arguments: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    bare: bool = False
    kernarg_bytes: int = 0
    descriptor: bytes = bytes(64)


def kernel_at(space: AddressSpace, address: int) -> Kernel:
    """The kernel whose descriptor lies at ``address``; an unknown one is named by its address."""
    head = space.read(address, 64)
    kernarg_bytes, entry = struct.unpack_from("<I4xq", head, 8)
    bare = entry == _BARE_ENTRY and not kernarg_bytes
    unknown = Kernel(f"at {address:#x}", bare=bare, kernarg_bytes=kernarg_bytes, descriptor=head)
    buffer = space.find(address)
    base = address & -PAGE
    lowest = max(buffer.va if buffer else 0, base - _FURTHEST * PAGE)
    while space.read(base, len(_ELF)) != _ELF:
        base -= PAGE
        if base < lowest:
            return unknown
    try:
        found = _from_elf(lambda va, size: space.read(base + va, min(size, _MOST)), address - base)
        return replace(found, descriptor=head) if found else unknown
    except (struct.error, ValueError, OSError, LookupError, TypeError, AttributeError, RecursionError):
        # Memory of the program: whatever stands there, it may cost the kernel its name and nothing more.
        return unknown


def _from_elf(read: Callable[[int, int], bytes], offset: int) -> Kernel | None:
    header = read(0, 64)
    machine, table, size, count = (
        *struct.unpack_from("<H", header, 18),
        *struct.unpack_from("<Q", header, 32),
        *struct.unpack_from("<2H", header, 54),
    )
    if machine != _AMDGPU:
        return None
    name, metadata = "", b""
    for index in range(count):
        kind, _, _, va, _, length = struct.unpack_from("<2I4Q", read(table + index * size, size))
        if kind == _PT_DYNAMIC:
            name = _symbol(read, va, length, offset)
        elif kind == _PT_NOTE:
            metadata = _note(read(va, length)) or metadata
    if not name:
        return None
    for kernel in _unpack(metadata).get("amdhsa.kernels", ()) if metadata else ():
        if kernel.get(".symbol") == name:
            arguments = {
                arg.get(".name", f"{index}"): (arg[".offset"], arg[".size"])
                for index, arg in enumerate(kernel.get(".args", ()))
            }
            return Kernel(kernel[".name"], arguments, kernarg_bytes=kernel[".kernarg_segment_size"])
    return Kernel(name.removesuffix(".kd"))


def _symbol(read: Callable[[int, int], bytes], va: int, length: int, offset: int) -> str:
    """Name of the dynamic symbol whose value is ``offset``."""
    tags = dict(struct.iter_unpack("<qQ", read(va, length - length % 16)))
    _, chains = struct.unpack("<2I", read(tags[_DT_HASH], 8))
    table = read(tags[_DT_SYMTAB], 24 * chains)
    for start, _, _, _, value, _ in struct.iter_unpack("<I2BH2Q", table[: len(table) // 24 * 24]):
        if value == offset:
            strings = read(tags[_DT_STRTAB], tags[_DT_STRSZ])
            return strings[start : strings.index(b"\0", start)].decode("utf-8", "replace")
    return ""


def _note(data: bytes) -> bytes:
    at = 0
    while at + 12 <= len(data):
        names, size, kind = struct.unpack_from("<3I", data, at)
        start = at + 12 + (names + 3 & ~3)
        if kind == _NT_METADATA:
            return data[start : start + size]
        at = start + (size + 3 & ~3)
    return b""


def _unpack(data: bytes) -> Any:
    """One MessagePack value: the kinds that AMDGPU metadata holds."""
    return _value(data, 0)[0]


_LENGTHS = {0xD9: 1, 0xDA: 2, 0xDB: 4, 0xC4: 1, 0xC5: 2, 0xC6: 4}
_NUMBERS = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
_FLOATS = {0xCA: ">f", 0xCB: ">d"}
_PLAIN = {0xC0: None, 0xC2: False, 0xC3: True}
_MANY = {0xDC: (2, False), 0xDD: (4, False), 0xDE: (2, True), 0xDF: (4, True)}


def _value(data: bytes, at: int) -> tuple[Any, int]:
    tag = data[at]
    at += 1
    if tag < 0x80:
        return tag, at
    if tag >= 0xE0:
        return tag - 256, at
    if tag < 0xA0:
        return _collection(data, at, tag & 15, mapping=tag < 0x90)
    if tag < 0xC0:
        return data[at : at + (tag & 31)].decode(), at + (tag & 31)
    if tag in _PLAIN:
        return _PLAIN[tag], at
    if tag in _LENGTHS:
        start = at + _LENGTHS[tag]
        end = start + int.from_bytes(data[at:start], "big")
        return (data[start:end] if tag < 0xD0 else data[start:end].decode()), end
    if tag in _MANY:
        width, mapping = _MANY[tag]
        return _collection(data, at + width, int.from_bytes(data[at : at + width], "big"), mapping)
    form = (_NUMBERS | _FLOATS)[tag]
    return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)


def _collection(data: bytes, at: int, count: int, mapping: bool) -> tuple[Any, int]:
    if count > len(data):
        raise ValueError("a collection longer than its bytes")
    items = []
    for _ in range(count * 2 if mapping else count):
        item, at = _value(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2], strict=True)) if mapping else items), at
