"""The program's memory and descriptors, seen from the supervisor: process_vm_readv(2) and /proc."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable

_PAGE = 4096
_PATH_MAX = 4096
_libc = ctypes.CDLL(None, use_errno=True)
_PIDFD_GETFD, _GETDENTS64 = 438, 217


_vectors = bytearray(32)
"""Two ``struct iovec``: where it lies here, and where there."""
_set_vectors = struct.Struct("<4Q").pack_into
# Pointers are made once, and the types of arguments not declared: converting six costs more than the copy.
_here_ref = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(_vectors)))
_there_ref = ctypes.c_void_p((_here_ref.value or 0) + 16)
_readv, _writev = _libc.process_vm_readv, _libc.process_vm_writev
_readv.restype = _writev.restype = ctypes.c_ssize_t
_scratch = bytearray(1 << 16)
_scratch_at = ctypes.addressof(ctypes.c_char.from_buffer(_scratch))
_MASK = 0xFFFFFFFFFFFFFFFF


def _failure() -> OSError:
    code = ctypes.get_errno() or errno.EFAULT
    return OSError(code, os.strerror(code))


def _copy(call: Callable[..., int], pid: int, there: int, here: int, size: int) -> None:
    _set_vectors(_vectors, 0, here, size, there & _MASK, size)
    got = call(pid, _here_ref, 1, _there_ref, 1, 0)
    if got != size:
        if got <= 0:
            raise _failure()
        _copy(call, pid, there + got, here + got, size - got)


def copy_in(pid: int, there: int, here: int, size: int) -> None:
    """Copy ``size`` bytes from the program's address ``there`` to the supervisor's ``here``; OSError on a fault."""
    _copy(_readv, pid, there, here, size)


def copy_out(pid: int, there: int, here: int, size: int) -> None:
    """Copy ``size`` bytes from the supervisor's ``here`` to the program's address ``there``; OSError on a fault."""
    _copy(_writev, pid, there, here, size)


def read(pid: int, address: int, size: int) -> bytes:
    """Bytes of the program's memory; OSError on a fault."""
    if size <= len(_scratch):
        _copy(_readv, pid, address, _scratch_at, size)
        return bytes(_scratch[:size])
    room = ctypes.create_string_buffer(size)
    _copy(_readv, pid, address, ctypes.addressof(room), size)
    return room.raw


def write(pid: int, address: int, data: bytes | bytearray) -> None:
    """Put bytes into the program's memory; OSError on a fault."""
    size = len(data)
    if size <= len(_scratch):
        _scratch[:size] = data
        _copy(_writev, pid, address, _scratch_at, size)
    else:
        room = ctypes.create_string_buffer(bytes(data), size)
        _copy(_writev, pid, address, ctypes.addressof(room), size)


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


def about(pid: int, name: str) -> str:
    """What a file of ``/proc/PID`` says; OSError when the process has gone."""
    # Not pathlib, here and below: loading it takes longer than all else that this module does for most programs.
    with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
        return file.read()


def _status(tid: int) -> dict[str, str]:
    """The lines of a thread's status; OSError when it has gone."""
    lines = (line.partition(":") for line in about(tid, "status").split("\n"))
    return {key: value for key, _, value in lines}


def process_of(tid: int) -> int:
    """The process (thread group) that a thread belongs to."""
    return int(_status(tid)["Tgid"])


def within(tid: int, pid: int) -> bool:
    """Whether a thread is of that process."""
    return tid == pid or os.access(f"/proc/{pid}/task/{tid}", os.F_OK)


def user(tid: int) -> int:
    """The effective user of a thread; not the owner of its folder, which is root's once it has changed user."""
    return int(_status(tid)["Uid"].split()[1])


def name_of(pid: int) -> str:
    """The process's short name; empty when it has gone."""
    try:
        return about(pid, "comm").rstrip("\n")
    except OSError:
        return ""


def folder(tid: int) -> str:
    """The current folder of a thread."""
    return os.readlink(f"/proc/{tid}/cwd")  # noqa: PTH115  once a relative path: speed counts


def descriptor(tid: int, fd: int) -> str:
    """What a descriptor of that thread leads to; empty when it is not open."""
    try:
        return os.readlink(f"/proc/{tid}/fd/{fd}")  # noqa: PTH115  once an ioctl: speed counts
    except OSError:
        return ""


def first_entries(tid: int, fd: int, size: int) -> bytes:
    """The first entries of a folder that a thread has open, read for it: its next read gets those after.

    Empty when it has read some already. OSError: no folder, no room, or the host forbids pidfd_getfd(2).
    """
    pidfd = os.pidfd_open(process_of(tid))
    try:
        shared = _libc.syscall(_PIDFD_GETFD, pidfd, fd, 0)
        if shared < 0:
            raise _failure()
    finally:
        os.close(pidfd)
    try:
        if os.lseek(shared, 0, os.SEEK_CUR):
            return b""
        room = ctypes.create_string_buffer(size)
        length = _libc.syscall(_GETDENTS64, shared, room, size)
        if length < 0:
            raise _failure()
        return room.raw[:length]
    finally:
        os.close(shared)


def signal_pending(tid: int) -> bool:
    """Whether an unblocked signal waits for the thread."""
    try:
        status = _status(tid)
    except OSError:
        return False
    pending, shared, blocked = (int(status[key], 16) for key in ("SigPnd", "ShdPnd", "SigBlk"))
    return bool((pending | shared) & ~blocked)


def probe() -> int:
    """An address that a freshly forked child can be asked for."""
    return _scratch_at
