"""Claims about doorbells: slices, indexes, units, collisions."""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.claims.claim import claim
from ringscope.claims.figures import AR, COMPANION, D1, NOTE_1, NOTE_2, V5_PIDS
from ringscope.claims.lab import Lab
from ringscope.claims.queue_ids import V4, V5, two
from ringscope.claims.reason import Method, Reason
from ringscope.claims.runs import PID
from ringscope.join import Case
from ringscope.join.queues import JoinedQueue
from ringscope.recording import Kind, Source
from ringscope.stack.kfd.doorbells import PER_PROCESS
from ringscope.verdicts import shared_doorbell
from ringscope.verdicts.answer import Verdict as Answered

STACK, CAPTURE, ARITHMETIC = Method.STACK, Method.CAPTURE, Method.ARITHMETIC
FIRST = 0x1000
SECOND_IN_NOTE_2 = 0x1008


def indexes(queues: list[JoinedQueue] | tuple[JoinedQueue, ...]) -> list[int]:
    """Doorbells of queues as dword indexes on the BAR, in rising order."""
    return sorted(queue.doorbell_index for queue in queues if queue.doorbell_index is not None)


def words(numbers: list[int]) -> str:
    """Numbers in hexadecimal."""
    return ", ".join(f"{number:#x}" for number in numbers)


@claim(
    "A20",
    NOTE_1,
    190,
    "Each process has its own range of doorbells.",
    STACK,
    CAPTURE,
    overturned_by="two processes with MQDs whose doorbells lie in one 8 KiB slice",
)
def own_range(lab: Lab) -> Iterator[Reason]:
    """Four processes, then the captured one."""
    run = lab.processes(4)
    slices = [{queue.doorbell_slice for queue in run.of(pid)} for pid in run.pids]
    yield STACK.judge(
        all(len(own) == 1 for own in slices) and len(set.union(*slices)) == len(slices),
        f"four processes: slices {words(sorted(start or 0 for own in slices for start in own))}, one each",
    )
    for view in lab.views():
        if view.method is CAPTURE:
            starts = sorted({queue.doorbell_slice or 0 for queue in view.queues})
            yield view.judge(len(starts) == 1, f"{len(view.queues)} queues in the slice at {words(starts)}")


@claim(
    "A21",
    D1,
    0,
    "A process's slice of doorbells is 2 KB.",
    STACK,
    overturned_by="doorbells of two processes less than 8 KiB apart on a SOC15 part",
)
def slice_size(lab: Lab) -> Iterator[Reason]:
    """The distance between the first doorbells of two processes."""
    run = two(lab, V4)
    first, second = (indexes(run.of(pid))[0] for pid in V5_PIDS)
    apart = second - first
    size = run.machine.nodes[0].part.doorbell_bytes
    yield STACK.judge(
        apart * 4 == 2048,
        f"two processes' first doorbells are {apart:#x} dwords = {apart * 4} bytes apart = {PER_PROCESS} x {size}",
    )


@claim(
    "A22",
    NOTE_1,
    163,
    "Doorbells cannot be told apart within one process.",
    STACK,
    CAPTURE,
    overturned_by="two queues of one process with one doorbell",
)
def one_each(lab: Lab) -> Iterator[Reason]:
    """Distinct doorbells of one process."""
    for view in lab.views():
        found = indexes(view.queues)
        yield view.judge(
            len(set(found)) == 1, f"{len(set(found))} doorbells for {len(found)} queues of one process: {words(found)}"
        )


@claim(
    "A23",
    AR,
    0,
    "The doorbells of the two v5 processes overlap (0x1800 against 0x1000).",
    STACK,
    overturned_by="one BAR index in the MQDs of two processes alive at once",
)
def overlap(lab: Lab) -> Iterator[Reason]:
    """Ranges of two processes at once; then who comes after one has gone."""
    run = two(lab, V5)
    first, second = (indexes(run.of(pid)) for pid in V5_PIDS)
    shared = shared_doorbell.answer(Case((run.state(),)))
    yield STACK.judge(
        bool(set(first) & set(second)) or shared.verdict is Answered.YES,
        f"{words(first[:1])} to {words(first[-1:])} and {words(second[:1])} to {words(second[-1:])}: "
        f"{len(set(first) & set(second))} in common",
    )
    later = lab.fresh((0,), pids=V5_PIDS[:1])
    (gone,) = later.programs
    gone.die()
    later.start(V5_PIDS[1], (0,))
    again = indexes(later.state().queues)
    yield STACK.note(f"a slice is used again once its process has gone: the next one starts at {words(again[:1])}")


