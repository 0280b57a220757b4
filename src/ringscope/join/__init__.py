"""Joins what a Snapshot and a Recording file apart: queue, process, stream, doorbell, MQD and hardware slot.

The three doors (a capture, a virtual GPU, a simulation) all yield Snapshots and Recordings; a :class:`Case` is what
verdicts and reports are given of them, joined once. Nothing is judged here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property

from ringscope.join.intervals import Interval, interval
from ringscope.join.part import parts_of
from ringscope.join.queues import Identity, JoinedQueue, join_queues
from ringscope.join.streams import Stream, streams_of
from ringscope.parts import catalogue
from ringscope.recording import Recording
from ringscope.records import dataclass
from ringscope.snapshot import Device, Hqd, Snapshot
from ringscope.tabular import Row, Tabular


@dataclass(frozen=True)
class State:
    """One snapshot and its queues, joined."""

    snapshot: Snapshot
    queues: tuple[JoinedQueue, ...]

    @cached_property
    def unlisted(self) -> tuple[Hqd, ...]:
        """Slots that hold a queue which ``mqds`` does not list: the two files are of two moments, or one is cut."""
        if "mqds" not in self.snapshot.sources:
            return ()
        listed = {id(slot.hqd) for queue in self.queues for slot in queue.slots}
        return tuple(
            hqd for device in self.snapshot.devices for hqd in device.hqds if hqd.active and id(hqd) not in listed
        )

    @cached_property
    def by_identity(self) -> dict[Identity, JoinedQueue]:
        """Queues whose ring is known: what tells a queue of one state from the same one in another."""
        return {queue.identity: queue for queue in self.queues if queue.ring_base is not None}

    def on(self, device: Device) -> list[JoinedQueue]:
        """The queues of one device."""
        return [queue for queue in self.queues if queue.gpu_id == device.gpu_id]

    def parts(self, device: Device) -> list[tuple[catalogue.Device, catalogue.Partition]]:
        """Catalogue parts and partition modes that the device may be."""
        return parts_of(device, self.on(device))


@dataclass(frozen=True)
class Case(Tabular):
    """Everything known: states in time order, recordings, and what joins them."""

    states: tuple[State, ...]
    recordings: tuple[Recording, ...] = ()

    def records(self) -> Iterator[Row]:
        """A row a queue of the main state, joined with its slot and its streams."""
        held = Counter(id(stream.queue) for stream in self.streams)
        for queue in self.main.queues if self.main else ():
            yield {
                "pid": queue.pid,
                "process": queue.process.name,
                "gpu_id": queue.gpu_id,
                "queue": queue.name,
                "streams": held[id(queue)],
                "ring_base": queue.ring_base,
                "ring_bytes": queue.ring_bytes,
                "doorbell_index": queue.doorbell_index,
                "queue_priority": queue.queue_priority,
                "pipe_priority": queue.pipe_priority,
                "slot": queue.slots[0].hqd.name if queue.slots else None,
                "vmid": queue.vmid,
                "written": queue.written,
                "waiting": queue.waiting,
            }

    @cached_property
    def main(self) -> State | None:
        """The state that the report describes: the last of those with the most queues.

        A later one with fewer may be a program on its way out, half of whose queues are gone.
        """
        return max(reversed(self.states), key=lambda state: len(state.queues), default=None)

    @cached_property
    def intervals(self) -> tuple[Interval, ...]:
        """HIQ accounts between neighbouring snapshots, for each device that had a queue or whose HIQ moved."""
        found = []
        for before, after in zip(self.states, self.states[1:], strict=False):
            for device in after.snapshot.devices:
                earlier = before.snapshot.device(device.gpu_id)
                if earlier is None:
                    continue
                account = interval(
                    (before.snapshot.label, earlier, before.on(earlier)),
                    (after.snapshot.label, device, after.on(device)),
                )
                if account is not None and (account.dwords or account.created or account.destroyed):
                    found.append(account)
        return tuple(found)

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """Streams that the recordings name, with the queue each maps to in the main state."""
        return streams_of(self.recordings, self.main.queues if self.main else ())


def case_of(snapshots: tuple[Snapshot, ...], recordings: tuple[Recording, ...] = ()) -> Case:
    """Join snapshots (in time order) and recordings."""
    return Case(tuple(State(snapshot, join_queues(snapshot)) for snapshot in snapshots), recordings)
