"""Where the kernel shows what, and reading it whole.

Everything lies below one root, ``/`` on a real machine and a folder in a test.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ringscope.records import dataclass

READ_LIMIT = 256 << 20
"""Most bytes taken of one file: ``hqds`` of eight MI308X has 0.8 MB, ``mqds`` some 22 kB a queue and XCC."""

_CHUNK = 1 << 20

# Of a process namespace, the kernel's first one has this inode (PROC_PID_INIT_INO in include/linux/proc_ns.h).
_FIRST_PID_NAMESPACE = "pid:[4026531836]"


@dataclass(frozen=True)
class Paths:
    """The places of one machine; ``root`` is ``/`` unless a test says otherwise."""

    root: Path = Path("/")

    def at(self, path: str) -> Path:
        """Where an absolute path of the machine lies."""
        return self.root / path.lstrip("/")

    @property
    def debugfs(self) -> Path:
        """``mqds``, ``hqds`` and ``rls``: root only."""
        return self.at("/sys/kernel/debug/kfd")

    @property
    def kfd(self) -> Path:
        """``topology`` and ``proc``: for everybody."""
        return self.at("/sys/class/kfd/kfd")

    @property
    def module(self) -> Path:
        """The driver: its version and ``parameters``."""
        return self.at("/sys/module/amdgpu")

    @property
    def proc(self) -> Path:
        """Processes, mounts, the kernel's version."""
        return self.at("/proc")

    @property
    def device(self) -> Path:
        """What a program opens to get queues."""
        return self.at("/dev/kfd")

    @property
    def in_container(self) -> bool | None:
        """Whether this process lives in a pid namespace of its own, so that the driver's pids are not its own."""
        try:
            return str((self.proc / "self/ns/pid").readlink()) != _FIRST_PID_NAMESPACE
        except OSError:
            return None


def read(path: Path, limit: int = READ_LIMIT) -> bytes:
    """The whole file, read as cat does: debugfs and sysfs files have no size of their own.

    Raises:
        OSError: it cannot be read, or is longer than ``limit`` (EFBIG).
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        parts: list[bytes] = []
        total = 0
        while part := os.read(handle, _CHUNK):
            parts.append(part)
            total += len(part)
            if total > limit:
                raise OSError(errno.EFBIG, f"longer than {limit} bytes")
        return b"".join(parts)
    finally:
        os.close(handle)


def line(path: Path) -> str:
    """The first line of a small file, stripped; empty when it cannot be read."""
    try:
        return read(path, 1 << 20).split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    except OSError:
        return ""


def why(error: OSError) -> str:
    """Why a file could not be read, in the kernel's words."""
    return (error.strerror or str(error)).lower()
