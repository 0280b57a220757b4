"""The ioctls one by one, from this very process: what the driver checks, in its order and with its errnos.

Source of the errnos: amdkfd kfd_chardev.c, kfd_events.c, kfd_svm.c, amdgpu_amdkfd_gpuvm.c.
"""

import ctypes
import errno
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from ringscope.parts.ioctl import BY_NAME
from ringscope.stack.machine import MachineSpec
from ringscope.virtual import events, ioctls, svm
from ringscope.virtual.client import Client
from ringscope.virtual.codeobject import Kernel
from ringscope.virtual.gpu import Gpu
from ringscope.virtual.injection import Faults
from ringscope.virtual.kernels import Kernels
from ringscope.virtual.memory import PAGE, Flags
from ringscope.virtual.model import model_of
from ringscope.virtual.seccomp import Call

VA = 0x7E0000000000
OTHER = 0xBAD


@dataclass
class Answers:
    """Takes the place of the kernel's listener: keeps the errno of every answer; every call still waits."""

    errors: list[int] = field(default_factory=list)
    gone: bool = False

    def reply(self, number: int, value: int = 0, error: int = 0) -> None:
        self.errors.append(error)

    def waiting(self, number: int) -> bool:
        return not self.gone


@dataclass
class Program:
    """This process as a program that has opened the driver."""

    gpu: Gpu
    fd: int
    answers: Answers
    next_va: int = VA
    kept: list[object] = field(default_factory=list)

    @property
    def client(self) -> Client:
        return self.gpu.clients[os.getpid()]

    def raw(self, number: int, arguments: bytes) -> tuple[int, bytes]:
        """An ioctl by its number; the errno it was answered with (-1: not yet), and its arguments afterwards."""
        room = ctypes.create_string_buffer(arguments, len(arguments) or 1)
        self.kept.append(room)  # a wait is answered later
        self.answers.errors.clear()
        assert ioctls.answer(self.gpu, Call(1, os.getpid(), ctypes.addressof(room)), self.fd, number)
        return (self.answers.errors or [-1])[-1], room.raw

    def call(self, name: str, **values: int) -> tuple[int, dict[str, int]]:
        """An ioctl by its name and the fields of its argument."""
        row = BY_NAME[name]
        error, after = self.raw(row.number, row.args.pack(**values))
        return error, row.args.unpack(after)

    def done(self, name: str, **values: int) -> dict[str, int]:
        """The same, where it succeeds."""
        error, after = self.call(name, **values)
        assert not error, os.strerror(error)
        return after

    def array(self, *words: int) -> int:
        room = (ctypes.c_uint32 * len(words))(*words)
        self.kept.append(room)
        return ctypes.addressof(room)

    def devices(self) -> dict[str, int]:
        return {"device_ids_array_ptr": self.array(self.gpu.gpu_id), "n_devices": 1}

    def buffer(self, size: int = PAGE, flags: int = Flags.GTT, mapped: bool = True, offset: int = 0) -> tuple[int, int]:
        """A buffer's handle and its address."""
        va = self.next_va
        self.next_va += size + PAGE
        row = self.done(
            "ALLOC_MEMORY_OF_GPU", va_addr=va, size=size, gpu_id=self.gpu.gpu_id, flags=flags, mmap_offset=offset
        )
        if mapped:
            self.done("MAP_MEMORY_TO_GPU", handle=row["handle"], **self.devices())
        return row["handle"], va

    def queue(self, kind: int = 2) -> dict[str, int]:
        """The arguments of a CREATE_QUEUE that is right in all things."""
        area = self.gpu.machine.nodes[0].save_area
        save = {} if kind == 1 else {
            "ctx_save_restore_address": self.buffer(area.total_bytes)[1], "ctx_save_restore_size": area.cwsr_bytes,
            "ctl_stack_size": area.ctl_stack_bytes, "eop_buffer_address": self.buffer()[1], "eop_buffer_size": PAGE,
        }  # fmt: skip
        pointers = self.buffer()[1]
        return {
            "ring_base_address": self.buffer()[1], "ring_size": PAGE, "read_pointer_address": pointers + 0x80,
            "write_pointer_address": pointers + 0x38, "gpu_id": self.gpu.gpu_id, "queue_type": kind,
            "queue_percentage": 100, "queue_priority": 7, **save,
        }  # fmt: skip

    def handle(self, va: int) -> int:
        found = self.client.space.find(va)
        assert found
        return found.handle

    def event(self, kind: int = events.SIGNAL, auto: bool = True) -> int:
        return self.done("CREATE_EVENT", event_type=kind, auto_reset=int(auto))["event_id"]

    def wait(self, *numbers: int, everything: bool = False, timeout: int = 0) -> int:
        """Starts a wait; the address of its arguments."""
        records = b"".join(struct.pack("<40xI4x", number) for number in numbers)
        room = ctypes.create_string_buffer(records or b"\0")
        self.kept.append(room)
        values = {"num_events": len(numbers), "wait_for_all": int(everything), "timeout": timeout, "wait_result": 77}
        row = BY_NAME["WAIT_EVENTS"]
        self.raw(row.number, row.args.pack(events_ptr=ctypes.addressof(room), **values))
        last = self.kept[-1]
        assert isinstance(last, ctypes.Array)
        return ctypes.addressof(last)

    def waited(self, where: int) -> dict[str, int]:
        row = BY_NAME["WAIT_EVENTS"].args
        return row.unpack(ctypes.string_at(where, row.size))


