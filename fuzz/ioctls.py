"""The ioctls of the virtual ``/dev/kfd``, and the rings behind them: what a hostile program may say.

An input is a program of steps: an ioctl with its argument, memory written, a doorbell rung, the command processor's
turn. The program's own address space is an arena of this process, reached by the same two calls as a real program's.
Whatever it says is answered with an errno at worst; then everything it held is given back and the debugfs files are
still written.
"""

from __future__ import annotations

import ctypes
import errno
import io
import os
import struct
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, suppress

from ringscope.parts import ioctl
from ringscope.parts.ioctl import IOCTLS, Ioctl
from ringscope.stack.machine import MachineSpec
from ringscope.virtual import remote
from ringscope.virtual.gpu import Gpu
from ringscope.virtual.injection import Faults
from ringscope.virtual.ioctls import answer
from ringscope.virtual.kernels import Kernels
from ringscope.virtual.memory import PAGE
from ringscope.virtual.model import model_of
from ringscope.virtual.record import Recorder
from ringscope.virtual.seccomp import Call, Listener

MODEL = model_of("mi210")
MACHINE = MachineSpec.of("mi210")
GPU_ID = MACHINE.nodes[0].gpu_id
ARENA, ARENA_BYTES = 0x10000000, 1 << 16
ARGUMENT = ARENA
"""Where an ioctl's argument lies; the rest of the arena is the program's."""

_room = ctypes.create_string_buffer(ARENA_BYTES)
_STEPS = 64
_MEMORY, _DOORBELL, _TURN = 0xF0, 0xF1, 0xF2


def _inside(there: int, size: int) -> int:
    if not ARENA <= there <= there + size <= ARENA + ARENA_BYTES:
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
    return ctypes.addressof(_room) + there - ARENA


def _copy_in(pid: int, there: int, here: int, size: int) -> None:
    ctypes.memmove(here, _inside(there, size), size)


def _copy_out(pid: int, there: int, here: int, size: int) -> None:
    ctypes.memmove(_inside(there, size), here, size)


remote.copy_in, remote.copy_out = _copy_in, _copy_out


class _Listener(Listener):
    """Answers go nowhere; a call waits for its answer until it has one."""

    def __init__(self) -> None:
        self.answered: set[int] = set()

    def reply(self, number: int, value: int = 0, error: int = 0) -> None:
        if number in self.answered:
            raise AssertionError("one call was answered twice")
        self.answered.add(number)

    def plant(self, number: int, fd: int) -> int:
        return fd

    def waiting(self, number: int) -> bool:
        return number not in self.answered


class _Recorder(Recorder):
    """Writes into memory."""

    def __init__(self) -> None:
        self._file = io.StringIO()
        self.counters = Counter()

    def peak(self, queues: int) -> bool:
        return False


def _of(name: str) -> Ioctl:
    return next(row for row in ioctl.IOCTLS if row.name == name)


def _step(name: str, **fields: int) -> bytes:
    """An ioctl as a step; fields that are not given are 0."""
    row = _of(name)
    content = row.args.pack(**{field.name: fields.pop(field.name, 0) for field in row.args.fields})
    assert not fields, f"{name} has no {fields}"
    return bytes([IOCTLS.index(row), len(content)]) + content


def _memory(va: int, content: bytes) -> bytes:
    return bytes([_MEMORY, 8 + len(content)]) + struct.pack("<Q", va) + content


