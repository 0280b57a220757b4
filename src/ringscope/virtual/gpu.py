"""The virtual machine: one device, the driver's state, and the processes that use it.

Joins the parts: files open clients here, ioctls are looked up and answered, queues that the driver
(:mod:`ringscope.stack.kfd`) accepts become rings of the command processor, and a process that dies is cleared away.
"""

from __future__ import annotations

import errno
import heapq
import os
import signal
import struct
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from ringscope.parts.layout import Generation
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.records import replace
from ringscope.stack.kfd.records import CreateQueue, UpdateQueue
from ringscope.stack.machine import MachineSpec
from ringscope.virtual import remote, signals
from ringscope.virtual.client import DOORBELL_BYTES, Client, identity
from ringscope.virtual.events import FAIL, HW_EXCEPTION, TIMEOUT, Wait
from ringscope.virtual.faults import ERROR_NONE, hardware_exception
from ringscope.virtual.injection import Faults
from ringscope.virtual.kernels import Kernels
from ringscope.virtual.memory import PAGE, Backing, Flags, Store
from ringscope.virtual.model import Model
from ringscope.virtual.processor import Processor
from ringscope.virtual.ring import AQL_PACKET, Ring
from ringscope.virtual.seccomp import Call, Listener
from ringscope.virtual.smi import Watchers

if TYPE_CHECKING:
    from ringscope.snapshot import Snapshot
    from ringscope.stack.kfd.driver import Kfd
    from ringscope.virtual.record import Recorder

_SIGNAL_CHECK_NS = 20_000_000
_HOUR_S = 3600.0
_SHOWN = 8
"""Most kinds of unknown call that the summary names."""