@contextmanager
def program(gpu: str = "mi210", *faults: str) -> Iterator[Program]:
    answers = Answers()
    machine = MachineSpec.of(gpu)
    listener: object = answers
    device = Gpu(model_of(gpu), machine, listener, Kernels(), Faults(["memory=1G", *faults]), None)  # type: ignore[arg-type]
    try:
        yield Program(device, device.open_kfd(os.getpid()), answers)
    finally:
        device.close()


@pytest.fixture
def p() -> Iterator[Program]:
    with program() as one:
        yield one


def test_every_ioctl_of_the_reference_is_known(p: Program) -> None:
    for name, row in BY_NAME.items():
        error, _ = p.raw(row.number, bytes(row.args.size))
        assert error != errno.ENOTTY, name
    assert not p.gpu.unknown
    assert p.raw(0xC0084B7F, bytes(8))[0] == errno.ENOTTY
    assert p.raw(0xC0085801, bytes(8))[0] == errno.ENOTTY
    assert p.gpu.unknown.total() == 2


BAD_CREATE = [
    ("queue_percentage", 101, errno.EINVAL),
    ("queue_priority", 16, errno.EINVAL),
    ("ring_size", 3000, errno.EINVAL),
    ("ring_size", 2 * PAGE, errno.EINVAL),
    ("ring_base_address", VA - PAGE, errno.EINVAL),
    ("ring_base_address", 1 << 63, errno.EFAULT),
    ("read_pointer_address", VA - PAGE, errno.EINVAL),
    ("write_pointer_address", VA - PAGE, errno.EINVAL),
    ("eop_buffer_size", 2 * PAGE, errno.EINVAL),
    ("eop_buffer_address", VA - PAGE, errno.EINVAL),
    ("ctl_stack_size", PAGE, errno.EINVAL),
    ("ctx_save_restore_size", PAGE, errno.EINVAL),
    ("ctx_save_restore_address", VA - PAGE, errno.EINVAL),
    ("gpu_id", OTHER, errno.EINVAL),
    ("queue_type", 9, errno.EINVAL),
]


@pytest.mark.parametrize(("name", "value", "error"), BAD_CREATE)
def test_a_queue_is_refused_for_what_is_wrong_with_it(name: str, value: int, error: int, p: Program) -> None:
    good = p.queue()
    assert p.call("CREATE_QUEUE", **good | {name: value})[0] == error
    assert not p.gpu.processor.rings
    p.done("CREATE_QUEUE", **good)