def seeds() -> Iterator[bytes]:
    """Every ioctl on its own, and a program that makes queues of both kinds and rings them."""
    for row in IOCTLS:
        yield bytes([IOCTLS.index(row), row.args.size]) + bytes(row.args.size)
        words = [ARENA + PAGE if field.size == 8 else GPU_ID for field in row.args.fields]
        with suppress(KeyError, ValueError, struct.error):
            named = {field.name: word for field, word in zip(row.args.fields, words, strict=True)}
            yield bytes([IOCTLS.index(row), row.args.size]) + row.args.pack(**named)
    base = 0x7F0000000000
    alloc = b"".join(
        _step("ALLOC_MEMORY_OF_GPU", va_addr=base + place * 0x10000, size=PAGE, gpu_id=GPU_ID, flags=1)
        + _memory(ARENA + PAGE, struct.pack("<I", GPU_ID))
        + _step("MAP_MEMORY_TO_GPU", handle=GPU_ID << 32 | place + 1, device_ids_array_ptr=ARENA + PAGE, n_devices=1)
        for place in range(4)
    )
    queue = {
        "ring_base_address": base, "ring_size": PAGE, "read_pointer_address": base + 0x10080, "gpu_id": GPU_ID,
        "write_pointer_address": base + 0x10038, "queue_percentage": 100, "queue_priority": 7,
    }  # fmt: skip
    barrier = _memory(base, struct.pack("<H", 3 | 1 << 8).ljust(64, b"\0")) + _memory(
        base + 0x10038, b"\1".ljust(8, b"\0")
    )
    ring = bytes([_DOORBELL, 10]) + struct.pack("<HQ", 0, 0) + bytes([_TURN, 0])
    for kind in range(4):
        create = _step("CREATE_QUEUE", queue_type=kind, **queue)
        yield alloc + create + barrier + ring + _step("DESTROY_QUEUE", queue_id=0)
        yield alloc + create + _step("UPDATE_QUEUE", queue_id=0, ring_base_address=base, ring_size=PAGE)
    event = _step("CREATE_EVENT", event_type=0) + _memory(ARENA + PAGE, struct.pack("<I", 1).ljust(32, b"\0"))
    wait = _step("WAIT_EVENTS", events_ptr=ARENA + PAGE, num_events=1, timeout=0)
    yield event + wait + _step("SET_EVENT", event_id=1) + wait + _step("DESTROY_EVENT", event_id=1)


def one(data: bytes) -> None:
    """Run the program; everything it took is given back."""
    ctypes.memset(_room, 0, ARENA_BYTES)
    listener = _Listener()
    with redirect_stderr(io.StringIO()):
        gpu = Gpu(MODEL, MACHINE, listener, Kernels(None, MODEL.part.gfx), Faults(("memory=1M",)), _Recorder())
        try:
            _run(gpu, data)
            if zlib.crc32(data) % 16 == 0:  # it takes longer than all the rest
                for text in gpu.debugfs().values():
                    text()
                gpu.kfd_proc()
            gpu.end()
            gpu.summary(1)
            if any(gpu.store.used.values()):
                raise AssertionError("memory of a process that has gone is still taken")
        finally:
            gpu.close()


def _run(gpu: Gpu, data: bytes) -> None:
    fd = gpu.open_kfd(os.getpid())
    client = gpu.clients[os.getpid()]
    for number in range(_STEPS):
        if len(data) < 2:
            break
        kind, size = data[0], data[1]
        content, data = data[2 : 2 + size], data[2 + size :]
        if kind == _MEMORY:
            va, content = int.from_bytes(content[:8], "little"), content[8:]
            with suppress(OSError):
                if ARENA <= va < ARENA + ARENA_BYTES:
                    remote.write(0, va, content)
                else:
                    client.space.write(va, content)
        elif kind == _DOORBELL:
            slot, value = int.from_bytes(content[:2], "little"), int.from_bytes(content[2:10], "little")
            client.doorbells[slot % len(client.doorbells)] = value
        elif kind == _TURN:
            gpu.processor.turn()
            gpu.rotate()
            gpu.tick(time.monotonic_ns())
        else:
            row = IOCTLS[kind % len(IOCTLS)]
            request = row.number if size == row.args.size else row.number & ~(0x3FFF << 16) | size << 16
            ctypes.memmove(_room, content, len(content))
            with suppress(OSError):  # the supervisor answers with it
                answer(gpu, Call(number, os.getpid(), ARGUMENT), fd, request)