class Gpu:
    """Everything behind the two devices."""

    def __init__(
        self, model: Model, machine: MachineSpec, listener: Listener, kernels: Kernels, faults: Faults,
        recorder: Recorder | None,
    ) -> None:  # fmt: skip
        self.model = model
        self.machine = machine
        self.gpu_id = machine.nodes[0].gpu_id
        self.faults = faults
        self.record = recorder
        self.store = Store(
            faults.limit("memory") or model.vram, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        )
        self.processor = Processor(kernels, recorder)
        if faults.counts_packets:
            self.processor.on_packet, self.processor.batch = self.fault_at_packet, 1
        self.clients: dict[int, Client] = {}
        self.exported: dict[bytes, Backing] = {}
        self.unknown: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.processes = 0
        self.queues = 0
        self.rotations = 0
        self.strangers = 0
        self._listener = listener
        self._by_descriptor: dict[str, Client] = {}
        self._waits: list[tuple[Client, Wait]] = []
        self._next_check_ns = 0
        self.due_ns = 0
        self._dmabufs: dict[str, tuple[Backing, int]] = {}
        self.on_watch: Callable[[], None] | None = None
        self._watchers = Watchers(self.gpu_id, self._watch)
        self.processor.on_memory_fault = lambda ring: self._watchers.fault(ring.client.pid, ring.client.name)
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._kfd: Kfd | None = None

    @property
    def kfd(self) -> Kfd:
        """The driver, loaded when it is first needed: a program that only looks at the device starts without."""
        if self._kfd is None:
            from ringscope.recording import Clock  # noqa: PLC0415
            from ringscope.stack.kfd.driver import Kfd  # noqa: PLC0415

            self._kfd = Kfd(
                self.machine,
                now=time.monotonic_ns,
                clock=Clock.MONOTONIC,
                mapping=self._mapping,
                keep_events=self.record is not None,
            )
            for client in self.clients.values():
                self._kfd.open(client.pid, client.name)
        return self._kfd

    def end(self) -> None:
        """Nobody is left: what the last processes held goes as they did."""
        for client in tuple(self.clients.values()):
            self.bury(client)
        for name in tuple(self._dmabufs):
            self._forget_dmabuf(name)

    def close(self) -> None:
        """Give the host everything back."""
        self.end()
        self._watchers.close()
        self.store.close()

    # Processes

    def open_kfd(self, tid: int) -> int:
        """``/dev/kfd`` was opened: the descriptor of the process's client, made at the first time."""
        pid = remote.process_of(tid)
        client = self.clients.get(pid)
        if client and client.identity != identity(pid):
            # The process id lives on with another program: the old address space and its queues are gone.
            self.bury(client)
            client = None
        if client is None:
            self.processes += 1
            client = Client.open(pid, self.processes, self.store)
            if self._kfd:
                self._kfd.open(pid, client.name)
            self.clients[pid] = client
            self._watch()
            self._by_descriptor[f"/memfd:ringscope-kfd-{client.number} (deleted)"] = client
            if self.record:
                self.record.opened(client)
        return client.fd

    def bury(self, client: Client) -> None:
        """A process has gone: its queues, buffers and handles go with it."""
        self._capture_peak()
        del self.clients[client.pid]
        self._watch()
        self._by_descriptor = {name: other for name, other in self._by_descriptor.items() if other is not client}
        self._waits = [(other, wait) for other, wait in self._waits if other is not client]
        for ring in self.processor.of(client).values():
            self.processor.remove(ring)
        for key in client.exported:
            self.exported.pop(key, None)
        self.processor.kernels.forget(client)
        self.strangers += not client.took_device
        self._report_progress()
        if self._kfd:
            self._kfd.exit(client.pid)
        self._remap()
        client.close()
        if self.record:
            self.record.died(client)
            self.record.driver(self.kfd.events)

    # Calls

    def client_of(self, descriptor: str) -> Client | None:
        """Whose ``/dev/kfd`` a descriptor is, by its name in ``/proc``."""
        return self._by_descriptor.get(descriptor)

    def answer_later(self, client: Client, call: Call, number: int, arguments: bytes | bytearray, error: int) -> None:
        """Answer a call that was put off; its results are in the program's memory already."""
        if self.record:
            self.record.ioctl(client, number, arguments, error, "")
        self.reply(call, error)

    def report(self, what: str) -> None:
        """A call that is not known here."""
        self.unknown[what] += 1

    def reply(self, call: Call, error: int = 0) -> None:
        """Answer a call."""
        self._listener.reply(call.number, error=error)

    # Queues

    def create_queue(self, client: Client, wanted: CreateQueue, arguments: bytearray) -> None:
        """The driver takes a queue in; it becomes a ring."""
        self._faults_at_create(client, wanted)
        self._report_progress()
        created = self.kfd.create_queue(client.pid, wanted)
        slot = created.doorbell_offset & DOORBELL_BYTES - 1
        # A file behind /dev/kfd has no room for the mmap type and gpu_id in the high bits: the offset alone remains.
        struct.pack_into("<Q", arguments, 24, slot)
        struct.pack_into("<I", arguments, 52, created.queue_id)
        ring = Ring(
            client, created.queue_id, wanted.gpu_id, wanted.type, wanted.ring_base, wanted.ring_bytes,
            wanted.read_pointer, wanted.write_pointer, slot // 8, wanted.priority, wanted.percentage, wanted.eop_base,
            wanted.cwsr_base,
        )  # fmt: skip
        client.took_device = True
        self.queues += 1
        self.processor.add(ring)
        self._remap()

    def _faults_at_create(self, client: Client, wanted: CreateQueue) -> None:
        for fault in self.faults.pass_point("create"):
            if fault.kind == "kill":
                self._kill(client)
            raise OSError(fault.value or errno.EINTR, "a fault on purpose")
        most = self.faults.limit("doorbells")
        if most is not None and len(self.processor.of(client)) >= most:
            self.faults.refuse("doorbells")
            raise OSError(errno.EBUSY, "a fault on purpose: no doorbell is left")
        most = self.faults.limit("sdma")
        held = sum(ring.type.is_sdma for ring in self.processor.rings)
        if most is not None and wanted.type.is_sdma and held >= most:
            self.faults.refuse("sdma")
            raise OSError(errno.ENOMEM, "a fault on purpose: no SDMA queue is left")

    def fault_at_packet(self, ring: Ring) -> None:
        """A packet was taken while faults wait for packets."""
        for fault in self.faults.pass_point("packet"):
            if fault.kind == "kill":
                self._kill(ring.client)
            elif fault.kind == "reset":
                self.processor.stop(ring, "a fault on purpose: the queue was reset", ERROR_NONE)
                ring.client.events.signal_type(HW_EXCEPTION, hardware_exception(self.gpu_id))
            elif fault.kind == "evict":
                self.kfd.evict(ring.client.pid)
                self._watchers.evicted(ring.client.pid)
                self._remap()
                self.after(fault.value, partial(self._restore, ring.client))
            elif fault.kind == "hang":
                self.kfd.hang(self.gpu_id)
                self.processor.halted = True
                self.after(fault.value, self._reset)

    def _kill(self, client: Client) -> None:
        os.kill(client.pid, signal.SIGKILL)

    def _restore(self, client: Client) -> None:
        if self.clients.get(client.pid) is client:
            self.kfd.restore(client.pid)
            self._watchers.restored(client.pid)
            self._remap()

    def _reset(self) -> None:
        """The GPU comes back from a reset: every queue that was there is lost, its process is told."""
        self.kfd.reset(self.gpu_id)
        self._watchers.reset("a fault on purpose")
        self.processor.halted = False
        for ring in tuple(self.processor.rings):
            self.processor.stop(ring, "a fault on purpose: the firmware hung and the GPU was reset", ERROR_NONE)
        for client in self.clients.values():
            client.events.signal_type(HW_EXCEPTION, hardware_exception(self.gpu_id))

    def update_queue(self, client: Client, wanted: UpdateQueue) -> None:
        """UPDATE_QUEUE, decided by the driver, applied to the ring."""
        self._report_progress()
        self.kfd.update_queue(client.pid, wanted)
        ring = self.processor.of(client)[wanted.queue_id]
        ring.base, ring.bytes = wanted.ring_base, wanted.ring_bytes
        ring.priority, ring.percentage = wanted.priority, wanted.percentage
        ring.locate()
        self.processor.sort()
        self._remap()

    def destroy_queue(self, client: Client, number: int) -> None:
        """DESTROY_QUEUE."""
        self._capture_peak()
        self._report_progress()
        self.kfd.destroy_queue(client.pid, number)
        self.processor.remove(self.processor.of(client)[number])
        self._remap()

    def set_cu_mask(self, client: Client, number: int, mask: tuple[int, ...]) -> None:
        """SET_CU_MASK."""
        self._report_progress()
        self.kfd.set_cu_mask(client.pid, number, mask)
        self._remap()

    def set_gws(self, client: Client, number: int, count: int) -> None:
        """ALLOC_QUEUE_GWS."""
        self._report_progress()
        self.kfd.alloc_queue_gws(client.pid, number, count)
        self._remap()

    def _report_progress(self) -> None:
        """Tell the driver's side how far every compute queue got: what the next preemption saves into its MQD."""
        for ring in self.processor.rings:
            if not ring.type.is_sdma and ring.reported != ring.index:
                unit = AQL_PACKET // 4 if ring.type is IoctlQueueType.COMPUTE_AQL else 1
                self.kfd.progress(ring.client.pid, ring.number, ring.index * unit, ring.submitted() * unit)
                ring.reported = ring.index
                mqd = self.kfd.queue(ring.client.pid, ring.number).compute
                if mqd and ring.indirect and self.model.part.generation is Generation.V9_4_3:
                    from ringscope.stack.firmware import Indirect  # noqa: PLC0415

                    mqd.indirect = Indirect(*ring.indirect, signals.gpu_clock())

    def _remap(self) -> None:
        """The driver sent another runlist: see who sits in a slot now."""
        if delay := self.faults.limit("fence"):
            time.sleep(delay / 1e9)
            self.faults.refuse("fence")
        self._see_slots()

    def _see_slots(self) -> None:
        seats = {}
        for ring in self.processor.rings:
            pid = ring.client.pid
            queue = self.kfd.queue(pid, ring.number)
            if ring.type.is_sdma:
                ring.mapped = not queue.evicted
            else:
                slot = self.kfd.slot(pid, ring.number)
                ring.mapped = slot is not None
                seats[ring] = (slot, ring.priority, queue.cu_masks)
        if self.processor.kernels.timed:
            self.processor.kernels.timed.follow(seats)
            self.due_ns = 0

    def rotate(self) -> None:
        """The time slice of an over-subscribed device is over: the firmware lets others into the slots."""
        self.processor.starved = False
        self._report_progress()
        before = [ring.mapped for ring in self.processor.rings]
        self.kfd.rotate(self.gpu_id)
        self._see_slots()
        self.rotations += before != [ring.mapped for ring in self.processor.rings]

    def _mapping(self, pid: int, gpu_id: int, address: int) -> tuple[int, int] | None:
        """The driver asks what is mapped at an address; pointers count by their page."""
        space = self.clients[pid].space
        if size := space.svm.size_at(address):
            return address, size
        buffer = space.find(address)
        if buffer is None:
            return None
        if buffer.bytes == PAGE and buffer.va == address & -PAGE:
            return address, PAGE
        return buffer.va, buffer.bytes

    # What can be seen

    def debugfs(self) -> dict[str, Callable[[], str]]:
        """Files below ``/sys/kernel/debug/kfd``, made from the state at the moment they are opened."""
        return {name: partial(self._text, name) for name in ("mqds", "hqds", "rls")}

    def _text(self, name: str) -> str:
        from ringscope.stack import text  # noqa: PLC0415 - few programs look

        text_of: Callable[[Snapshot], str] = getattr(text, name)
        return text_of(self.snapshot())

    def _capture_peak(self) -> None:
        """Queues are about to go: keep the moment if there were never so many."""
        if self.record and self.record.peak(len(self.processor.rings)):
            self.record.snapshot(self.snapshot("peak"))

    def kfd_proc(self) -> dict[str, str]:
        """Files below ``/sys/class/kfd/kfd/proc``."""
        from ringscope.stack.text import kfd_proc  # noqa: PLC0415

        return {path.removeprefix("proc/"): text for path, text in kfd_proc(self.snapshot()).items()}

    def snapshot(self, label: str = "") -> Snapshot:
        """The state of every queue now, and what memory its process has of the device."""
        self._report_progress()
        snapshot = self.kfd.snapshot(label)
        vram = {
            pid: sum(buffer.bytes for buffer in client.buffers.values() if buffer.flags & Flags.VRAM)
            for pid, client in self.clients.items()
        }
        name = f"vram_{self.gpu_id}"
        processes = tuple(replace(process, usage={name: vram[process.pid]}) for process in snapshot.processes)
        return replace(snapshot, processes=processes)

    # Memory

    def export(self, client: Client, backing: Backing) -> bytes:
        """A handle of 16 bytes for a stretch of memory."""
        key = os.urandom(16)
        self.exported[key] = backing
        client.exported.append(key)
        return key

    def export_dmabuf(self, call: Call, backing: Backing) -> int:
        """A descriptor for a stretch of memory, which lives until the last copy of the descriptor is closed.

        It is the writing end of a pipe: its other end hangs up when the last copy is closed, it can be sent to another
        process, and mapping it fails, where an own file would show zeros that are nobody's memory.
        """
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        try:
            fd = self._listener.plant(call.number, theirs)
            name = f"pipe:[{os.fstat(theirs).st_ino}]"
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        backing.refs += 1
        self._dmabufs[name] = (backing, ours)
        self._watch()
        return fd

    def dmabuf(self, call: Call, fd: int) -> Backing:
        """The memory that a descriptor of the caller stands for."""
        found = self._dmabufs.get(remote.descriptor(call.tid, fd))
        if found is None:
            raise OSError(errno.EINVAL, "no exported buffer")
        return found[0]

    def _forget_dmabuf(self, name: str) -> None:
        backing, ours = self._dmabufs.pop(name)
        self._watch()
        os.close(ours)
        backing.drop()

    def watch_events(self, client: Client, call: Call) -> int:
        """A descriptor that tells the process what happens to the device."""
        theirs = self._watchers.open(client.pid, remote.user(call.tid) == 0)
        with theirs:
            return self._listener.plant(call.number, theirs.fileno())

    def _watch(self) -> None:
        """What is waited on has changed."""
        if self.on_watch:
            self.on_watch()

    def watched(self) -> Mapping[int, Callable[[], None]]:
        """Descriptors to wait on, and what to do when they have something to say."""
        return (
            {client.pidfd: partial(self.bury, client) for client in self.clients.values()}
            | {ours: partial(self._forget_dmabuf, name) for name, (_, ours) in self._dmabufs.items()}
            | {fd: partial(self._watchers.hear, fd) for fd in self._watchers.all}
        )

    # Time

    def after(self, delay_ns: int, what: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._timers, (time.monotonic_ns() + delay_ns, len(self._timers), what))
        self.due_ns = 0

    def wait(self, client: Client, wait: Wait) -> None:
        """Keep a wait that nothing has settled."""
        self._waits.append((client, wait))
        self.due_ns = 0

    def tick(self, now_ns: int) -> float:
        """Expire waits and notice signals to waiting threads; returns seconds until it is needed again."""
        while self._timers and self._timers[0][0] <= now_ns:
            heapq.heappop(self._timers)[2]()
        due = [self._timers[0][0]] if self._timers else []
        if self._waits:
            due += self._expire(now_ns)
        timed = self.processor.kernels.timed
        if timed and (event := timed.next_event_ns) is not None:
            due.append(event)
        return max(0, min(due) - time.monotonic_ns()) / 1e9 if due else _HOUR_S

    def _expire(self, now_ns: int) -> list[int]:
        """Answer the waits whose time is over; returns when the others are to be looked at again."""
        check = now_ns >= self._next_check_ns
        if check:
            self._next_check_ns = now_ns + _SIGNAL_CHECK_NS
        left = []
        for client, wait in self._waits:
            if wait.done:
                continue
            if wait.deadline_ns is not None and now_ns >= wait.deadline_ns:
                wait.finish(TIMEOUT)
            elif check and not self._listener.waiting(wait.call):
                wait.leave(give_back=True)
            elif check and remote.signal_pending(wait.tid):
                wait.finish(FAIL, errno.EINTR)
            else:
                left.append((client, wait))
        self._waits = left
        return [self._next_check_ns, *(wait.deadline_ns for _, wait in left if wait.deadline_ns is not None)]

    def summary(self, exit_code: int) -> list[str]:
        """What the run amounted to, in lines for stderr; with the program's exit code."""
        kernels = self.processor.kernels
        calls = sum(self.calls.values())
        lines = [
            f"virtual {self.model.name} · {_count(self.processes, 'process', 'processes')} · "
            f"{_count(calls, 'ioctl')} made {_count(self.queues, 'queue')} · "
            f"{_count(self.processor.refused, 'queue')} stopped by a fault · "
            f"{_count(sum(self.unknown.values()), 'unknown ioctl')}"
        ]
        if self.strangers and self.strangers == self.processes:
            lines.append(
                "the program opened the driver and left the device alone: "
                f"its ROCm may not know gfx{self.model.part.gfx}; choose another --gpu"
            )
        elif exit_code and self.processes and not self.calls["create_queue"]:
            lines.append(
                "the program failed before it asked for a queue: "
                f"a part of its ROCm (HIP) may not know gfx{self.model.part.gfx}; choose another --gpu"
            )
        if self.rotations:
            lines.append(f"over-subscribed: the slots changed hands {self.rotations} times")
        if fired := dict(self.faults.fired):
            lines.append("faults on purpose: " + ", ".join(f"{kind} {n}x" for kind, n in fired.items()))
        for what, times in self.unknown.most_common(_SHOWN):
            lines.append(f"not known here, answered with an error: {what} ({times}x)")
        if len(self.unknown) > _SHOWN:
            lines.append(f"and {len(self.unknown) - _SHOWN} other kinds of call")
        if skipped := sum(kernels.skipped.values()):
            lines.append(
                f"{_count(skipped, 'kernel')} ran without computing (--kernels time); "
                "results in GPU memory are not real"
            )
        return lines


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