def test_a_queue_gets_an_id_a_doorbell_and_memory_that_stays(p: Program) -> None:
    asked = p.queue()
    made = p.done("CREATE_QUEUE", **asked)
    assert (made["queue_id"], made["doorbell_offset"]) == (0, 0)
    second = p.done("CREATE_QUEUE", **p.queue())
    assert (second["queue_id"], second["doorbell_offset"]) == (1, 8)
    names = ("ring_base_address", "read_pointer_address", "eop_buffer_address", "ctx_save_restore_address")
    for name in names:
        handle = p.handle(asked[name])
        assert p.call("UNMAP_MEMORY_FROM_GPU", handle=handle, **p.devices())[0] == errno.EBUSY, name
        assert p.call("FREE_MEMORY_OF_GPU", handle=handle)[0] == errno.EBUSY, name
    p.done("DESTROY_QUEUE", queue_id=0)
    assert p.call("DESTROY_QUEUE", queue_id=0)[0] == errno.EINVAL
    for name in names:
        handle = p.handle(asked[name])
        p.done("UNMAP_MEMORY_FROM_GPU", handle=handle, **p.devices())
        p.done("FREE_MEMORY_OF_GPU", handle=handle)


def test_an_update_is_checked_like_a_create_and_changes_the_ring(p: Program) -> None:
    asked = p.queue()
    p.done("CREATE_QUEUE", **asked)
    good = {
        "ring_base_address": asked["ring_base_address"], "ring_size": PAGE, "queue_percentage": 100,
        "queue_priority": 11,
    }  # fmt: skip
    for name, value, error in [
        ("queue_percentage", 101, errno.EINVAL),
        ("queue_priority", 16, errno.EINVAL),
        ("ring_size", 3000, errno.EINVAL),
        ("queue_id", 5, errno.EFAULT),
        ("ring_base_address", VA - PAGE, errno.EFAULT),
        ("ring_size", 2 * PAGE, errno.EFAULT),
    ]:
        assert p.call("UPDATE_QUEUE", **good | {name: value})[0] == error, name
    p.done("UPDATE_QUEUE", **good)
    (ring,) = p.gpu.processor.rings
    assert ring.priority == 11 and ring.runnable
    other = p.buffer(2 * PAGE)[1]
    p.done("UPDATE_QUEUE", **good | {"ring_base_address": other, "ring_size": 2 * PAGE})
    assert (ring.base, ring.bytes) == (other, 2 * PAGE)
    p.done("UPDATE_QUEUE", queue_id=0, queue_priority=7)
    assert not ring.runnable


def test_a_cu_mask_is_read_from_the_program(p: Program) -> None:
    p.done("CREATE_QUEUE", **p.queue())
    mask = p.array(0xFF, 0)
    for bits, where, number, error in [
        (0, mask, 0, errno.EINVAL),
        (33, mask, 0, errno.EINVAL),
        (64, 8, 0, errno.EFAULT),
        (64, mask, 3, errno.EFAULT),
    ]:
        assert p.call("SET_CU_MASK", queue_id=number, num_cu_mask=bits, cu_mask_ptr=where)[0] == error
    p.done("SET_CU_MASK", queue_id=0, num_cu_mask=64, cu_mask_ptr=mask)
    # Bits are dealt over the shader engines of the one XCC.
    assert p.gpu.kfd.queue(os.getpid(), 0).cu_masks == ((1,) * 8,)


def test_wave_state_is_that_of_a_stopped_compute_queue(p: Program) -> None:
    asked = p.queue()
    p.done("CREATE_QUEUE", **asked)
    p.done("CREATE_QUEUE", **p.queue(kind=1))
    assert p.call("GET_QUEUE_WAVE_STATE", queue_id=7)[0] == errno.EFAULT
    assert p.call("GET_QUEUE_WAVE_STATE", queue_id=0)[0] == errno.EINVAL
    p.done("UPDATE_QUEUE", queue_id=0, queue_priority=7)
    p.done("UPDATE_QUEUE", queue_id=1, queue_priority=7)
    found = p.done("GET_QUEUE_WAVE_STATE", queue_id=0)
    assert found["ctl_stack_used_size"] == found["save_area_used_size"] == 0
    assert p.call("GET_QUEUE_WAVE_STATE", queue_id=1)[0] == errno.EINVAL


