"""Memory of the virtual GPU: one sparse file for VRAM and GTT, and one address space a process.

The file is mapped once in the supervisor and, page for page, in every program that asks for memory, so that both
sides see the same bytes without a copy; an IPC handle is the same stretch of the file under another address.
Registered host memory (userptr) stays in the program and is reached by process_vm_readv(2); its GPU address is not
its CPU address, so every address goes through :meth:`AddressSpace.find`.
"""

from __future__ import annotations

import bisect
import ctypes
import errno
import mmap
import os
from collections.abc import Iterator
from enum import IntFlag

from ringscope.errors import InputError
from ringscope.records import dataclass
from ringscope.virtual import remote
from ringscope.virtual.svm import Ranges

PAGE = 4096
_PUNCH_HOLE_KEEP_SIZE = 3
_MAP_SHARED_NORESERVE = 0x4001
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]


_MASK = 0xFFFFFFFFFFFFFFFF
# Never waits, so that the interpreter's lock is kept: a packet a call, speed counts.
_take_one = ctypes.PyDLL(None).sem_trywait
_take_one.argtypes = [ctypes.c_void_p]


def _semaphores_are_words() -> bool:
    """Whether this C library's semaphore is what :meth:`Store.decrement` takes it for."""
    word = ctypes.c_uint64(5 << 32 | 3)
    return _take_one(ctypes.addressof(word)) == 0 and word.value == 5 << 32 | 2


_ATOMIC = _semaphores_are_words()


class Flags(IntFlag):
    """``flags`` of ALLOC_MEMORY_OF_GPU (kfd_ioctl.h); the remaining bits ask for caching and access modes."""

    VRAM = 1 << 0
    GTT = 1 << 1
    USERPTR = 1 << 2
    DOORBELL = 1 << 3
    MMIO_REMAP = 1 << 4


KINDS = Flags.VRAM | Flags.GTT | Flags.USERPTR | Flags.DOORBELL | Flags.MMIO_REMAP


def page_align(size: int) -> int:
    """``size`` rounded up to whole pages."""
    return (size + PAGE - 1) & -PAGE


class Store:
    """The file behind VRAM and GTT, and its three views in the supervisor: ``octets``, ``dwords`` and ``words``.

    ``vram`` and ``gtt`` are the limits in bytes, ``used`` what is taken of each.
    """

    def __init__(self, vram: int, gtt: int) -> None:
        self.limit = {Flags.VRAM: vram, Flags.GTT: gtt}
        self.used = {Flags.VRAM: 0, Flags.GTT: 0}
        # Twice the room, so that a fragmented file still finds place for everything within the limits.
        self.bytes = page_align(2 * (vram + gtt))
        self.fd = os.memfd_create("ringscope-drm", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, self.bytes)
        try:
            self.map = mmap.mmap(self.fd, self.bytes, flags=_MAP_SHARED_NORESERVE)
        except (OSError, ValueError) as error:
            raise InputError(
                f"the host refuses {self.bytes >> 30} GiB of address space for the virtual GPU's memory",
                todo="raise the limit (ulimit -v unlimited, vm.overcommit_memory 0 or 1)",
            ) from error
        self._first = ctypes.c_char.from_buffer(self.map)
        self.base = ctypes.addressof(self._first)
        self.octets = memoryview(self.map)
        self.dwords = self.octets.cast("I")
        self.words = self.octets.cast("Q")
        # Free stretches by offset, never adjacent. Offset 0 stays free: 0 would look like no mapping at all.
        self._holes: list[tuple[int, int]] = [(PAGE, self.bytes - PAGE)]

    def allocate(self, kind: Flags, size: int) -> Backing:
        """A stretch of zeroed bytes; OSError ENOMEM beyond the limit."""
        size = page_align(size)
        if self.used[kind] + size > self.limit[kind]:
            raise OSError(errno.ENOMEM, f"{kind.name} is full")
        for index, (offset, room) in enumerate(self._holes):
            if room >= size:
                if room == size:
                    del self._holes[index]
                else:
                    self._holes[index] = (offset + size, room - size)
                self.used[kind] += size
                return Backing(self, kind, offset, size)
        raise OSError(errno.ENOMEM, "the memory file is fragmented")

    def release(self, backing: Backing) -> None:
        """Give a stretch back; its pages return to the host."""
        _libc.fallocate(self.fd, _PUNCH_HOLE_KEEP_SIZE, backing.offset, backing.bytes)
        self.used[backing.kind] -= backing.bytes
        at = bisect.bisect(self._holes, (backing.offset,))
        start, end = backing.offset, backing.offset + backing.bytes
        if at < len(self._holes) and self._holes[at][0] == end:
            end += self._holes.pop(at)[1]
        if at and sum(self._holes[at - 1]) == start:
            start = self._holes.pop(at - 1)[0]
            at -= 1
        self._holes.insert(at, (start, end - start))

    def decrement(self, here: int) -> None:
        """Take one from the 64-bit word at an offset.

        A program may change the same word at that very moment, and Python has no atomic operation. glibc's semaphore is
        a 64-bit word that counts in its low half: sem_trywait(3) takes one from it by compare and exchange, unless that
        half is zero. A count of zero, and another C library, are left to a load and a store.
        """
        if not _ATOMIC or _take_one(self.base + here):
            self.words[here >> 3] = (self.words[here >> 3] - 1) & _MASK

    def close(self) -> None:
        """Give everything back to the host; programs that still map some of it keep that."""
        os.ftruncate(self.fd, 0)
        os.close(self.fd)
        for view in (self.words, self.dwords, self.octets):
            view.release()
        del self._first
        self.map.close()


