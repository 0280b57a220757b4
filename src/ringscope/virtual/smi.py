"""SMI events: what the driver tells whoever watches a device, one line of text an event.

A watcher holds one end of a socket pair where the real driver gives an anonymous file: a 64-bit mask is written to it,
lines are read from it, an empty one says EAGAIN. Source: amdkfd kfd_smi_events.c, formats KFD_EVENT_FMT_* of
kfd_ioctl.h (Linux 6.10 on).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum

from ringscope.records import dataclass


class Event(IntEnum):
    """Numbers of the events that happen here; bit ``number - 1`` of a mask asks for one."""

    VM_FAULT = 1
    GPU_PRE_RESET = 3
    GPU_POST_RESET = 4
    QUEUE_EVICTION = 9
    QUEUE_RESTORE = 10


ALL_PROCESSES = 1 << 63
"""Bit of a mask that asks for events of other processes too; only root is heard."""


@dataclass(slots=True, eq=False)
class Watcher:
    """A process that watches. ``pid`` is its own, ``root`` whether it may see others."""

    ours: socket.socket
    pid: int
    root: bool
    mask: int = 0

    def drain(self) -> bool:
        """Take the masks that were written; False when the other end was closed everywhere."""
        while True:
            try:
                data = self.ours.recv(8)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            if len(data) == 8:
                self.mask = int.from_bytes(data, "little")

    def wants(self, event: Event, pid: int) -> bool:
        """Whether the watcher asked for an event of that process (0: of the device)."""
        mine = pid in (0, self.pid) or (self.root and self.mask & ALL_PROCESSES)
        return bool(self.mask >> event - 1 & 1 and mine)


class Watchers:
    """Everybody who watches the device; ``changed`` is called when one comes or goes."""

    def __init__(self, gpu_id: int, changed: Callable[[], None]) -> None:
        self.gpu_id = gpu_id
        self.all: dict[int, Watcher] = {}
        self._changed = changed
        self._resets = 0

    def open(self, pid: int, root: bool) -> socket.socket:
        """Another watcher; returns the end that is the program's."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self.all[ours.fileno()] = Watcher(ours, pid, root)
        self._changed()
        return theirs

    def hear(self, fd: int) -> None:
        """A watcher wrote a mask, or closed its end."""
        watcher = self.all[fd]
        if not watcher.drain():
            del self.all[fd]
            self._changed()
            watcher.ours.close()

    def close(self) -> None:
        """Nobody watches any more."""
        for watcher in self.all.values():
            watcher.ours.close()
        self.all.clear()

    def fault(self, pid: int, name: str) -> None:
        """A process touched memory that is not mapped."""
        self._tell(Event.VM_FAULT, pid, f"{pid:x}:{name}")

    def reset(self, cause: str) -> None:
        """The device was reset."""
        self._resets += 1
        self._tell(Event.GPU_PRE_RESET, 0, f"{self._resets:x} {cause}")
        self._tell(Event.GPU_POST_RESET, 0, f"{self._resets:x}")

    def evicted(self, pid: int) -> None:
        """A process's queues were evicted, as by memory management (trigger 2, TTM)."""
        self._tell(Event.QUEUE_EVICTION, pid, f"{_now()} -{pid} {self.gpu_id:x} 2")

    def restored(self, pid: int) -> None:
        """They came back, at the first try."""
        self._tell(Event.QUEUE_RESTORE, pid, f"{_now()} -{pid} {self.gpu_id:x} 0")

    def _tell(self, event: Event, pid: int, text: str) -> None:
        for watcher in tuple(self.all.values()):
            if watcher.drain() and watcher.wants(event, pid):
                # A full or closed socket loses the event, as the driver's full fifo does.
                with suppress(OSError):
                    watcher.ours.send(f"{event:x} {text}\n".encode())


def _now() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