def test_only_one_queue_of_a_process_has_gws(p: Program) -> None:
    for _ in range(2):
        p.done("CREATE_QUEUE", **p.queue())
    assert p.call("ALLOC_QUEUE_GWS", queue_id=5, num_gws=1)[0] == errno.EINVAL
    p.done("ALLOC_QUEUE_GWS", queue_id=0, num_gws=64)
    assert p.call("ALLOC_QUEUE_GWS", queue_id=1, num_gws=64)[0] == errno.EBUSY


@pytest.mark.parametrize(
    ("flags", "size", "offset", "error"),
    [
        (Flags.GTT, 0, 0, errno.EINVAL),
        (0, PAGE, 0, errno.EINVAL),
        (Flags.USERPTR, PAGE, 0, errno.EINVAL),
        (Flags.USERPTR, PAGE, 0x7777, errno.EINVAL),
        (Flags.DOORBELL, PAGE, 0, errno.EINVAL),
        (Flags.MMIO_REMAP, 2 * PAGE, 0, errno.EINVAL),
        (Flags.VRAM, 2 << 30, 0, errno.ENOMEM),
    ],
)
def test_memory_is_refused_for_what_is_wrong_with_it(
    flags: int, size: int, offset: int, error: int, p: Program
) -> None:
    asked = {"va_addr": VA, "size": size, "gpu_id": p.gpu.gpu_id, "flags": flags, "mmap_offset": offset}
    assert p.call("ALLOC_MEMORY_OF_GPU", **asked)[0] == error
    assert p.call("ALLOC_MEMORY_OF_GPU", **asked | {"gpu_id": OTHER})[0] == errno.EINVAL
    assert not p.client.buffers and not any(p.gpu.store.used.values())


def test_an_address_is_given_once_and_nothing_is_lost_over_it(p: Program) -> None:
    handle, va = p.buffer(2 * PAGE)
    used = dict(p.gpu.store.used)
    asked = {"va_addr": va + PAGE, "size": PAGE, "gpu_id": p.gpu.gpu_id, "flags": int(Flags.GTT)}
    assert p.call("ALLOC_MEMORY_OF_GPU", **asked)[0] == errno.EINVAL
    assert p.gpu.store.used == used
    assert handle >> 32 == p.gpu.gpu_id


def test_memory_that_is_left_counts_what_was_given(p: Program) -> None:
    def left() -> int:
        return p.done("AVAILABLE_MEMORY", gpu_id=p.gpu.gpu_id)["available"]

    before = left()
    assert before == 1 << 30
    handle, _ = p.buffer(8 << 20, Flags.VRAM, mapped=False)
    p.buffer(4 << 20, Flags.GTT)
    assert left() == before - (8 << 20)
    p.done("FREE_MEMORY_OF_GPU", handle=handle)
    assert left() == before
    assert p.call("AVAILABLE_MEMORY", gpu_id=OTHER)[0] == errno.EINVAL


