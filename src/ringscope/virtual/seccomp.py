"""System calls of the program, handed to the supervisor by the kernel: seccomp user notification.

The child installs a filter that lets everything pass but a few calls on files and the ioctls of the two GPU devices;
the supervisor receives those, and answers or waves them on. Linux x86-64 only. Source: seccomp(2),
seccomp_unotify(2); kernel 5.14 for the atomic answer with a descriptor, 5.19 for killable waits.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
from contextlib import suppress
from fcntl import ioctl
from typing import NamedTuple

from ringscope.errors import InputError

READS_PATH = {
    "open": 2,
    "stat": 4,
    "lstat": 6,
    "access": 21,
    "readlink": 89,
    "getxattr": 191,
    "lgetxattr": 192,
    "listxattr": 194,
    "llistxattr": 195,
    "openat": 257,
    "newfstatat": 262,
    "readlinkat": 267,
    "faccessat": 269,
    "statx": 332,
    "openat2": 437,
    "faccessat2": 439,
}
"""Numbers of the calls that name a file (x86-64)."""

FSTAT = 5
IOCTL = 16
GETDENTS64 = 217

_RECV, _SEND, _ID_VALID, _ADDFD, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103, 0x40082104
_SYNC_WAKE_UP = 1
_NOTHING = bytes(80)
_received = struct.Struct("<QI4xi12x6Q").unpack
"""``struct seccomp_notif``: id, thread id, call number and six arguments of it."""
_set_answer = struct.Struct("<QqiI").pack_into
_CONTINUE = 1
_ADDFD_SEND = 2
_SYS_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, _WAIT_KILLABLE = 317, 1, 1 << 3, 1 << 5
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_LOAD, _JUMP_EQ, _JUMP_SET, _AND, _RETURN = 0x20, 0x15, 0x45, 0x54, 0x06
_ARCH_X86_64 = 0xC000003E
_OFFSET_NR, _OFFSET_ARCH, _OFFSET_ARG1 = 0, 4, 24

Notification = tuple[int, int, int, int, int, int, int, int, int]
"""id, thread id, call number, six arguments."""


class Call(NamedTuple):
    """One ioctl in flight: the kernel's number for it, the thread, and where its arguments lie."""

    number: int
    tid: int
    where: int


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


def rules() -> list[tuple[int, int, int, int]]:
    """The filter: (code, jump if true, jump if false, operand) a row.

    An ioctl is reported when its number carries an argument (direction bits) and its type is ``K`` (amdkfd) or ``d``
    (DRM); the console also uses ``K``, but without direction bits.
    """
    rows = [
        (_LOAD, 0, 0, _OFFSET_ARCH),
        (_JUMP_EQ, 1, 0, _ARCH_X86_64),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _OFFSET_NR),
        (_JUMP_EQ, 0, 7, IOCTL),
        (_LOAD, 0, 0, _OFFSET_ARG1),
        (_JUMP_SET, 0, 4, 0xC0000000),
        (_AND, 0, 0, 0xFF00),
        (_JUMP_EQ, 1, 0, ord("K") << 8),
        (_JUMP_EQ, 0, 1, ord("d") << 8),
        (_RETURN, 0, 0, _NOTIFY),
        (_RETURN, 0, 0, _ALLOW),
    ]
    for number in (FSTAT, GETDENTS64, *READS_PATH.values()):
        rows += [(_JUMP_EQ, 0, 1, number), (_RETURN, 0, 0, _NOTIFY)]
    return [*rows, (_RETURN, 0, 0, _ALLOW)]


def die_with_parent() -> None:
    """Have the kernel end this process when its parent ends: unsupervised, a waiting client would spin for ever."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def install() -> int:
    """Put the calling thread, and all that descends from it, under the filter; returns the listener's descriptor.

    Raises:
        InputError: the host forbids it; the line says what to allow.
    """
    if os.uname().machine != "x86_64":
        raise InputError(f"ringscope exec needs an x86-64 host, this one is {os.uname().machine}")
    libc = ctypes.CDLL(None, use_errno=True)
    table = rules()
    program = _Program(len(table), (_Instruction * len(table))(*(_Instruction(*row) for row in table)))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise InputError("the host forbids no_new_privs, which an unprivileged seccomp filter needs")
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):
        fd: int = libc.syscall(_SYS_SECCOMP, _SET_MODE_FILTER, flags, ctypes.byref(program))
        if fd >= 0:
            return fd
        code = ctypes.get_errno()
        if code != errno.EINVAL:
            break
    if code == errno.EBUSY:
        raise InputError(
            "this process already runs under a seccomp listener, and the kernel allows one",
            todo="do not nest ringscope exec (or another such supervisor)",
        )
    raise InputError(
        f"the host forbids seccomp user notification ({os.strerror(code)})",
        todo="it needs Linux 5.14 and a container policy that allows seccomp(2) (Docker: --security-opt "
        "seccomp=unconfined)",
    )


class Listener:
    """The supervisor's end: receives calls and answers each once."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._call = bytearray(_NOTHING)
        self._answer = bytearray(24)
        self._shares_core = False

    def share_core(self, share: bool) -> None:
        """Whether caller and supervisor wake each other on the core they are on, instead of waking one that sleeps.

        Right for a supervisor that sleeps as soon as it has answered; one that goes on polling would keep its caller
        from that core, or be kept from it. Before Linux 6.6 there is no choice.
        """
        if share != self._shares_core:
            self._shares_core = share
            with suppress(OSError):
                ioctl(self.fd, _SET_FLAGS, _SYNC_WAKE_UP if share else 0)

    def receive(self) -> Notification | None:
        """The next call, or None when its thread has gone in the meantime."""
        call = self._call
        call[:] = _NOTHING  # the kernel insists
        try:
            ioctl(self.fd, _RECV, call)
        except OSError:
            return None
        return _received(call)

    def _send(self, number: int, value: int, error: int, flags: int) -> None:
        _set_answer(self._answer, 0, number, value, -error, flags)
        try:
            ioctl(self.fd, _SEND, self._answer)
        except OSError as gone:
            if gone.errno != errno.ENOENT:
                raise

    def reply(self, number: int, value: int = 0, error: int = 0) -> None:
        """Answer a call with a value, or with an errno (positive)."""
        self._send(number, value, error, 0)

    def proceed(self, number: int) -> None:
        """Let the kernel carry out the call as if nothing stood between."""
        self._send(number, 0, 0, _CONTINUE)

    def give(self, number: int, fd: int, cloexec: bool) -> None:
        """Answer with a copy of ``fd`` put into the caller's descriptor table."""
        struct.pack_into("<QIIII", self._answer, 0, number, _ADDFD_SEND, fd, 0, os.O_CLOEXEC if cloexec else 0)
        try:
            ioctl(self.fd, _ADDFD, self._answer)
        except OSError as error:
            if error.errno == errno.EMFILE:
                self.reply(number, error=errno.EMFILE)
            elif error.errno != errno.ENOENT:
                raise

    def plant(self, number: int, fd: int) -> int:
        """Put a copy of ``fd`` into the caller's table before its call is answered; returns its number there."""
        struct.pack_into("<QIIII", self._answer, 0, number, 0, fd, 0, os.O_CLOEXEC)
        planted: int = ioctl(self.fd, _ADDFD, self._answer)
        return planted

    def waiting(self, number: int) -> bool:
        """Whether the call still waits for an answer."""
        try:
            ioctl(self.fd, _ID_VALID, struct.pack("<Q", number))
        except OSError:
            return False
        return True
