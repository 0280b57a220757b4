"""What HIP writes with ``AMD_LOG_LEVEL=3``: streams, pools and references, a stamped line each.

Two dialects: from ROCm 6.2 on a queue is named by its ring (``HWq``), before by its ``hsa_queue_t`` and in lower case;
to 5.4 a shared queue is told of before its count is raised. What the development branch prints since is not written.
Wording after ROCm/clr ``rocdevice.cpp`` at tags 5.6 to 6.2 and the log of ROCm 7.0.2, whose line numbers these are;
threads are named although 7.0 does so from level 4 on only.
"""

from __future__ import annotations

from collections.abc import Iterable

from ringscope.recording import Event, Kind
from ringscope.stack.rocm import AT_ZERO_REFERENCES, RocmVersion, Unused

RING_NAMES_SINCE = (6, 2)
"""First release whose log names rings (ROCm/clr 0567c3b72, 2024-01-31)."""

_COUNTS = (
    "Number of allocated hardware queues with low priority: {low}, with normal priority: {normal}, "
    "with high priority: {high}, maximum per priority is: {maximum}"
)
_RETURNED = "{name}: Returned hipSuccess : stream:{stream:#x}"
_DESTROY = " \x1b[32mhipStreamDestroy ( stream:{stream:#x} ) \x1b[0m"
_CALLS = {
    "hipStreamCreateWithPriority": " \x1b[32m{name} ( 0x0, 0, {priority} ) \x1b[0m",
    "hipExtStreamCreateWithCUMask": " \x1b[32m{name} ( 0x0, 0, 0x0 ) \x1b[0m",
}
_NEW = "Created SWq={hsa_queue:#x} to map on HWq={ring_base:#x} with size {packets} with priority {priority}, "
_OLD = "Created hardware queue {hsa_queue:#x} with size {packets} with priority {priority}, "


def amd_log(events: Iterable[Event], rocm: RocmVersion) -> str:
    """The log of one process; ``events`` are those of the ``hip`` layer, in order."""
    by_ring = rocm.release >= RING_NAMES_SINCE
    before_raised = rocm.value(AT_ZERO_REFERENCES) is Unused.DESTROY  # both changed with 446a3fc68
    lines, call = [], ""
    for event in events:
        attrs = dict(event.attrs)
        if event.kind is Kind.API:
            call = str(attrs["name"])
        file, line, text = _message(event, by_ring)
        if not text or (event.kind is Kind.STREAM_CREATE and not attrs["stream"]):  # no call made the null stream
            continue
        if event.kind is Kind.QUEUE_ACQUIRE and attrs["reused"] and before_raised:
            text = text.replace("queue refCount", "queue with least refCount")
            attrs["refs"] = int(attrs["refs"]) - 1
        if file == "rocdevice.cpp" and not by_ring:
            text = text[0].lower() + text[1:]
        queue = attrs.get("ring_base" if by_ring else "hsa_queue", 0)
        text = text.format_map(attrs | {"queue": queue, "name": call})
        stamp = f":3:{file:<24}:{line:<4}: {event.time_ns // 1000} us: "
        lines.append(f"{stamp}[pid:{event.pid} tid: 0x{event.pid or 0:x}] {text}\n")
    return "".join(lines)


def _message(event: Event, by_ring: bool) -> tuple[str, int, str]:
    """File, line and format of what CLR prints for an event; no format when it prints nothing."""
    match event.kind:
        case Kind.API:
            return "hip_stream.cpp", 282, _CALLS.get(str(event.attrs["name"]), "")
        case Kind.STREAM_CREATE:
            return "hip_stream.cpp", 288, _RETURNED
        case Kind.STREAM_DESTROY:
            return "hip_stream.cpp", 390, _DESTROY
        case Kind.POOL_COUNTS:
            return "rocdevice.cpp", 2967, _COUNTS
        case Kind.QUEUE_CREATE:
            return "rocdevice.cpp", 3048, f"{_NEW if by_ring else _OLD}cooperative: {{cooperative}}"
        case Kind.QUEUE_ACQUIRE if event.attrs["reused"]:
            return "rocdevice.cpp", 2940, "Selected queue refCount: {queue:#x} ({refs})"
        case Kind.QUEUE_ACQUIRE:
            return "rocdevice.cpp", 3141, "acquireQueue refCount: {queue:#x} ({refs})"
        case Kind.QUEUE_RELEASE:
            return "rocdevice.cpp", 3173, "releaseQueue refCount:{queue:#x} ({refs})"
        case Kind.QUEUE_DESTROY if event.attrs["cooperative"]:
            return "rocdevice.cpp", 286, "Deleting CG enabled hardware queue {queue:#x}"
        case Kind.QUEUE_DESTROY:
            return "rocdevice.cpp", 286, "Deleting hardware queue {queue:#x} with refCount 0"
        case Kind.CU_MASK:
            return "rocdevice.cpp", 3100, "Setting CU mask {mask} for hardware queue {queue:#x}"
        case _:
            return "", 0, ""