def test_what_is_mapped_is_not_freed_and_what_is_not_is_not_unmapped(p: Program) -> None:
    handle, va = p.buffer(mapped=False)
    unknown = handle + 99
    for name in ("MAP_MEMORY_TO_GPU", "UNMAP_MEMORY_FROM_GPU"):
        assert p.call(name, handle=handle)[0] == errno.EINVAL  # no devices
        assert p.call(name, handle=handle, **p.devices() | {"n_success": 2})[0] == errno.EINVAL
        assert p.call(name, handle=handle, device_ids_array_ptr=8, n_devices=1)[0] == errno.EFAULT
        assert p.call(name, handle=handle, device_ids_array_ptr=8, n_devices=0xFFFFFFFF)[0] == errno.ENOMEM
        assert p.call(name, handle=unknown, **p.devices())[0] == errno.ENOMEM
        assert p.call(name, handle=OTHER << 32 | 1, **p.devices())[0] == errno.EINVAL
        wrong = {"device_ids_array_ptr": p.array(OTHER), "n_devices": 1}
        assert p.call(name, handle=handle, **wrong)[0] == errno.EINVAL
    assert p.call("UNMAP_MEMORY_FROM_GPU", handle=handle, **p.devices())[0] == errno.EINVAL
    assert not p.client.space.here(va)
    assert p.done("MAP_MEMORY_TO_GPU", handle=handle, **p.devices())["n_success"] == 1
    assert p.client.space.here(va)
    assert p.call("FREE_MEMORY_OF_GPU", handle=handle)[0] == errno.EBUSY
    p.done("UNMAP_MEMORY_FROM_GPU", handle=handle, **p.devices())
    p.done("FREE_MEMORY_OF_GPU", handle=handle)
    assert p.call("FREE_MEMORY_OF_GPU", handle=handle)[0] == errno.EINVAL


def test_a_kernel_is_looked_up_anew_when_memory_changed_hands(p: Program) -> None:
    handle, va = p.buffer(mapped=False)
    p.gpu.processor.kernels._known[p.client.number, va] = Kernel("old")
    p.done("FREE_MEMORY_OF_GPU", handle=handle)
    assert not p.gpu.processor.kernels._known


def test_the_event_page_is_named_once_and_stays(p: Program) -> None:
    assert p.call("CREATE_EVENT", event_page_offset=0x1234)[0] == errno.EINVAL
    page, _ = p.buffer(8 * PAGE, mapped=False)
    first = p.done("CREATE_EVENT", event_page_offset=page)
    assert first["event_id"] == first["event_slot_index"] == first["event_trigger_data"] == 1
    assert p.call("CREATE_EVENT", event_page_offset=page)[0] == errno.EINVAL
    assert p.call("FREE_MEMORY_OF_GPU", handle=page)[0] == errno.EPERM
    other = p.done("CREATE_EVENT", event_type=events.MEMORY)
    assert other["event_id"] == other["event_trigger_data"] >= 1 << 30


@pytest.mark.parametrize("name", ["SET_EVENT", "RESET_EVENT", "DESTROY_EVENT"])
def test_the_cpu_changes_its_own_signal_events(name: str, p: Program) -> None:
    signal, other = p.event(auto=False), p.event(events.HW_EXCEPTION)
    assert p.call(name, event_id=77)[0] == errno.EINVAL
    if name != "DESTROY_EVENT":
        assert p.call(name, event_id=other)[0] == errno.EINVAL
    event = p.client.events.get(signal)
    event.signaled = name == "RESET_EVENT"
    p.done(name, event_id=signal)
    assert event.destroyed if name == "DESTROY_EVENT" else event.signaled == (name == "SET_EVENT")


def test_a_wait_is_answered_when_it_can_be(p: Program) -> None:
    first, second = p.event(), p.event()
    here = p.wait(first, second, timeout=events.FOREVER)
    assert not p.answers.errors
    p.done("SET_EVENT", event_id=second)
    assert p.waited(here)["wait_result"] == events.COMPLETE
    assert p.waited(p.wait(first))["wait_result"] == events.TIMEOUT
    assert p.answers.errors == [0]
    assert p.waited(p.wait(77))["wait_result"] == events.FAIL
    assert p.answers.errors == [errno.EINVAL]
    # Of no events, all have come.
    for everything in (True, False):
        assert p.waited(p.wait(everything=everything, timeout=events.FOREVER))["wait_result"] == events.COMPLETE


def test_a_wait_ends_with_its_time_and_with_its_event(p: Program) -> None:
    event = p.event()
    here = p.wait(event, timeout=50)
    now = time.monotonic_ns()
    p.gpu.tick(now)
    assert not p.answers.errors
    p.gpu.tick(now + 50_000_000)
    assert p.waited(here)["wait_result"] == events.TIMEOUT and p.answers.errors == [0]
    here = p.wait(event, timeout=events.FOREVER)
    p.client.events.destroy(event)
    assert p.waited(here)["wait_result"] == events.FAIL and p.answers.errors == [errno.EIO]


