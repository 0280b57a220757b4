"""Is a queue stuck?

A queue with packets waiting whose read pointer does not move, seen mapped in two snapshots, has not fetched anything
in between. A kernel that runs for longer than that looks the same, for the read index moves only some time after a
dispatch has ended; so two snapshots make it likely at most. The kernel's log of a failed preemption makes it certain.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from ringscope.join import Case
from ringscope.join.progress import unmoved
from ringscope.join.queues import JoinedQueue
from ringscope.recording import Kind
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Missing, Question, certain, count, likely, weak

ASKS = Question(
    "queue-stuck",
    "Is a queue stuck?",
    "cp_hqd_pq_rptr against cp_hqd_pq_wptr, in dwords; check_queue_active of kfd_mqd_manager_v9.c",
    "a later reading of the pointers: moved, or waiting and unmoved",
)
_LATER = Missing("whether the read pointer moves", "read hqds and mqds again some seconds later, and give both")
_TODO = "find the kernel at that packet (AMD_LOG_LEVEL=4 prints rptr and wptr with each dispatch), and look at dmesg"


def answer(case: Case) -> Answer:
    """Answer from the kernel's log of hangs, else from pointers across snapshots."""
    # Rings of the graphics driver hang and are reset by themselves: they carry no KFD queue.
    hangs = [
        event
        for recording in case.recordings
        for event in recording.of(Kind.HANG, Kind.RESET)
        if "ring" not in event.attrs
    ]
    if hangs:
        queues = case.main.queues if case.main else ()
        because = tuple(
            Because(
                f"the driver logged a {event.kind.value}{_named(queues, event.attrs.get('doorbell'))}", (event.source,)
            )
            for event in hangs
        )
        sure = certain("the driver itself gave it up")
        kinds = Counter(event.kind.value for event in hangs)
        text = "the driver logged " + " and ".join(count(number, kind) for kind, number in kinds.items())
        return ASKS.yes(text, because, sure, todo=_TODO, finding=True)
    state = case.main
    if state is None or "mqds" not in state.snapshot.sources:
        return ASKS.undecided("no queue was captured", (sources.MQDS, sources.HQDS))
    live = [queue for queue in state.queues if queue.live and queue.waiting is not None]
    if not live:
        if state.queues:
            return ASKS.undecided("no queue is in a slot: pointers are old", (sources.HQDS,))
        return ASKS.no("no process has a queue", (Because(f"{state.snapshot.label}: mqds lists none"),), _READ)
    waiting = [queue for queue in live if queue.waiting]
    if not waiting:
        at = tuple(queue.slots[0].hqd.source for queue in live)
        text = "every mapped queue has fetched all it was given" if len(live) > 1 else "the mapped queue is idle"
        return ASKS.no(text, (Because(text, at),), _READ)
    still = {queue.identity: seen for queue in waiting if (seen := _unmoved(case, queue)) > 1}
    because = tuple(
        Because(
            f"gpu {queue.gpu_id:x} {queue.name} of {queue.pid}: {count(queue.waiting or 0, queue.unit)} waiting, "
            f"at number {queue.fetched}, unmoved in {count(still.get(queue.identity, 1), 'snapshot')}",
            queue.evidence,
        )
        for queue in waiting
    )
    if still:
        most = max(still.values())
        sure = (likely if most > 2 else weak)("a kernel that runs for longer than that looks the same")
        text = f"{count(len(still), 'queue')} with packets and an unmoved read pointer"
        return ASKS.yes(text, because, sure, missing=(_LATER,), todo=_TODO, finding=True)
    moved = len(case.states) > 1 and all(_seen(case, queue) > 1 for queue in waiting)
    if moved:
        return ASKS.no("packets wait, and the read pointers move", because, certain("read in neighbouring snapshots"))
    return ASKS.undecided(f"packets wait in {count(len(waiting), 'queue')}: one snapshot", (_LATER,), because)


_READ = certain("both pointers were read from the slots")


def _history(case: Case, queue: JoinedQueue) -> list[JoinedQueue]:
    """The queue in every state up to the main one, oldest first, while it was mapped."""
    found = []
    for state in case.states:
        found += [other for other in state.queues if other.identity == queue.identity and other.live]
        if state is case.main:
            break
    return found


def _seen(case: Case, queue: JoinedQueue) -> int:
    return len(_history(case, queue))


def _unmoved(case: Case, queue: JoinedQueue) -> int:
    """How many snapshots in a row, the main one last, show the queue waiting at the same place."""
    run = 1
    for later, earlier in pairwise(reversed(_history(case, queue))):
        if not unmoved(earlier, later):
            break
        run += 1
    return run


def _named(queues: tuple[JoinedQueue, ...], doorbell: int | str | None) -> str:
    for queue in queues:
        if doorbell is not None and queue.doorbell_index == doorbell:
            return f" of {queue.name} of process {queue.pid}"
    return f" of the queue with doorbell {doorbell:#x}" if isinstance(doorbell, int) else ""
