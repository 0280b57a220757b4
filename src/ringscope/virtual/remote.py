"""The program's memory and descriptors, seen from the supervisor: process_vm_readv(2) and /proc."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_PAGE = 4096
_PATH_MAX = 4096
_libc = ctypes.CDLL(None, use_errno=True)


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


_here, _there = _Vector(), _Vector()
_here_ref, _there_ref = ctypes.byref(_here), ctypes.byref(_there)
_readv, _writev = _libc.process_vm_readv, _libc.process_vm_writev
for _call in (_readv, _writev):
    _call.restype = ctypes.c_ssize_t
    _call.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong]
_scratch = ctypes.create_string_buffer(1 << 16)
_scratch_at = ctypes.addressof(_scratch)


def _fail() -> OSError:
    code = ctypes.get_errno() or errno.EFAULT
    return OSError(code, os.strerror(code))


def copy_in(pid: int, there: int, here: int, size: int) -> None:
    """Copy ``size`` bytes from the program's address ``there`` to the supervisor's ``here``; OSError on a fault."""
    done = 0
    while done < size:
        _here.base, _here.length, _there.base, _there.length = here + done, size - done, there + done, size - done
        got = _readv(pid, _here_ref, 1, _there_ref, 1, 0)
        if got <= 0:
            raise _fail()
        done += got


def copy_out(pid: int, there: int, here: int, size: int) -> None:
    """Copy ``size`` bytes from the supervisor's ``here`` to the program's address ``there``; OSError on a fault."""
    done = 0
    while done < size:
        _here.base, _here.length, _there.base, _there.length = here + done, size - done, there + done, size - done
        got = _writev(pid, _here_ref, 1, _there_ref, 1, 0)
        if got <= 0:
            raise _fail()
        done += got


def read(pid: int, address: int, size: int) -> bytes:
    """Bytes of the program's memory; OSError on a fault."""
    if size <= len(_scratch):
        copy_in(pid, address, _scratch_at, size)
        return _scratch.raw[:size] if size > 4096 else ctypes.string_at(_scratch_at, size)
    room = ctypes.create_string_buffer(size)
    copy_in(pid, address, ctypes.addressof(room), size)
    return room.raw


def write(pid: int, address: int, data: bytes | bytearray) -> None:
    """Put bytes into the program's memory; OSError on a fault."""
    content = bytes(data)
    pointer = ctypes.cast(ctypes.c_char_p(content), ctypes.c_void_p).value
    if content and pointer:
        copy_out(pid, address, pointer, len(content))


def text(pid: int, address: int) -> str:
    """The zero-terminated string at ``address``; OSError (EFAULT, ENAMETOOLONG) when there is none."""
    found = b""
    while len(found) < _PATH_MAX:
        # Never beyond a page in one read: the next one may not be mapped.
        step = min(256, _PAGE - (address + len(found)) % _PAGE)
        found += read(pid, address + len(found), step)
        end = found.find(b"\0")
        if end >= 0:
            return found[:end].decode("utf-8", "surrogateescape")
    raise OSError(errno.ENAMETOOLONG, "no end of string")


def process_of(tid: int) -> int:
    """The process (thread group) that a thread belongs to."""
    for line in Path(f"/proc/{tid}/status").read_text().splitlines():
        if line.startswith("Tgid:"):
            return int(line[5:])
    raise OSError(errno.ESRCH, "no such thread")


def user(tid: int) -> int:
    """The effective user of a thread; not the owner of its folder, which is root's once it has changed user."""
    for line in Path(f"/proc/{tid}/status").read_text().splitlines():
        if line.startswith("Uid:"):
            return int(line.split()[2])
    raise OSError(errno.ESRCH, "no such thread")


def name_of(pid: int) -> str:
    """The process's short name; empty when it has gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
    except OSError:
        return ""


def folder(tid: int) -> str:
    """The current folder of a thread."""
    return str(Path(f"/proc/{tid}/cwd").readlink())


def descriptor(tid: int, fd: int) -> str:
    """What a descriptor of that thread leads to; empty when it is not open."""
    try:
        return os.readlink(f"/proc/{tid}/fd/{fd}")  # noqa: PTH115  once an ioctl: speed counts
    except OSError:
        return ""


def signal_pending(tid: int) -> bool:
    """Whether an unblocked signal waits for the thread."""
    pending = blocked = 0
    try:
        lines = Path(f"/proc/{tid}/status").read_text().splitlines()
    except OSError:
        return False
    for line in lines:
        key, _, value = line.partition(":")
        if key in ("SigPnd", "ShdPnd"):
            pending |= int(value, 16)
        elif key == "SigBlk":
            blocked = int(value, 16)
    return bool(pending & ~blocked)


def probe() -> int:
    """An address that a freshly forked child can be asked for."""
    return _scratch_at
