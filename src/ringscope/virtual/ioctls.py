"""The ioctls of ``/dev/kfd``: each with the driver's own checks, answered with the driver's errnos.

Queues are :mod:`ringscope.stack.kfd`'s business: its ``Kfd`` decides, and what it decides is carried out on the rings
here. Memory, events and waits are decided here. Argument layouts: facts §3.1 (kfd_ioctl.h, interface 1.17).
"""

from __future__ import annotations

import errno
import struct
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ringscope.parts.queue_types import IoctlQueueType
from ringscope.stack.kfd.records import CreateQueue, KfdError, UpdateQueue
from ringscope.virtual import drm, events, files, remote, signals
from ringscope.virtual.client import DOORBELL_BYTES, MMIO_OFFSET, Client
from ringscope.virtual.memory import KINDS, PAGE, Buffer, Flags, page_align
from ringscope.virtual.seccomp import Call

if TYPE_CHECKING:
    from ringscope.virtual.events import Event
    from ringscope.virtual.gpu import Gpu

VERSION = (1, 14)
"""Interface announced: from 1.13 on runtimes enable debugging support, 1.14 brings event ages."""
_LDS_BASE, _SCRATCH_BASE, _SVM_BASE, _APERTURE = 1 << 48, 2 << 48, 0x1000000, 0xFFFFFFFF
"""Apertures of SOC15 parts (amdkfd kfd_flat_memory.c)."""
_SVM_SET, _SVM_GET = 0, 1
_MOST_DEVICES = 1024
"""Longest array of devices that is believed; the driver fails to allocate a senseless one."""


class Deferred(Exception):  # noqa: N818  no error
    """The call is answered later."""


def _refuse(code: int, why: str) -> OSError:
    return OSError(code, why)


def _gpu(gpu: Gpu, gpu_id: int) -> None:
    if gpu_id != gpu.gpu_id:
        raise _refuse(errno.EINVAL, f"no GPU {gpu_id:#x}")


