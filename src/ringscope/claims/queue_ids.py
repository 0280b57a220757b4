"""Claims about queue ids: what an id is, whom it collides with, and what it reaches."""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.claims.claim import claim
from ringscope.claims.figures import COMPANION, NOTE_1, PID_AND_FIRST_QID, V5_PIDS
from ringscope.claims.lab import Lab
from ringscope.claims.reason import Method, Reason
from ringscope.claims.runs import Run
from ringscope.join.queues import JoinedQueue, mqd_address_of
from ringscope.recording import Kind
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.machine import QueueIds

STACK, ARITHMETIC = Method.STACK, Method.ARITHMETIC
V4, V5 = QueueIds.FIRST_FREE, QueueIds.PID_HASH


def two(lab: Lab, ids: QueueIds) -> Run:
    """The notes' two processes, 16 streams each, under one policy of queue ids."""
    return lab.processes(2, pids=V5_PIDS, queue_ids=ids)


def ids(run: Run, pid: int) -> list[int]:
    """Queue ids of a process in order of creation."""
    return [queue.queue.qid for queue in run.of(pid) if queue.queue.qid is not None]


def words(numbers: list[int]) -> str:
    """Numbers with their runs as ranges: ``216-219, 0``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def below_the_ioctl(run: Run) -> tuple[object, ...]:
    """What the hardware is given for each queue: doorbell, slots, every MQD byte, and the runlist."""
    return run.runlist, tuple(
        (
            queue.doorbell_index,
            tuple(slot.hqd.name for slot in queue.slots),
            tuple(mqd.image for mqd in queue.queue.mqds),
        )
        for queue in run.queues
    )


@claim(
    "A01",
    NOTE_1,
    154,
    "The v5 patch allocates queue ids as designed: pid % 256 x 4 and the three ids after it.",
    STACK,
    ARITHMETIC,
    overturned_by="a trace line of the patched driver whose first queue id is not pid % 256 x 4",
)
def v5_rule(lab: Lab) -> Iterator[Reason]:
    """The stack gives ids to the printed pids; they must be the printed ids."""
    hits = [pid for pid, qid in PID_AND_FIRST_QID if ids(lab.run((0,), pids=(pid,), queue_ids=V5), pid)[0] == qid]
    pid, qid = PID_AND_FIRST_QID[0]
    yield STACK.judge(
        len(hits) == len(PID_AND_FIRST_QID), f"{len(hits)} of {len(PID_AND_FIRST_QID)} printed (pid, id) pairs come out"
    )
    yield ARITHMETIC.note(
        f"the 'mismatch' that ANALYSIS_REPORT sees is its own: {pid} % 256 = {pid % 256}, not 86; x 4 = {qid}"
    )


@claim(
    "A02",
    NOTE_1,
    335,
    "A queue id determines its doorbell id, and so its MMIO address.",
    STACK,
    overturned_by="an MI308X on which two queues of different ids never have the same doorbell id",
)
def id_gives_doorbell(lab: Lab) -> Iterator[Reason]:
    """Doorbell ids beside queue ids, on this part and on one older than SOC15."""
    run = two(lab, V5)
    equal = [queue for queue in run.queues if queue.queue.qid == queue.doorbell_id]
    first = [run.of(pid)[0] for pid in V5_PIDS]
    pairs = ", ".join(f"id {queue.queue.qid} has doorbell id {queue.doorbell_id}" for queue in first)
    yield STACK.judge(len(equal) == len(run.queues), f"{pairs}; equal for {len(equal)} of {len(run.queues)} queues")
    old = lab.run((0,) * 4, part="fiji", queue_ids=V5, pids=V5_PIDS[:1])
    same = all(event.attrs["qid"] == event.attrs["doorbell_id"] for event in old.events(Kind.QUEUE_CREATE))
    yield STACK.note(f"before SOC15 (fiji, 4-byte doorbells) the two are {'equal' if same else 'different'}")


@claim(
    "A03",
    NOTE_1,
    339,
    "A queue id is global to the driver.",
    STACK,
    overturned_by="two processes on one machine that cannot hold the same queue id",
)
def global_id(lab: Lab) -> Iterator[Reason]:
    """Two processes on one machine: do ids repeat?"""
    first, second = (set(ids(two(lab, V4), pid)) for pid in V5_PIDS)
    yield STACK.judge(
        not first & second,
        f"two processes on one GPU hold ids {words(sorted(first))} and {words(sorted(second))} at the same time",
    )


def _things(queue: JoinedQueue) -> Iterator[tuple[str, object]]:
    """What a queue has that no other may have."""
    yield "doorbell", queue.doorbell_index
    yield from (("MQD", mqd_address_of(mqd.image)) for mqd in queue.queue.mqds)
    yield from (("slot", slot.hqd.name) for slot in queue.slots)


@claim(
    "A04",
    NOTE_1,
    244,
    "With v4 all processes share queues 0 to 3.",
    STACK,
    overturned_by="one MQD, ring, doorbell or slot that belongs to queues of two processes",
)
def shared_queues(lab: Lab) -> Iterator[Reason]:
    """Objects behind equal ids."""
    run = two(lab, V4)
    first, second = ({thing for queue in run.of(pid) for thing in _things(queue)} for pid in V5_PIDS)
    shared = len(first & second)
    yield STACK.judge(
        shared > 0,
        f"{len(run.queues)} queues of two processes with equal ids: {shared} doorbells, MQDs or slots in common",
    )


@claim(
    "A05",
    NOTE_1,
    250,
    "With v5 no queue id occurs in two processes.",
    STACK,
    overturned_by="a fifth queue under v5 whose id is not 0",
)
def v5_apart(lab: Lab) -> Iterator[Reason]:
    """The first four queues, then the fifth."""
    first, second = (ids(two(lab, V5), pid) for pid in V5_PIDS)
    yield STACK.judge(
        not set(first[:4]) & set(second[:4]),
        f"the first four queues have ids {words(first[:4])} and {words(second[:4])}",
    )
    yield STACK.judge(
        not set(first[4:]) & set(second[4:]),
        f"a HIP process with 4 HIP queues has {len(first)}: the fifth gets id {first[4]} here and {second[4]} there",
    )


@claim(
    "A06",
    COMPANION,
    0,
    "v5 serves up to 256 processes, because 1024 ids divide into 256 times four.",
    STACK,
    overturned_by="a driver that refuses the 257th process for want of queue ids",
)
def v5_capacity(lab: Lab) -> Iterator[Reason]:
    """Make the process that the claim rules out, with the hash of the first one."""
    try:
        run = lab.run(*((0,),) * 257, queue_ids=V5)
    except KfdError as error:
        yield STACK.judge(True, f"one of 257 processes is refused: {error}")
        return
    served = len({queue.pid for queue in run.queues})
    same = ids(run, run.pids[0]) == ids(run, run.pids[256])
    yield STACK.judge(
        served < 257,
        f"{served} processes hold queues{', the first and the last with equal ids' if same else ''}",
    )
    node = run.machine.nodes[0]
    yield STACK.note(
        f"what does bind: {node.processes_at_once} processes mapped at once, {len(node.slots)} slots per XCC, "
        f"{node.part.queues_per_process} queues per process"
    )


@claim(
    "A17",
    NOTE_1,
    161,
    "The queue id does not control which hardware slot a queue gets.",
    STACK,
    overturned_by="a doorbell, MQD, runlist word or slot that changes with the id policy alone",
)
def id_reaches_nothing(lab: Lab) -> Iterator[Reason]:
    """The same program under both policies, compared byte by byte below the ioctl."""
    v4, v5 = two(lab, V4), two(lab, V5)
    changed = ids(v4, V5_PIDS[0]) != ids(v5, V5_PIDS[0])
    same = below_the_ioctl(v4) == below_the_ioctl(v5)
    images = sum(len(queue.queue.mqds) for queue in v4.queues)
    yield STACK.judge(
        changed and same,
        f"{images} MQD images, doorbells, slots and the runlist are {'equal' if same else 'not equal'} with ids "
        f"{words(ids(v4, V5_PIDS[0]))} or {words(ids(v5, V5_PIDS[0]))}",
    )


@claim(
    "A38",
    NOTE_1,
    341,
    "On SOC15 parts queue id and doorbell id may differ.",
    STACK,
    overturned_by="equal ids on every queue of a gfx9 part under any policy",
)
def may_differ(lab: Lab) -> Iterator[Reason]:
    """One queue that shows it."""
    queue = two(lab, V5).of(V5_PIDS[0])[0]
    yield STACK.judge(
        queue.queue.qid != queue.doorbell_id, f"under v5 queue {queue.queue.qid} rings doorbell id {queue.doorbell_id}"
    )
