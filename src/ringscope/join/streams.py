"""HIP streams, as the runtime's log tells of them, and the queue each one maps to."""

from __future__ import annotations

from ringscope.join.queues import JoinedQueue
from ringscope.recording import Kind, Recording, Source
from ringscope.records import dataclass

HSA_PRIORITY = {0: "low", 1: "normal", 2: "high"}  # hsa_amd_queue_priority_t


@dataclass(frozen=True)
class Stream:
    """One HIP stream. ``priority`` is the HSA code 0 low, 1 normal, 2 high; ``queue`` is None when no capture shows it.

    ``ring_base`` (a GPU virtual address) is the ``HWq`` of the log and the join key to the queue's MQD.
    """

    stream: int
    ring_base: int | None
    priority: int | None
    pid: int | None
    recording: str
    source: Source
    queue: JoinedQueue | None = None


def streams_of(recordings: tuple[Recording, ...], queues: tuple[JoinedQueue, ...]) -> tuple[Stream, ...]:
    """Streams of each recording (the last of each handle) in order of creation, with their queue when one matches.

    A ring address is only unique within a process: with a pid in the log, the process must match too.
    """
    found: list[Stream] = []
    by_ring: dict[int | None, list[JoinedQueue]] = {}
    for held in queues:
        by_ring.setdefault(held.ring_base, []).append(held)
    for recording in recordings:
        alive: dict[int, Stream] = {}
        for event in recording.of(Kind.STREAM_CREATE):
            handle = _number(event.attrs.get("stream"))
            if handle is None:
                continue
            ring = _number(event.attrs.get("ring_base"))
            here = by_ring.get(ring, ()) if ring is not None else ()
            queue = next((queue for queue in here if event.pid in (None, queue.pid)), None)
            alive[handle] = Stream(
                handle, ring, _number(event.attrs.get("priority")), event.pid, recording.origin, event.source, queue
            )
        found += alive.values()
    return tuple(found)


def _number(value: int | str | None) -> int | None:
    return value if isinstance(value, int) else None