def get_version(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """Interface version."""
    struct.pack_into("<2I", a, 0, *VERSION)


def create_queue(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """CREATE_QUEUE: the driver decides; then the ring is in business."""
    (ring, write, read, _, size, gpu_id, kind, percentage, priority, _, eop, eop_bytes, cwsr, cwsr_bytes, ctl,
     engine) = struct.unpack_from("<4Q6I3Q3I", a)  # fmt: skip
    if kind not in IoctlQueueType.__members__.values():
        raise _refuse(errno.EINVAL, f"queue type {kind}")
    wanted = CreateQueue(
        gpu_id, IoctlQueueType(kind), ring, size, read, write, percentage, priority, eop, eop_bytes, cwsr, cwsr_bytes,
        ctl, engine,
    )  # fmt: skip
    gpu.create_queue(client, wanted, a)


def destroy_queue(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """DESTROY_QUEUE."""
    gpu.destroy_queue(client, struct.unpack_from("<I", a)[0])


def update_queue(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """UPDATE_QUEUE."""
    ring, number, size, percentage, priority = struct.unpack_from("<Q4I", a)
    gpu.update_queue(client, UpdateQueue(number, ring, size, percentage, priority))


def set_cu_mask(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """SET_CU_MASK: ``bits`` of mask, a multiple of 32, low CUs first."""
    number, bits, where = struct.unpack_from("<2IQ", a)
    if not bits or bits % 32:
        raise _refuse(errno.EINVAL, f"a CU mask of {bits} bits")
    # The driver reads no more than 1024 bits and drops the rest.
    words = min(bits, 1024) // 32
    mask = struct.unpack(f"<{words}I", remote.read(client.pid, where, 4 * words))
    gpu.set_cu_mask(client, number, mask)


def set_memory_policy(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """SET_MEMORY_POLICY: checked, and without effect on SOC15 parts."""
    _, _, gpu_id, default, alternate = struct.unpack_from("<2Q3I", a)
    if default > 1 or alternate > 1:
        raise _refuse(errno.EINVAL, "no such cache policy")
    _gpu(gpu, gpu_id)


def get_clock_counters(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """GPU counter (0 of a node that is no GPU), raw monotonic and boot time, and the host clock's frequency."""
    gpu_clock = signals.gpu_clock() if struct.unpack_from("<I", a, 32)[0] == gpu.gpu_id else 0
    struct.pack_into(
        "<4Q", a, 0, gpu_clock, time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW),
        time.clock_gettime_ns(time.CLOCK_BOOTTIME), 1_000_000_000,
    )  # fmt: skip


def get_process_apertures_new(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """Apertures of each GPU; without an array, how many there are."""
    where, room = struct.unpack_from("<QI", a)
    if room:
        row = struct.pack(
            "<6Q2I", _LDS_BASE, _LDS_BASE | _APERTURE, _SCRATCH_BASE, _SCRATCH_BASE | _APERTURE, _SVM_BASE,
            (1 << 47) - 1, gpu.gpu_id, 0,
        )  # fmt: skip
        remote.write(client.pid, where, row)
    struct.pack_into("<I", a, 8, 1)


def acquire_vm(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """ACQUIRE_VM: the process's address space on this GPU is that of a render node descriptor."""
    drm_fd, gpu_id = struct.unpack_from("<2I", a)
    _gpu(gpu, gpu_id)
    if not files.is_render(remote.descriptor(call.tid, drm_fd)):
        raise _refuse(errno.EINVAL, "no render node")


def alloc_memory(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """ALLOC_MEMORY_OF_GPU."""
    va, size, _, offset, gpu_id, flags = struct.unpack_from("<4Q2I", a)
    _gpu(gpu, gpu_id)
    kind = Flags(flags & KINDS)
    if not size:
        raise _refuse(errno.EINVAL, "no bytes asked for")
    if kind & Flags.USERPTR and (not offset or offset % PAGE):
        raise _refuse(errno.EINVAL, f"{offset:#x} is no page of the program")
    if kind & Flags.DOORBELL and size != DOORBELL_BYTES:
        raise _refuse(errno.EINVAL, f"doorbells of {size} bytes")
    if kind & Flags.MMIO_REMAP and size != PAGE:
        raise _refuse(errno.EINVAL, f"remapped registers of {size} bytes")
    if kind not in (*Flags, Flags.VRAM | Flags.GTT):
        raise _refuse(errno.EINVAL, f"allocation flags {flags:#x}")
    backing = None
    if kind & (Flags.VRAM | Flags.GTT):
        backing = gpu.store.allocate(Flags.VRAM if kind & Flags.VRAM else Flags.GTT, size)
        offset = backing.offset
    try:
        buffer = client.add_buffer(gpu_id, va, page_align(size), flags)
    except OSError:
        if backing:
            gpu.store.release(backing)
        raise
    if backing:
        client.attach(buffer, backing)
    elif kind is Flags.USERPTR:
        buffer.host = offset
    else:
        offset = 0 if kind is Flags.DOORBELL else MMIO_OFFSET
    struct.pack_into("<2Q", a, 16, buffer.handle, offset)


def free_memory(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """FREE_MEMORY_OF_GPU."""
    buffer = client.buffers.get(struct.unpack_from("<Q", a)[0])
    if not buffer:
        raise _refuse(errno.EINVAL, "no such buffer")
    if buffer.handle == client.event_page:
        raise _refuse(errno.EPERM, "the event page is freed with the process")
    if buffer.mapped:
        raise _refuse(errno.EBUSY, "the buffer is mapped")
    gpu.processor.kernels.forget(client)
    client.remove_buffer(buffer)


def _buffer_and_devices(gpu: Gpu, client: Client, a: bytearray) -> Buffer:
    """What MAP and UNMAP name: a buffer, and devices, of which there is one."""
    handle, where, count, done = struct.unpack_from("<2Q2I", a)
    if not count or done > count:
        raise _refuse(errno.EINVAL, f"{count} devices, {done} done")
    if count > _MOST_DEVICES:
        raise _refuse(errno.ENOMEM, f"an array of {count} devices")
    devices = struct.unpack(f"<{count}I", remote.read(client.pid, where, 4 * count))
    _gpu(gpu, handle >> 32)
    buffer = client.buffers.get(handle)
    if not buffer:
        raise _refuse(errno.ENOMEM, "no such buffer")
    for gpu_id in devices[done:]:
        _gpu(gpu, gpu_id)
    return buffer


def map_memory(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """MAP_MEMORY_TO_GPU."""
    _buffer_and_devices(gpu, client, a).mapped = True
    a[20:24] = a[16:20]


def unmap_memory(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """UNMAP_MEMORY_FROM_GPU: not what a queue lives on."""
    buffer = _buffer_and_devices(gpu, client, a)
    if not buffer.mapped:
        raise _refuse(errno.EINVAL, "the buffer is not mapped")
    if any(client.space.find(va) is buffer for ring in gpu.processor.of(client).values() for va in ring.memory):
        raise _refuse(errno.EBUSY, "a queue uses the buffer")
    buffer.mapped = False
    a[20:24] = a[16:20]


def create_event(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """CREATE_EVENT; the first one of a process with a discrete GPU names its event page."""
    page, _, kind, auto_reset, _, _, _ = struct.unpack_from("<Q6I", a)
    if page:
        if page not in client.buffers or client.event_page:
            raise _refuse(errno.EINVAL, "the process has its event page" if client.event_page else "no such buffer")
        client.event_page = page
    event = client.events.create(kind, bool(auto_reset))
    client.took_device = True
    struct.pack_into("<2I", a, 8, event.number, kind)
    struct.pack_into("<2I", a, 24, event.number, event.number if kind == events.SIGNAL else 0)


def destroy_event(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """DESTROY_EVENT."""
    client.events.destroy(struct.unpack_from("<I", a)[0])


def _signal_event(client: Client, a: bytearray) -> Event:
    event = client.events.get(struct.unpack_from("<I", a)[0])
    if event.type != events.SIGNAL:
        raise _refuse(errno.EINVAL, "the CPU sets and resets signal events only")
    return event


def set_event(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """SET_EVENT: signal by the CPU."""
    _signal_event(client, a).set()


def reset_event(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """RESET_EVENT."""
    _signal_event(client, a).signaled = False


def wait_events(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """WAIT_EVENTS: answered now when it can be, else when an event, the time or a signal comes."""
    where, count, everything, timeout, _ = struct.unpack_from("<Q4I", a)
    if count > events.SLOTS:
        raise _refuse(errno.EINVAL, f"a wait for {count} events")
    records = remote.read(client.pid, where, events.RECORD * count) if count else b""
    pairs = events.ids_and_ages(records)
    arguments = bytes(a)

    def answer(wait: events.Wait, result: int, error: int) -> None:
        out = bytearray(arguments)
        struct.pack_into("<I", out, 20, result)
        if error == errno.EINTR and wait.deadline_ns is not None:
            # As the driver does, so that a restarted wait goes on with what is left.
            left = max(0, wait.deadline_ns - time.monotonic_ns()) // 1_000_000
            struct.pack_into("<I", out, 16, left)
        try:
            if result == events.COMPLETE and not error:
                remote.write(client.pid, where, wait.results(records))
            remote.write(client.pid, call.where, out)
        except OSError:
            error = error or errno.EFAULT
        gpu.answer_later(client, call, 0x0C, out, error)

    try:
        waited = [client.events.get(number) for number, _ in pairs]
    except OSError:
        struct.pack_into("<I", a, 20, events.FAIL)
        raise
    deadline = None
    if timeout != events.FOREVER:
        deadline = time.monotonic_ns() + timeout * 1_000_000 if timeout else 0
    wait = events.Wait(
        call.tid, call.number, waited, [age != 0 for _, age in pairs], bool(everything), deadline, answer
    )
    if not client.events.wait(wait, [age for _, age in pairs]):
        gpu.wait(client, wait)
    raise Deferred


def get_tile_config(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """GET_TILE_CONFIG: no tile modes (gfx9), the address configuration of the part."""
    struct.pack_into("<2I", a, 16, 0, 0)
    _gpu(gpu, struct.unpack_from("<I", a, 24)[0])
    struct.pack_into("<3I", a, 28, gpu.model.gb_addr_config, 0, 0)


def set_scratch_backing_va(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """SET_SCRATCH_BACKING_VA: an address that only waves use, and no wave runs here."""
    _gpu(gpu, struct.unpack_from("<I", a, 8)[0])


def set_trap_handler(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """SET_TRAP_HANDLER: code that only waves run."""
    _gpu(gpu, struct.unpack_from("<I", a, 16)[0])


def get_queue_wave_state(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """GET_QUEUE_WAVE_STATE: of a queue that is not running; no wave was ever saved here."""
    where, _, _, number, _ = struct.unpack_from("<Q4I", a)
    ring = gpu.processor.of(client).get(number)
    if ring is None:
        raise _refuse(errno.EFAULT, "no such queue")
    if ring.type.is_sdma or ring.runnable:
        raise _refuse(errno.EINVAL, "an SDMA queue" if ring.type.is_sdma else "the queue is active")
    remote.write(client.pid, where, b"")
    struct.pack_into("<2I", a, 8, 0, 0)


def svm(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """SVM: attributes of a range of the program's own memory."""
    start, size, operation, count = struct.unpack_from("<2Q2I", a)
    if not start or not size or (start | size) & (PAGE - 1):
        raise _refuse(errno.EINVAL, "an SVM range must be whole pages")
    if len(a) < 24 + 8 * count:
        raise _refuse(errno.EINVAL, f"{count} attributes do not fit the argument")
    pairs = list(struct.iter_unpack("<2I", a[24 : 24 + 8 * count]))
    ranges = client.space.svm
    if operation == _SVM_SET:
        ranges.set(start, size, pairs, gpu.gpu_id)
    elif operation == _SVM_GET:
        a[24 : 24 + 8 * count] = b"".join(
            struct.pack("<2I", *pair) for pair in ranges.get(start, size, pairs, gpu.gpu_id)
        )
    else:
        raise _refuse(errno.EINVAL, f"SVM operation {operation}")


def set_xnack_mode(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """SET_XNACK_MODE: negative asks."""
    (mode,) = struct.unpack_from("<i", a)
    if mode < 0:
        struct.pack_into("<i", a, 0, int(client.space.svm.xnack))
        return
    gpu.kfd.set_xnack(client.pid, bool(mode))
    client.space.svm.xnack = bool(mode)


def available_memory(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """AVAILABLE_MEMORY: VRAM that is left."""
    _gpu(gpu, struct.unpack_from("<I", a, 8)[0])
    struct.pack_into("<Q", a, 0, gpu.store.limit[Flags.VRAM] - gpu.store.used[Flags.VRAM])


def runtime_enable(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """RUNTIME_ENABLE: mode bit 0 on or off, on only before the first queue; bit 1 asks for TTMP set-up."""
    _, mode, _ = struct.unpack_from("<Q2I", a)
    if mode & 1 and client.runtime:
        raise _refuse(errno.EBUSY, "already enabled")
    if mode & 1 and gpu.processor.of(client):
        raise _refuse(errno.EEXIST, "the process has queues already")
    client.runtime = bool(mode & 1)


def ipc_export(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """IPC_EXPORT_HANDLE (amdgpu-dkms): 16 bytes that another process can import."""
    handle, _ = struct.unpack_from("<2Q", a)
    buffer = client.buffers.get(handle)
    if not buffer or not buffer.backing:
        raise _refuse(errno.EINVAL, "no such buffer")
    a[8:24] = gpu.export(client, buffer.backing)


def ipc_import(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """IPC_IMPORT_HANDLE (amdgpu-dkms): the same memory at an address of this process."""
    va = struct.unpack_from("<3Q", a)[1]
    backing = gpu.exported.get(bytes(a[24:40]))
    if backing is None or not backing.refs:
        raise _refuse(errno.EINVAL, "no such handle")
    buffer = client.add_buffer(gpu.gpu_id, va, backing.bytes, int(backing.kind))
    client.attach(buffer, backing)
    struct.pack_into("<3Q", a, 0, buffer.handle, va, backing.offset)


def smi_events(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """SMI_EVENTS: a descriptor of the device's events (:mod:`.smi`)."""
    _gpu(gpu, struct.unpack_from("<I", a)[0])
    struct.pack_into("<I", a, 4, gpu.watch_events(client, call))


def export_dmabuf(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """EXPORT_DMABUF: a descriptor that stands for a buffer."""
    handle, _ = struct.unpack_from("<QI", a)
    buffer = client.buffers.get(handle)
    if not buffer or not buffer.backing:
        raise _refuse(errno.EINVAL, "no such buffer")
    struct.pack_into("<I", a, 12, gpu.export_dmabuf(call, buffer.backing))


def get_dmabuf_info(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """GET_DMABUF_INFO: size, device and kind of an exported buffer; no metadata was ever set."""
    backing = gpu.dmabuf(call, struct.unpack_from("<I", a, 28)[0])
    struct.pack_into("<Q", a, 0, backing.bytes)
    struct.pack_into("<3I", a, 16, 0, gpu.gpu_id, int(backing.kind))


def import_dmabuf(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """IMPORT_DMABUF: an exported buffer at an address of this process."""
    va, _, gpu_id, fd = struct.unpack_from("<2Q2I", a)
    _gpu(gpu, gpu_id)
    backing = gpu.dmabuf(call, fd)
    buffer = client.add_buffer(gpu_id, va, backing.bytes, int(backing.kind))
    client.attach(buffer, backing)
    struct.pack_into("<Q", a, 8, buffer.handle)


def alloc_queue_gws(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """ALLOC_QUEUE_GWS: global wave sync for one queue of the process."""
    number, count = struct.unpack_from("<2I", a)
    gpu.set_gws(client, number, count)
    struct.pack_into("<I", a, 8, 0)


def debugger(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """DBG_TRAP, and what came before it and was taken out of the driver: nobody can debug waves that do not run."""
    raise _refuse(errno.EPERM, "the virtual GPU has no debugger")


def deprecated(gpu: Gpu, client: Client, a: bytearray, call: Call) -> None:
    """Calls of amdgpu-dkms that it answers so since it took them out."""
    raise _refuse(errno.EINVAL, "taken out of the driver")


Handler = Callable[["Gpu", Client, bytearray, Call], None]
HANDLERS: dict[int, Handler] = {
    0x01: get_version,
    0x02: create_queue,
    0x03: destroy_queue,
    0x04: set_memory_policy,
    0x05: get_clock_counters,
    0x07: update_queue,
    0x08: create_event,
    0x09: destroy_event,
    0x0A: set_event,
    0x0B: reset_event,
    0x0C: wait_events,
    0x0D: debugger,
    0x0E: debugger,
    0x0F: debugger,
    0x10: debugger,
    0x11: set_scratch_backing_va,
    0x12: get_tile_config,
    0x13: set_trap_handler,
    0x14: get_process_apertures_new,
    0x15: acquire_vm,
    0x16: alloc_memory,
    0x17: free_memory,
    0x18: map_memory,
    0x19: unmap_memory,
    0x1A: set_cu_mask,
    0x1B: get_queue_wave_state,
    0x1C: get_dmabuf_info,
    0x1D: import_dmabuf,
    0x1E: alloc_queue_gws,
    0x1F: smi_events,
    0x20: svm,
    0x21: set_xnack_mode,
    0x23: available_memory,
    0x24: export_dmabuf,
    0x25: runtime_enable,
    0x26: debugger,
    0x80: ipc_import,
    0x81: ipc_export,
    0x82: deprecated,
    0x83: deprecated,
}
"""By the ioctl's number; the rest is answered ENOTTY and reported."""
SIZES = {0x02: 96, 0x08: 32}
"""Arguments that older runtimes pass shorter: missing bytes are zero."""
_READS, _WRITES = 1 << 30, 1 << 31
"""Direction bits of an ioctl's number: the driver reads its argument, writes it back."""


class _Request(NamedTuple):
    """What the number of an ioctl of ``/dev/kfd`` says; ``room`` is what its handler reads at least."""

    handler: Handler | None
    name: str
    bytes: int
    reads: bool
    writes: bool
    room: int


@lru_cache(maxsize=256)
def _decoded(request: int) -> _Request:
    number, size = request & 0xFF, request >> 16 & 0x3FFF
    handler = HANDLERS.get(number) if request >> 8 & 0xFF == ord("K") else None
    name = handler.__name__ if handler else ""
    reads, writes = bool(size and request & _READS), bool(request & _WRITES)
    return _Request(handler, name, size, reads, writes, max(size, SIZES.get(number, 0)))


def answer(gpu: Gpu, call: Call, fd: int, request: int) -> bool:
    """Answer an ioctl; False when the descriptor is none of ours."""
    name = remote.descriptor(call.tid, fd)
    client = gpu.client_of(name)
    if client is not None and remote.within(call.tid, client.pid):
        _carry_out(gpu, client, call, request)
    elif files.is_render(name):
        _render(gpu, call, request)
    elif files.is_kfd(name):
        # Inherited over fork (or left by one that has gone): the driver serves only the process that opened.
        gpu.reply(call, errno.EBADF)
    else:
        return False
    return True


def _carry_out(gpu: Gpu, client: Client, call: Call, request: int) -> None:
    _, tid, where = call
    handler, name, size, reads, writes, room = _decoded(request)
    if handler is None:
        gpu.report(f"ioctl {request:#010x} of /dev/kfd")
        gpu.reply(call, errno.ENOTTY)
        return
    gpu.calls[name] += 1
    error = 0
    why = ""
    before = b""
    try:
        # As the driver does: what a call only gives back starts as zeros.
        arguments = bytearray(room)
        if reads:
            arguments[:size] = before = remote.read(tid, where, size)
        try:
            handler(gpu, client, arguments, call)
        except Deferred:
            return
        except KfdError as refused:
            error, why = refused.errno, refused.why
        except OSError as refused:
            error, why = refused.errno or errno.EFAULT, refused.strerror or ""
        except struct.error:
            error, why = errno.EINVAL, "the argument is too short"
        if writes and not (before and arguments.startswith(before)):
            # As the driver does: results go out even when the call failed.
            remote.write(tid, where, arguments[:size])
    except OSError as fault:
        error, why = fault.errno or errno.EFAULT, "the argument cannot be reached"
        arguments = bytearray(before)
    if gpu.record:
        gpu.record.ioctl(client, request, arguments, error, why)
        gpu.record.driver(gpu.kfd.events)
    gpu.reply(call, error)


def _render(gpu: Gpu, call: Call, request: int) -> None:
    number, size = request & 0xFF, request >> 16 & 0x3FFF
    error = 0
    try:
        arguments = bytearray(remote.read(call.tid, call.where, size))
        if request >> 8 & 0xFF != ord("d"):
            raise OSError(errno.ENOTTY, "no ioctl of a render node")
        if number == drm.VERSION:
            drm.version(call.tid, arguments)
            remote.write(call.tid, call.where, arguments)
        elif number == drm.AMDGPU_INFO:
            drm.info(call.tid, arguments, gpu.model, gpu.report)
        else:
            gpu.report(f"ioctl {request:#010x} of the render node")
            error = errno.EINVAL
    except OSError as refused:
        error = refused.errno or errno.EFAULT
    except struct.error:
        error = errno.EINVAL
    gpu.reply(call, error)