@claim(
    "A24",
    D1,
    0,
    "doorbell_offset_in_process went from 0x0..0x18 under v4 to 0x1800..0x1818 under v5.",
    STACK,
    ARITHMETIC,
    overturned_by="a trace line of the patched driver whose in-slice offset is above 0x2000",
)
def two_units(lab: Lab) -> Iterator[Reason]:
    """What each unit would print for the first four queues; the listed column must be one of them."""
    offsets = {}
    for name, policy in (("v4", V4), ("v5", V5)):
        run = two(lab, policy)
        mine = [event for event in run.events(Kind.QUEUE_CREATE) if event.pid == V5_PIDS[1]][:4]
        part = run.machine.nodes[0].part
        offsets[name] = [int(event.attrs["doorbell_offset"]) % (PER_PROCESS * part.doorbell_bytes) for event in mine]
    yield STACK.note(f"offset in the slice, bytes: {words(offsets['v4'])} under v4, {words(offsets['v5'])} under v5")
    index = indexes(two(lab, V5).of(V5_PIDS[1]))[:4]
    listed = [0x1800, 0x1808, 0x1810, 0x1818]
    units = {"bytes in the slice": offsets["v5"], "BAR dwords": index, "BAR bytes": [4 * number for number in index]}
    fits = [name for name, values in units.items() if values == listed]
    yield ARITHMETIC.agree(
        bool(fits),
        f"the v5 column steps by 8 from 0x1800; BAR dwords would be {words(index)}, BAR bytes "
        f"{words([4 * number for number in index])}: no unit fits it",
        Source(D1),
    )


@claim(
    "A41",
    NOTE_1,
    267,
    "Placing the doorbell buffer by PID would give 10 to 15 QPS.",
    STACK,
    overturned_by="two processes whose doorbells share a page before such a change",
)
def placement(lab: Lab) -> Iterator[Reason]:
    """The change can only separate what is not separate yet."""
    run = lab.processes(4)
    pages = [{index * 4 >> 12 for index in indexes(run.of(pid))} for pid in run.pids]
    common = sum(len(a & b) for i, a in enumerate(pages) for b in pages[i + 1 :])
    yield STACK.judge(common > 0, f"four processes share {common} doorbell pages as it is")


@claim(
    "A51",
    COMPANION,
    0,
    "The GPU tells queues apart by doorbell address and PASID.",
    STACK,
    overturned_by="a PASID in a compute queue's MQD or slot",
)
def told_apart(lab: Lab) -> Iterator[Reason]:
    """What the MQD and the slot hold; a change of PASID alone must show somewhere."""
    run = two(lab, V4)
    found = indexes(run.queues)
    yield STACK.judge(
        len(set(found)) == len(found), f"{len(found)} queues, {len(set(found))} doorbell indexes in MQD and MAP_QUEUES"
    )
    plain = lab.run((0,))
    shifted = lab.fresh()
    shifted.kfd.open(1)
    shifted.start(PID, (0,))
    same = [q.queue.mqds for q in plain.queues] == [q.queue.mqds for q in shifted.queues]
    pasids = [process.pasid for r in (plain, shifted) for process in r.kfd.processes if process.queues]
    yield STACK.judge(
        not same,
        f"PASID {pasids[0]:#x} or {pasids[1]:#x}: {'the same' if same else 'other'} MQDs; the slot holds VMID "
        f"{plain.queues[0].vmid}, and the PASID goes with MAP_PROCESS",
    )


@claim(
    "B02",
    NOTE_2,
    12,
    "Streams of different priority ring different doorbells.",
    STACK,
    overturned_by="MQDs of two priorities with one doorbell",
)
def by_priority(lab: Lab) -> Iterator[Reason]:
    """One stream of each priority."""
    run = lab.run((-1, 0, 1))
    own = [queue for queue in run.queues if queue.name.startswith("HIP")]
    yield STACK.judge(len(set(indexes(own))) == len(own) == 3, f"HIGH, NORMAL and LOW ring {words(indexes(own))}")


@claim(
    "B12",
    NOTE_2,
    33,
    "cp_hqd_pq_doorbell_control reads 0x1000 and 0x1008.",
    STACK,
    CAPTURE,
    overturned_by="an MQD whose dword 143 reads 0x1000",
)
def control_register(lab: Lab) -> Iterator[Reason]:
    """The raw register of the first queue, mapped."""
    for view in lab.views():
        oldest = view.queues[-1]
        raw = oldest.register("cp_hqd_pq_doorbell_control") or 0
        yield view.judge(
            raw in (FIRST, SECOND_IN_NOTE_2),
            f"first queue: {raw:#x} = index {oldest.doorbell_index:#x} << 2, enable, hit and drop bits",
        )


@claim(
    "B13",
    NOTE_2,
    124,
    "The second queue's doorbell is 0x1008.",
    STACK,
    CAPTURE,
    overturned_by="a process whose second queue has the doorbell index 0x1008",
)
def second_doorbell(lab: Lab) -> Iterator[Reason]:
    """The second doorbell, and whose 0x1008 is."""
    for view in lab.views():
        found = indexes(view.queues)
        place = found.index(SECOND_IN_NOTE_2) + 1 if SECOND_IN_NOTE_2 in found else None
        whose = f"; 0x1008 is that of queue {place}" if place else ""
        yield view.judge(found[1] == SECOND_IN_NOTE_2, f"the second queue's index is {found[1]:#x}{whose}")


@claim(
    "B14",
    NOTE_2,
    90,
    "User code writes to BAR + 0x1000.",
    STACK,
    overturned_by="a doorbell page mapped at byte 0x1000 of the BAR",
)
def bar_byte(lab: Lab) -> Iterator[Reason]:
    """The byte that belongs to index 0x1000."""
    index = indexes(lab.processes(1).queues)[0]
    yield STACK.judge(
        index * 4 == FIRST, f"index {index:#x} counts dwords: byte {index * 4:#x} of the BAR", Source(NOTE_2, 90)
    )