def test_an_interrupted_wait_gives_back_what_it_took(p: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = p.event(), p.event()
    here = p.wait(first, second, everything=True, timeout=60_000)
    p.done("SET_EVENT", event_id=first)
    p.answers.errors.clear()
    assert not p.client.events.get(first).signaled  # the wait has it
    ((_, waiting),) = p.gpu._waits
    assert waiting.deadline_ns
    waiting.deadline_ns -= 30 * 10**9  # as if half of its time were over
    monkeypatch.setattr("ringscope.virtual.remote.signal_pending", lambda tid: True)
    p.gpu.tick(time.monotonic_ns())
    assert p.answers.errors == [errno.EINTR]
    found = p.waited(here)
    assert found["wait_result"] == events.FAIL and 20_000 < found["timeout"] <= 30_000
    again = p.wait(first, second, everything=True, timeout=found["timeout"])
    p.done("SET_EVENT", event_id=second)
    assert p.waited(again)["wait_result"] == events.COMPLETE


def test_a_waiter_that_has_gone_takes_no_signal_with_it(p: Program) -> None:
    event = p.event()
    p.wait(event, timeout=events.FOREVER)
    p.answers.gone = True
    p.gpu.tick(time.monotonic_ns())
    p.done("SET_EVENT", event_id=event)
    assert p.client.events.get(event).signaled


def attributes(p: Program, operation: int, start: int, size: int, *pairs: svm.Pair) -> tuple[int, list[svm.Pair]]:
    """An SVM ioctl; errno, and the pairs afterwards."""
    row = BY_NAME["SVM"]
    body = b"".join(struct.pack("<2I", *pair) for pair in pairs)
    arguments = row.args.pack(start_addr=start, size=size, op=operation, nattr=len(pairs)) + body
    error, after = p.raw(row.number + (len(body) << 16), arguments)
    return error, list(struct.iter_unpack("<2I", after[row.args.size :][: len(body)]))


def test_svm_attributes_are_checked_kept_and_read_back(p: Program) -> None:
    gpu, start = p.gpu.gpu_id, 0x100000
    for where, size in ((start + 1, PAGE), (start, 100), (0, PAGE), (start, 0)):
        assert attributes(p, 0, where, size, (svm.ACCESS, gpu))[0] == errno.EINVAL
    assert attributes(p, 2, start, PAGE)[0] == errno.EINVAL
    for pair in ((8, 0), (svm.ACCESS, OTHER), (svm.NO_ACCESS, OTHER), (svm.PREFERRED, OTHER),
                 (svm.PREFETCH, svm.UNDEFINED)):  # fmt: skip
        assert attributes(p, 0, start, PAGE, (svm.ACCESS, gpu), pair)[0] == errno.EINVAL
    assert attributes(p, 1, start, PAGE, (svm.ACCESS, gpu)) == (0, [(svm.NO_ACCESS, gpu)])
    assert attributes(p, 1, start, PAGE, (svm.NO_ACCESS, gpu))[0] == errno.EINVAL
    assert attributes(p, 1, start, PAGE, (svm.ACCESS, OTHER))[0] == errno.EINVAL
    new = [(svm.PREFERRED, gpu), (svm.PREFETCH, 0), (svm.ACCESS, gpu), (svm.SET_FLAGS, 0x20), (svm.CLEAR_FLAGS, 1)]
    assert attributes(p, 0, start, 2 * PAGE, *new, (svm.GRANULARITY, 0xFF))[0] == 0
    ask = [(kind, gpu) for kind in (svm.PREFERRED, svm.PREFETCH, svm.ACCESS, svm.SET_FLAGS, svm.CLEAR_FLAGS, 7)]
    assert attributes(p, 1, start, PAGE, *ask) == (
        0, [(0, gpu), (1, 0), (2, gpu), (5, 0x22), (6, 0xFFFFFFDD), (7, 0x3F)],
    )  # fmt: skip
    # More attributes than the argument holds are refused, not read from beyond it.
    row = BY_NAME["SVM"]
    assert p.raw(row.number, row.args.pack(start_addr=start, size=PAGE, nattr=1))[0] == errno.EINVAL


def test_a_save_area_may_lie_in_the_programs_own_memory(p: Program) -> None:
    area = p.gpu.machine.nodes[0].save_area
    asked = p.queue() | {"ctx_save_restore_address": 0x10000000}
    assert p.call("CREATE_QUEUE", **asked)[0] == errno.EINVAL
    assert attributes(p, 0, 0x10000000, area.total_bytes, (svm.PREFETCH, p.gpu.gpu_id))[0] == 0
    assert p.call("CREATE_QUEUE", **asked)[0] == errno.EINVAL  # not open to the GPU
    assert attributes(p, 0, 0x10000000, area.total_bytes, (svm.ACCESS, p.gpu.gpu_id))[0] == 0
    p.done("CREATE_QUEUE", **asked)


def test_xnack_is_chosen_before_the_first_queue(p: Program) -> None:
    ask = 0xFFFFFFFF
    assert p.done("SET_XNACK_MODE", xnack_enabled=ask)["xnack_enabled"] == 0
    p.done("SET_XNACK_MODE", xnack_enabled=1)
    assert p.done("SET_XNACK_MODE", xnack_enabled=ask)["xnack_enabled"] == 1
    assert p.client.space.svm.open_from(0x5000)
    assert attributes(p, 1, PAGE, PAGE, (svm.ACCESS, p.gpu.gpu_id))[1] == [(svm.ACCESS, p.gpu.gpu_id)]
    p.done("CREATE_QUEUE", **p.queue())
    assert p.call("SET_XNACK_MODE", xnack_enabled=0)[0] == errno.EBUSY


def test_xnack_is_refused_where_the_part_has_none() -> None:
    with program("navi31") as p:
        assert p.call("SET_XNACK_MODE", xnack_enabled=1)[0] == errno.EPERM
        p.done("SET_XNACK_MODE", xnack_enabled=0)


def test_the_runtime_is_enabled_once_and_before_the_first_queue(p: Program) -> None:
    p.done("RUNTIME_ENABLE", mode_mask=1)
    assert p.call("RUNTIME_ENABLE", mode_mask=3)[0] == errno.EBUSY
    p.done("RUNTIME_ENABLE", mode_mask=0)
    p.done("CREATE_QUEUE", **p.queue())
    assert p.call("RUNTIME_ENABLE", mode_mask=1)[0] == errno.EEXIST
    p.done("RUNTIME_ENABLE", mode_mask=0)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("SET_MEMORY_POLICY", {"default_policy": 1}),
        ("SET_SCRATCH_BACKING_VA", {"va_addr": VA}),
        ("SET_TRAP_HANDLER", {"tba_addr": VA, "tma_addr": VA}),
        ("GET_TILE_CONFIG", {}),
    ],
)
def test_what_names_a_device_names_this_one(name: str, values: dict[str, int], p: Program) -> None:
    assert p.call(name, gpu_id=OTHER, **values)[0] == errno.EINVAL
    found = p.done(name, gpu_id=p.gpu.gpu_id, **values)
    assert name != "GET_TILE_CONFIG" or found["gb_addr_config"] == p.gpu.model.gb_addr_config


