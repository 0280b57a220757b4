"""One process that opened ``/dev/kfd``: what the driver keeps for it beside its queues."""

from __future__ import annotations

import mmap
import os

from ringscope.records import dataclass, field
from ringscope.virtual import remote
from ringscope.virtual.events import Events
from ringscope.virtual.memory import AddressSpace, Backing, Buffer, Store

DOORBELL_BYTES = 8192
"""A process's slice of the doorbell BAR on SOC15 parts: 1024 doorbells of 8 bytes (facts §3.4)."""
MMIO_OFFSET = 0x8000
"""Where the remapped HDP registers lie in the file behind ``/dev/kfd``; a page nobody reads."""


@dataclass(slots=True, eq=False)
class Client:
    """A process of the virtual GPU. ``fd`` is the file that its ``/dev/kfd`` really is.

    ``took_device`` turns true when its runtime goes beyond looking: an event or a queue.
    """

    pid: int
    number: int
    identity: tuple[str, str]
    name: str
    fd: int
    pidfd: int
    page: mmap.mmap
    doorbells: memoryview
    space: AddressSpace
    events: Events = field(default_factory=Events)
    buffers: dict[int, Buffer] = field(default_factory=dict)
    exported: list[bytes] = field(default_factory=list)
    next_buffer: int = 1
    took_device: bool = False
    runtime: bool = False
    event_page: int = 0

    @classmethod
    def open(cls, pid: int, number: int, store: Store) -> Client:
        """The client of process ``pid``; OSError when the process has gone already."""
        # First what fails when the process has just been killed: nothing may be held for it then.
        who, name, pidfd = identity(pid), remote.name_of(pid), os.pidfd_open(pid)
        fd = os.memfd_create(f"ringscope-kfd-{number}", os.MFD_CLOEXEC)
        os.ftruncate(fd, MMIO_OFFSET + mmap.PAGESIZE)
        page = mmap.mmap(fd, DOORBELL_BYTES)
        return cls(pid, number, who, name, fd, pidfd, page, memoryview(page).cast("Q"), AddressSpace(pid, store))

    def add_buffer(self, gpu_id: int, va: int, size: int, flags: int) -> Buffer:
        """A buffer with a handle of its own, entered in the address space."""
        buffer = Buffer(gpu_id << 32 | self.next_buffer, va, size, flags)
        self.space.add(buffer)
        self.next_buffer += 1
        self.buffers[buffer.handle] = buffer
        return buffer

    def attach(self, buffer: Buffer, backing: Backing) -> None:
        """Let a buffer share a stretch of the store."""
        backing.refs += 1
        buffer.backing, buffer.here = backing, backing.offset

    def remove_buffer(self, buffer: Buffer) -> None:
        """Free a buffer."""
        del self.buffers[buffer.handle]
        self.space.remove(buffer)
        if buffer.backing:
            buffer.backing.drop()

    def close(self) -> None:
        """Free everything the process held."""
        self.events.clear()
        for buffer in tuple(self.buffers.values()):
            self.remove_buffer(buffer)
        self.doorbells.release()
        self.page.close()
        os.close(self.fd)
        os.close(self.pidfd)


def identity(pid: int) -> tuple[str, str]:
    """What changes when a process id is reused or the process executes another program: start time and stack."""
    fields = remote.about(pid, "stat").rpartition(")")[2].split()
    return fields[19], fields[25]
