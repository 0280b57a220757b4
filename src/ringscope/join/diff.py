"""What differs between two states: devices, processes, and queue by queue what each one is and where it sits.

Two states are of one run, or of two. A process is the same in both when it has the same pid and shares a queue's
ring and doorbell; its queues are then matched by those, and whatever moved counts. Otherwise processes are matched in
the order in which the driver lists them and their queues by name; addresses, pids, VMIDs and pointers mean nothing
across runs then and are not compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from ringscope.join import State
from ringscope.join.queues import JoinedQueue, PipePriority
from ringscope.records import dataclass
from ringscope.snapshot import Device

# What of a node's topology decides how its queues are served; firmware besides, for it runs the scheduler.
_PROPERTIES = (
    *("gfx_target_version", "num_xcc", "num_cp_queues", "num_sdma_engines", "num_sdma_xgmi_engines"),
    *("num_sdma_queues_per_engine", "num_gws", "fw_version", "sdma_fw_version", "capability"),
)
_MASKS = tuple(f"compute_static_thread_mgmt_se{engine}" for engine in range(8))


@dataclass(frozen=True)
class Change:
    """One thing that reads otherwise, in words; an empty side says that it was not there."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class QueueDiff:
    """A queue on one side or both; ``changes`` is empty when it is the same."""

    before: JoinedQueue | None
    after: JoinedQueue | None
    changes: tuple[Change, ...] = ()

    @property
    def queue(self) -> JoinedQueue:
        """The queue as the later state has it, else as the earlier one had."""
        queue = self.after or self.before
        if queue is None:
            raise ValueError("a queue of neither side")
        return queue

    @property
    def same(self) -> bool:
        """Whether both sides have it and nothing changed."""
        return self.before is not None and self.after is not None and not self.changes


@dataclass(frozen=True)
class ProcessDiff:
    """A process (pid on each side, None where it is not) with its queues, newest first; ``same_run`` as said above."""

    before: int | None
    after: int | None
    same_run: bool
    queues: tuple[QueueDiff, ...]


