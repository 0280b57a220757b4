"""What the HIQ was used for between two snapshots, to the dword.

Everything the CPSCH scheduler asks of the firmware goes through one ring, the HIQ, whose write pointer counts dwords
since boot. Creating, destroying or updating a queue costs a known number of dwords, a dispatch none. So the distance
between two write pointers, less what the visible queue changes cost, is what happened unseen.

Packet sizes are those of the driver's own structures (kfd_pm4_headers_ai.h); the order of packets is
``execute_queues_cpsch``'s; a packet that would touch the ring's end is preceded by NOPs up to it (kfd_kernel_queue.c).
"""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.join.queues import JoinedQueue, write_pointer_of
from ringscope.parts.fidelity import Behaviour, Standing
from ringscope.recording import Source
from ringscope.records import dataclass
from ringscope.snapshot import Device

FIDELITY = (
    Behaviour(
        "join.hiq_account",
        "how many dwords of the HIQ each create, destroy, update and death takes",
        Standing.CAPTURED,
        "gfx942 under HWS",
        "three runs in a row on a real machine",
        "tests/join/test_intervals.py::test_real_machine_three_runs_in_a_row",
    ),
)

UNMAP_QUEUES_DWORDS = 6
QUERY_STATUS_DWORDS = 7
RUN_LIST_DWORDS = 4

HIQ_RING_DWORDS = 512  # KFD_KERNEL_QUEUE_SIZE 2048 bytes

_UNMAP = (UNMAP_QUEUES_DWORDS, QUERY_STATUS_DWORDS)
_REMAP = (*_UNMAP, RUN_LIST_DWORDS)

NORMAL_PRIORITY = 7

# How much unseen activity the search may assume before it gives up. Small on purpose: with enough freedom every number
# can be "explained".
_UNSEEN_UPDATES = 64
_UNSEEN_PAIRS = 64


@dataclass(frozen=True)
class Step:
    """Some operations of one kind and the dwords they put on the HIQ (``nop`` is the padding at the ring's end)."""

    what: str
    count: int
    dwords: int
    seen: bool = True


@dataclass(frozen=True)
class Interval:
    """The HIQ between two snapshots of one device.

    ``steps`` explain ``dwords`` exactly, or are empty when nothing within reach does; ``guessed`` says that the steps
    assume operations which the two snapshots do not show.
    """

    gpu_id: int
    before: str
    after: str
    start: int
    end: int
    created: int
    destroyed: int
    steps: tuple[Step, ...]
    sources: tuple[Source, ...] = ()

    @property
    def dwords(self) -> int:
        """Dwords put on the HIQ."""
        return self.end - self.start

    @property
    def explained(self) -> int:
        """Dwords that the steps account for: all of them, or none."""
        return sum(step.dwords for step in self.steps)

    @property
    def exact(self) -> bool:
        """Whether every dword is accounted for."""
        return self.explained == self.dwords

    @property
    def guessed(self) -> bool:
        """Whether the account assumes operations that the snapshots do not show."""
        return any(not step.seen for step in self.steps)

    @property
    def runlists_beyond_changes(self) -> int | None:
        """Runlists sent for anything but the visible queue changes; None when the account is not exact."""
        if not self.exact:
            return None
        return sum(step.count for step in self.steps if not step.seen and step.what != "nop")


@dataclass(frozen=True)
class _Plan:
    """An order of events to price: ``exits`` destroys several queues in one go."""

    creates: int
    updates: int
    destroys: int
    exits: tuple[int, ...] = ()
    unseen_updates: int = 0
    unseen_pairs: int = 0


def _operations(plan: _Plan, active: int) -> Iterator[tuple[str, bool, tuple[int, ...]]]:
    """The operations of a plan in the driver's packets: (what, seen, packet sizes)."""

    def remap() -> tuple[int, ...]:
        return _REMAP if active else _UNMAP

    for what, seen, count in (("create", True, plan.creates), ("create", False, plan.unseen_pairs)):
        for _ in range(count):
            # With no queue before, there is no runlist to unmap.
            yield what, seen, (RUN_LIST_DWORDS,) if active == 0 else _REMAP
            active += 1
    for what, seen, count in (("update", True, plan.updates), ("update", False, plan.unseen_updates)):
        for _ in range(count):
            yield what, seen, remap()
    for what, seen, count in (("destroy", True, plan.destroys), ("destroy", False, plan.unseen_pairs)):
        for _ in range(count):
            active -= 1
            yield what, seen, remap()
    for queues in plan.exits:
        active -= queues
        yield "process exit", True, remap()