@pytest.mark.parametrize("policy", ["default_policy", "alternate_policy"])
def test_a_cache_policy_is_one_of_two(policy: str, p: Program) -> None:
    assert p.call("SET_MEMORY_POLICY", gpu_id=p.gpu.gpu_id, **{policy: 2})[0] == errno.EINVAL


def test_clocks_run_and_a_node_without_gpu_has_none_of_its_own(p: Program) -> None:
    first, second = (p.done("GET_CLOCK_COUNTERS", gpu_id=p.gpu.gpu_id) for _ in range(2))
    assert 0 < first["gpu_clock_counter"] <= second["gpu_clock_counter"]
    # 100 MHz beside ns of the same clock.
    assert abs(first["cpu_clock_counter"] - 10 * first["gpu_clock_counter"]) < 10**9
    assert first["system_clock_freq"] == 10**9 and first["system_clock_counter"]
    assert p.done("GET_CLOCK_COUNTERS", gpu_id=0)["gpu_clock_counter"] == 0


def test_apertures_are_counted_then_given(p: Program) -> None:
    assert p.done("GET_PROCESS_APERTURES_NEW")["num_of_nodes"] == 1
    room = ctypes.create_string_buffer(3 * 56)
    where = ctypes.addressof(room)
    found = p.done("GET_PROCESS_APERTURES_NEW", kfd_process_device_apertures_ptr=where, num_of_nodes=3)
    assert found["num_of_nodes"] == 1
    bounds = struct.unpack_from("<6Q2I", room.raw)
    assert bounds[6] == p.gpu.gpu_id and all(low < high for low, high in zip(bounds[:6:2], bounds[1:6:2], strict=True))
    assert not any(room.raw[56:])
    assert p.call("GET_PROCESS_APERTURES_NEW", num_of_nodes=1)[0] == errno.EFAULT


