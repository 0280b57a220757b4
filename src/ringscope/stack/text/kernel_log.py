"""What the driver writes into the kernel log, and, locally patched, into ftrace as ``[KFD-TRACE]`` lines.

Most lines of a queue's life are debug messages: a kernel shows them once dynamic debug is switched on for amdgpu.
Wording after T/amdkfd/kfd_chardev.c, kfd_packet_manager.c and kfd_device_queue_manager.c.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ringscope.parts.queue_types import KfdQueueType
from ringscope.recording import Event, Kind, Value
from ringscope.snapshot import QueueType
from ringscope.stack.machine import Scheduling

_BEFORE = (
    "Creating queue ioctl",
    "Queue Percentage: {percentage}, {percentage}",
    "Queue Priority: {priority}, {priority}",
    "Queue Address: 0x{ring_base:X}, 0x{ring_base:X}",
    "Queue Size: 0x{ring_bytes:X}, {ring_bytes}",
    "Queue r/w Pointers: {read_pointer:016x}, {write_pointer:016x}",
    "Looking for gpu id 0x{gpu_id:x}",
    "Creating queue for process pid {pid} on gpu 0x{gpu_id:x}",
)
_AFTER = (
    "Queue Doorbell Offset: {doorbell}",
    "Queue id {qid} was created successfully",
    "Ring buffer address == 0x{ring_base:016X}",
    "Read ptr address    == 0x{read_pointer:016X}",
    "Write ptr address   == 0x{write_pointer:016X}",
)
_RUNLIST = (
    "Building runlist ib process count: {processes} queues count {queues}",
    "Finished map process and queues to runlist",
    "runlist IB address: 0x{ib_address:X}",
    "map_queues_cpsch sent runlist",
)
_ASKED = {
    Kind.QUEUE_UPDATE: "Updating queue id {qid} for process pid {pid}",
    Kind.QUEUE_DESTROY: "Destroying queue id {qid} for process pid {pid}",
}
_CPSCH = "create_queue_cpsch"
_TRACED = {
    Kind.QUEUE_CREATE: (
        ("kfd_ioctl_create_queue", "CREATE_QUEUE: pid={pid} gpu_id=0x{gpu_id:x} queue_type={type_number}"),
        ("kfd_ioctl_create_queue", "CREATE_QUEUE_BEFORE_PQM: pid={pid} gpu_id=0x{gpu_id:x} queue_type={type_number}"),
        (
            _CPSCH,
            "CREATE_QUEUE_CPSCH: pid={pid} queue_id={qid} doorbell_offset=0x{doorbell:x} "
            "doorbell_offset_in_process=0x{in_process:x} mqd_addr=0x0 pasid={pasid} is_active=0 "
            "enable_mes={mes} doorbell_id={doorbell_id}",
        ),
        (
            "kfd_ioctl_create_queue",
            "CREATE_QUEUE_SUCCESS: pid={pid} queue_id={qid} gpu_id=0x{gpu_id:x} queue_type={type_number} "
            "doorbell_offset_in_process=0x{in_process:x} doorbell_offset=0x0 process_index={index} "
            "base_queue_id={base}",
        ),
    ),
    Kind.QUEUE_UPDATE: (("kfd_ioctl_update_queue", "UPDATE_QUEUE: pid={pid} queue_id={qid}"),),
    Kind.QUEUE_DESTROY: (("kfd_ioctl_destroy_queue", "DESTROY_QUEUE: pid={pid} queue_id={qid}"),),
}
"""The patch's lines by function. It prints ``mqd_addr`` and ``is_active`` before either is set, and the caller's
``doorbell_offset`` before the driver's answer is written: all read 0."""

DOORBELL_SLICE_BYTES = 8192


def kernel_log(events: Iterable[Event]) -> str:
    """The driver's messages as ``dmesg`` shows them; events are those of the driver, in order.

    The driver tells of an ioctl when it is done, but writes its first lines before the runlists it causes: what
    happened below an ioctl is put between.
    """
    lines: list[str] = []
    below: list[str] = []
    for event in events:
        attrs = dict(event.attrs) | {"pid": event.pid}
        if "at_exit" in attrs:  # not an ioctl: the driver takes the queues of a dead process without a word
            continue
        stamp = f"[{event.time_ns // 10**9:5d}.{event.time_ns // 1000 % 10**6:06d}] amdgpu: "
        if event.kind is Kind.QUEUE_CREATE:
            lines += [*_said(_BEFORE, attrs, stamp), *below, *_said(_AFTER, attrs, stamp)]
            below.clear()
        elif event.kind in _ASKED:
            lines += [*_said((_ASKED[event.kind],), attrs, stamp), *below]
            below.clear()
        elif event.kind is Kind.RUNLIST:
            below += _said(_RUNLIST, attrs, stamp)
        elif "message" in attrs:
            below.append(f"{stamp}{attrs['message']}\n")
    return "".join([*lines, *below])


def _said(formats: Iterable[str], attrs: Mapping[str, Value | None], stamp: str) -> Iterator[str]:
    return (f"{stamp}{text.format_map(attrs)}\n" for text in formats)


def kfd_trace(events: Iterable[Event], scheduling: Scheduling = Scheduling.CPSCH) -> str:
    """The patch's lines of ioctls as ``/sys/kernel/tracing/trace`` shows them; events are those of the driver.

    Of MES it prints two lines more, ``ADD_QUEUE_MES``, which say nothing new and are left out.
    """
    lines = ["# tracer: nop\n", "#\n"]
    for event in events:
        if "at_exit" in event.attrs:
            continue
        for function, text in _TRACED.get(event.kind, ()):
            if function == _CPSCH and scheduling is Scheduling.NOCPSCH:
                continue
            attrs = dict(event.attrs) | {"pid": event.pid, "mes": int(scheduling is Scheduling.MES)} | _derived(event)
            stamp = f"{event.time_ns // 10**9:5d}.{event.time_ns // 1000 % 10**6:06d}"
            task = f"<...>-{event.pid}"
            lines.append(f"{task:>24} [000] ..... {stamp}: {function}: [KFD-TRACE] {text.format_map(attrs)}\n")
    return "".join(lines)


def _derived(event: Event) -> dict[str, int]:
    if event.kind is not Kind.QUEUE_CREATE:
        return {}
    qid = int(event.attrs["qid"])
    return {
        "type_number": KfdQueueType[QueueType(event.attrs["type"]).name].value,
        "in_process": int(event.attrs["doorbell_offset"]) % DOORBELL_SLICE_BYTES,
        "index": qid // 4,
        "base": qid // 4 * 4,
    }