def price(start: int, plan: _Plan, active: int) -> tuple[Step, ...]:
    """What a plan costs on the HIQ from write pointer ``start`` (dwords) with ``active`` queues on the device."""
    totals: dict[tuple[str, bool], list[int]] = {}
    pointer = start
    padding = 0
    for what, seen, packets in _operations(plan, active):
        cost = 0
        for size in packets:
            offset = pointer % HIQ_RING_DWORDS
            if offset + size >= HIQ_RING_DWORDS:
                padding += HIQ_RING_DWORDS - offset
                pointer += HIQ_RING_DWORDS - offset
            pointer += size
            cost += size
        total = totals.setdefault((what, seen), [0, 0])
        total[0] += 1
        total[1] += cost
    steps = [Step(what, count, dwords, seen) for (what, seen), (count, dwords) in totals.items()]
    if padding:
        steps.append(Step("nop", padding, padding))
    return tuple(steps)


def _plans(created: list[JoinedQueue], gone: list[JoinedQueue], survivors: set[int]) -> Iterator[_Plan]:
    """Plans from the plainest to those that assume the most."""
    # A stream of another priority costs one UPDATE_QUEUE right after its creation.
    updates = sum(queue.queue_priority not in (None, NORMAL_PRIORITY) for queue in created)
    per_process: dict[int, int] = {}
    for queue in gone:
        per_process[queue.pid] = per_process.get(queue.pid, 0) + 1
    killed = tuple(count for pid, count in per_process.items() if pid not in survivors)
    plain = [_Plan(len(created), updates, len(gone))]
    if killed:
        # A process that dies without tidying up loses all its queues in one step (process_termination_cpsch).
        plain.append(_Plan(len(created), updates, len(gone) - sum(killed), killed))
    if updates:
        plain += [_Plan(plan.creates, 0, plan.destroys, plan.exits) for plan in tuple(plain)]
    yield from plain
    for unseen in range(1, max(_UNSEEN_UPDATES, _UNSEEN_PAIRS) + 1):
        for plan in plain:
            yield _Plan(plan.creates, plan.updates, plan.destroys, plan.exits, 0, unseen)
            yield _Plan(plan.creates, plan.updates, plan.destroys, plan.exits, unseen, 0)


def hiq_write_pointer(device: Device) -> int | None:
    """The HIQ's write pointer of the device, in dwords since boot; all XCCs show the same one."""
    return write_pointer_of(device.hiqs[0].image) if device.hiqs else None


def interval(
    before: tuple[str, Device, list[JoinedQueue]], after: tuple[str, Device, list[JoinedQueue]]
) -> Interval | None:
    """Account for the HIQ between two snapshots of a device.

    Each side is (label, device, queues on that device). None when a write pointer is missing or ran backwards, which
    means another boot or another machine.
    """
    start, end = hiq_write_pointer(before[1]), hiq_write_pointer(after[1])
    if start is None or end is None or end < start:
        return None
    old = {queue.identity: queue for queue in before[2]}
    new = {queue.identity: queue for queue in after[2]}
    created = [queue for key, queue in new.items() if key not in old]
    gone = [queue for key, queue in old.items() if key not in new]
    survivors = {queue.pid for queue in new.values()}
    steps: tuple[Step, ...] = ()
    for plan in _plans(created, gone, survivors):
        tried = price(start, plan, len(old))
        if sum(step.dwords for step in tried) == end - start:
            steps = tried
            break
    read_at = (before[1].hiqs[0].source, after[1].hiqs[0].source)
    return Interval(after[1].gpu_id, before[0], after[0], start, end, len(created), len(gone), steps, read_at)