@dataclass(frozen=True)
class DeviceDiff:
    """A device (gpu_id on each side, None where it is not) and what changed of it."""

    before: int | None
    after: int | None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Diff:
    """All that differs between two states; ``sources`` are the kinds of file that only one of them was read from."""

    devices: tuple[DeviceDiff, ...]
    processes: tuple[ProcessDiff, ...]
    sources: tuple[Change, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        queues = [queue for process in self.processes for queue in process.queues]
        paired = all(device.before is not None and device.after is not None for device in self.devices)
        return paired and not any(device.changes for device in self.devices) and all(queue.same for queue in queues)


def diff(before: State, after: State) -> Diff:
    """Compare two states."""
    devices = _devices(before, after)
    slots = "hqds" in before.snapshot.sources & after.snapshot.sources
    here = {device.after: device.before for device in devices if device.before is not None}
    kinds = before.snapshot.sources, after.snapshot.sources
    # sysfs knows the same queues by other names: a side without mqds has none that could be held against the other's.
    alike = ("mqds" in kinds[0]) == ("mqds" in kinds[1])
    return Diff(
        devices,
        _processes(before, after, here, slots) if alike else (),
        tuple(
            Change(kind, *("read" if kind in side else "" for side in kinds)) for kind in sorted(kinds[0] ^ kinds[1])
        ),
    )


def _devices(before: State, after: State) -> tuple[DeviceDiff, ...]:
    """Devices with the same gpu_id belong together; with none in common, those at the same place do.

    A device that one side lacks has gone only if that side lists devices at all, as ``hqds`` and topology do.
    """
    old = {device.gpu_id: device for device in before.snapshot.devices}
    new = {device.gpu_id: device for device in after.snapshot.devices}
    if old.keys() & new.keys():
        pairs = [(old.get(gpu_id), new.get(gpu_id)) for gpu_id in dict.fromkeys((*old, *new))]
    else:
        pairs = list(zip_longest(old.values(), new.values()))
    if not {"hqds", "topology"} & before.snapshot.sources & after.snapshot.sources:
        pairs = [(earlier, later) for earlier, later in pairs if earlier and later]
    return tuple(
        DeviceDiff(
            earlier.gpu_id if earlier else None,
            later.gpu_id if later else None,
            _changes(_device(before, earlier), _device(after, later)) if earlier and later else (),
        )
        for earlier, later in pairs
    )


def _device(state: State, device: Device) -> dict[str, str | None]:
    """What a device is and how full; None where the state does not show it."""
    parts = state.parts(device)
    seen = bool(device.hqds)
    busy = len({(hqd.pipe, hqd.queue) for hqd in device.hqds if hqd.active})
    properties = {name: value for name in _PROPERTIES if (value := device.properties.get(name)) is not None}
    return {
        "part": parts[0][0].name if len({part.name for part, _ in parts}) == 1 else None,
        "MQD": device.generation.value if device.generation else None,
        "XCCs": str(device.xccs) if seen else None,
        "slots per XCC": str(device.slots_per_xcc) if seen else None,
        "slots busy": str(busy) if seen else None,
        "scheduler": ("stopped" if device.stopped else "running") if seen or device.stopped else None,
        **{name: str(properties[name]) if name in properties else None for name in _PROPERTIES},
    }


def _processes(before: State, after: State, here: Mapping[int | None, int], slots: bool) -> tuple[ProcessDiff, ...]:
    old, new = _by_pid(before), _by_pid(after)
    pairs: list[tuple[int | None, int | None]] = [
        (pid, pid) for pid in old if pid in new and _identities(old[pid]) & _identities(new[pid])
    ]
    paired = {pid for pid, _ in pairs}
    # The driver lists the newest process first; the oldest are the likeliest counterparts.
    rest = [[pid for pid in reversed(side) if pid not in paired] for side in (old, new)]
    counterparts = list(zip_longest(*rest))
    found = [
        ProcessDiff(a, b, True, _same_run(old[a], new[b], slots)) for a, b in pairs if a is not None and b is not None
    ]
    for earlier, later in counterparts:
        queues = _counterparts(
            old[earlier] if earlier is not None else [], new[later] if later is not None else [], here, slots
        )
        found.append(ProcessDiff(earlier, later, False, queues))
    return tuple(found)


def _by_pid(state: State) -> dict[int, list[JoinedQueue]]:
    found: dict[int, list[JoinedQueue]] = {}
    for queue in state.queues:
        found.setdefault(queue.pid, []).append(queue)
    return found


def _identities(queues: Sequence[JoinedQueue]) -> set[tuple[object, ...]]:
    """What tells the queues from any other's; a queue without an MQD, known from sysfs alone, by its id."""
    return {_identity(queue) for queue in queues}


def _identity(queue: JoinedQueue) -> tuple[object, ...]:
    return queue.identity if queue.queue.mqds else (queue.pid, queue.gpu_id, queue.queue.qid, queue.queue.type)


def _same_run(before: list[JoinedQueue], after: list[JoinedQueue], slots: bool) -> tuple[QueueDiff, ...]:
    old = {_identity(queue): queue for queue in before}
    new = {_identity(queue): queue for queue in after}
    return tuple(
        _queue_diff(old.get(identity), new.get(identity), slots, same_run=True)
        for identity in dict.fromkeys((*new, *old))
    )


def _counterparts(
    before: list[JoinedQueue], after: list[JoinedQueue], here: Mapping[int | None, int], slots: bool
) -> tuple[QueueDiff, ...]:
    """Queues of the same name on devices that belong together."""
    old = {(queue.gpu_id, queue.name): queue for queue in before}
    new = {(here.get(queue.gpu_id, queue.gpu_id), queue.name): queue for queue in after}
    return tuple(_queue_diff(old.get(key), new.get(key), slots, same_run=False) for key in dict.fromkeys((*new, *old)))


def _queue_diff(before: JoinedQueue | None, after: JoinedQueue | None, slots: bool, *, same_run: bool) -> QueueDiff:
    if before is None or after is None:
        return QueueDiff(before, after)
    return QueueDiff(before, after, _changes(_queue(before, slots, same_run), _queue(after, slots, same_run)))


def _queue(queue: JoinedQueue, slots: bool, same_run: bool) -> dict[str, str | None]:
    """What a queue is; None where its state does not show it."""
    facts = {
        "ring bytes": _text(queue.ring_bytes),
        "doorbell id": _text(queue.doorbell_id),
        "priority": priority(queue),
        "quantum": _text(queue.register("cp_hqd_quantum"), "#x"),
        "CU mask": _cu_mask(queue),
        "slot": slot(queue) if slots else None,
    }
    if same_run:
        facts |= {
            "VMID": _text(queue.vmid),
            f"{queue.unit}s written": _text(queue.written),
            f"{queue.unit}s waiting": _text(queue.waiting),
        }
    return facts


def _text(number: int | None, form: str = "d") -> str | None:
    return None if number is None else format(number, form)


def priority(queue: JoinedQueue) -> str | None:
    """``11 → HIGH``: KFD's priority and the pipe's; None for SDMA and for a queue without MQD."""
    if queue.queue_priority is None or queue.pipe_priority is None:
        return None
    known = {level.value: level.name for level in PipePriority}
    return f"{queue.queue_priority} → {known.get(queue.pipe_priority, queue.pipe_priority)}"


def slot(queue: JoinedQueue) -> str | None:
    """Where a compute queue sits: ``pipe 0 queue 2``, ``none``, or XCC by XCC where these differ.

    None for SDMA queues and where no MQD tells.
    """
    if not queue.is_compute or not queue.queue.mqds:
        return None
    if queue.mapped == "all" and len({held.hqd.name for held in queue.slots}) == 1:
        return f"pipe {queue.slots[0].hqd.pipe} queue {queue.slots[0].hqd.queue}"
    return ", ".join(f"XCC {held.hqd.xcc}: {held.hqd.name}" for held in queue.slots) or "none"


def _cu_mask(queue: JoinedQueue) -> str | None:
    image = queue.queue.mqds[0].image if queue.queue.mqds and queue.is_compute else None
    if image is None:
        return None
    return " ".join(f"{image.get(name):08x}" for name in _MASKS if name in image.layout)


def _changes(before: Mapping[str, str | None], after: Mapping[str, str | None]) -> tuple[Change, ...]:
    """What reads otherwise, of what both sides show."""
    return tuple(
        Change(what, old, new)
        for what, old in before.items()
        if old is not None and (new := after.get(what)) is not None and new != old
    )