@dataclass(slots=True, eq=False)
class Backing:
    """A stretch of the file, shared by every buffer that was made or imported of it; the last one frees it."""

    store: Store
    kind: Flags
    offset: int
    bytes: int
    refs: int = 0

    def drop(self) -> None:
        """One buffer less."""
        self.refs -= 1
        if not self.refs:
            self.store.release(self)


@dataclass(slots=True, eq=False)
class Buffer:
    """One allocation of a process: ``bytes`` at GPU address ``va``.

    ``here`` is its offset in the store (0: it is not there), ``host`` where the program does when that is another
    address (userptr), ``mapped`` whether MAP_MEMORY_TO_GPU came.
    """

    handle: int
    va: int
    bytes: int
    flags: int
    backing: Backing | None = None
    here: int = 0
    host: int = 0
    mapped: bool = False


class MemoryFault(OSError):  # noqa: N818  the hardware's word
    """The GPU touched ``va``, which is not mapped for it."""

    def __init__(self, va: int) -> None:
        super().__init__(errno.EFAULT, f"GPU address {va:#x} is not mapped")
        self.va = va


class AddressSpace:
    """GPU addresses of one process: its mapped buffers, and what it shares of its own memory (SVM).

    Everything else faults, as on the device.
    """

    def __init__(self, pid: int, store: Store) -> None:
        self.pid = pid
        self.store = store
        self.svm = Ranges()
        self._starts: list[int] = []
        self._at: dict[int, Buffer] = {}

    def add(self, buffer: Buffer) -> None:
        """Enter a buffer; OSError EINVAL when its range is taken."""
        at = bisect.bisect_right(self._starts, buffer.va)
        before = self._at[self._starts[at - 1]] if at else None
        if (before and before.va + before.bytes > buffer.va) or (
            at < len(self._starts) and self._starts[at] < buffer.va + buffer.bytes
        ):
            raise OSError(errno.EINVAL, f"GPU address {buffer.va:#x} is taken")
        self._starts.insert(at, buffer.va)
        self._at[buffer.va] = buffer

    def remove(self, buffer: Buffer) -> None:
        """Forget a buffer."""
        del self._starts[bisect.bisect_left(self._starts, buffer.va)]
        del self._at[buffer.va]

    def __iter__(self) -> Iterator[Buffer]:
        return iter(self._at.values())

    def find(self, va: int) -> Buffer | None:
        """The buffer that holds a GPU address."""
        at = bisect.bisect_right(self._starts, va)
        if at:
            buffer = self._at[self._starts[at - 1]]
            if va < buffer.va + buffer.bytes:
                return buffer
        return None

    def here(self, va: int) -> int:
        """The offset of a GPU address in the store; 0 when only the program sees it."""
        buffer = self.find(va)
        return buffer.here + va - buffer.va if buffer and buffer.here and buffer.mapped else 0

    def pieces(self, va: int, size: int) -> Iterator[tuple[int, int, int]]:
        """A range cut at buffer borders: (offset in the store or 0, else address in the program, bytes)."""
        while size > 0:
            buffer = self.find(va)
            if buffer and buffer.mapped:
                step = min(size, buffer.va + buffer.bytes - va)
                delta = va - buffer.va
                if buffer.here:
                    yield buffer.here + delta, 0, step
                else:
                    yield 0, (buffer.host or buffer.va) + delta, step
            else:
                step = min(size, self.svm.open_from(va))
                if step <= 0:
                    raise MemoryFault(va)
                yield 0, va, step
            va += step
            size -= step

    def read(self, va: int, size: int) -> bytes:
        """Bytes at a GPU address; MemoryFault when nothing is there."""
        parts = [
            bytes(self.store.octets[here : here + step]) if here else remote.read(self.pid, there, step)
            for here, there, step in self.pieces(va, size)
        ]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, va: int, data: bytes) -> None:
        """Put bytes at a GPU address; MemoryFault when nothing is there."""
        done = 0
        for here, there, step in self.pieces(va, len(data)):
            part = data[done : done + step]
            if here:
                self.store.octets[here : here + step] = part
            else:
                remote.write(self.pid, there, part)
            done += step

    def read32(self, va: int) -> int:
        """A 32-bit word."""
        here = self.here(va)
        return self.store.dwords[here >> 2] if here else int.from_bytes(self.read(va, 4), "little")

    def read64(self, va: int) -> int:
        """A 64-bit word."""
        here = self.here(va)
        return self.store.words[here >> 3] if here else int.from_bytes(self.read(va, 8), "little")

    def write32(self, va: int, value: int) -> None:
        """Store a 32-bit word in one piece."""
        here = self.here(va)
        if here:
            self.store.dwords[here >> 2] = value
        else:
            self.write(va, value.to_bytes(4, "little"))

    def write64(self, va: int, value: int) -> None:
        """Store a 64-bit word in one piece."""
        here = self.here(va)
        if here:
            self.store.words[here >> 3] = value
        else:
            self.write(va, value.to_bytes(8, "little"))

    def decrement64(self, va: int) -> None:
        """Take one from a 64-bit word: atomically in memory that both sides map, else by a load and a store."""
        here = self.here(va)
        if here:
            self.store.decrement(here)
        else:
            self.write64(va, (self.read64(va) - 1) & _MASK)

    def copy(self, target: int, source: int, size: int) -> None:
        """Copy between two GPU addresses, wherever each of them lives."""
        base = self.store.base
        for here, there, step in self.pieces(source, size):
            done = 0
            for other, beyond, part in self.pieces(target, step):
                if here and other:
                    ctypes.memmove(base + other, base + here + done, part)
                elif here:
                    remote.copy_out(self.pid, beyond, base + here + done, part)
                elif other:
                    remote.copy_in(self.pid, there + done, base + other, part)
                else:
                    remote.write(self.pid, beyond, remote.read(self.pid, there + done, part))
                done += part
            target += step

    def fill(self, target: int, pattern: bytes, size: int) -> None:
        """Repeat ``pattern`` over ``size`` bytes (the last repeat may be cut)."""
        chunk = pattern * max(1, (1 << 16) // len(pattern))
        while size > 0:
            step = min(size, len(chunk))
            self.write(target, chunk[:step])
            target += step
            size -= step