def test_an_address_space_is_that_of_a_render_node(p: Program) -> None:
    for fd, gpu_id in ((p.fd, p.gpu.gpu_id), (1023, p.gpu.gpu_id), (p.gpu.store.fd, OTHER)):
        assert p.call("ACQUIRE_VM", drm_fd=fd, gpu_id=gpu_id)[0] == errno.EINVAL
    p.done("ACQUIRE_VM", drm_fd=p.gpu.store.fd, gpu_id=p.gpu.gpu_id)


@pytest.mark.parametrize("nr", [0x0D, 0x0E, 0x0F, 0x10, 0x26])
def test_there_is_no_debugger(nr: int, p: Program) -> None:
    assert p.raw(3 << 30 | 32 << 16 | ord("K") << 8 | nr, bytes(32))[0] == errno.EPERM


def test_a_handle_is_good_as_long_as_somebody_holds_the_memory(p: Program) -> None:
    export, take = 0xC0204B81, 0xC0304B80
    handle, va = p.buffer(2 * PAGE, Flags.VRAM, mapped=False)
    assert p.raw(export, struct.pack("<2Q16x", handle + 9, 0))[0] == errno.EINVAL
    error, after = p.raw(export, struct.pack("<2Q16x", handle, p.gpu.gpu_id))
    assert not error
    error, found = p.raw(take, struct.pack("<3Q", 0, va + (1 << 30), 0) + after[8:24] + bytes(8))
    mine, _, offset = struct.unpack_from("<3Q", found)
    assert not error and mine != handle and offset == p.client.buffers[handle].here
    p.done("FREE_MEMORY_OF_GPU", handle=handle)
    p.done("FREE_MEMORY_OF_GPU", handle=mine)
    assert p.raw(take, struct.pack("<3Q", 0, va, 0) + after[8:24] + bytes(8))[0] == errno.EINVAL
    assert not any(p.gpu.store.used.values())


def test_a_descriptor_that_is_not_this_process_is_refused(p: Program) -> None:
    child = os.fork()
    if not child:
        room = ctypes.create_string_buffer(8)
        inherited = Call(1, os.getpid(), ctypes.addressof(room))
        ioctls.answer(p.gpu, inherited, p.fd, BY_NAME["GET_VERSION"].number)
        os._exit(p.answers.errors[-1])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == errno.EBADF
    assert p.done("GET_VERSION")["major_version"] == 1


def test_an_argument_that_cannot_be_reached_is_a_fault(p: Program) -> None:
    p.answers.errors.clear()
    assert ioctls.answer(p.gpu, Call(1, os.getpid(), 8), p.fd, BY_NAME["DESTROY_EVENT"].number)
    assert p.answers.errors == [errno.EFAULT]
