"""Do queues share a pipe?

A pipe has several slots but executes one connected queue at a time, so queues of one pipe take turns while those of
different pipes run side by side. Four pipes serve KFD: a fifth queue always shares one.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.join.queues import JoinedQueue
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Question, certain, count

ASKS = Question(
    "shared-pipe",
    "Do queues share a pipe?",
    "the firmware deals queues over the pipes, newest first (seen on MI308X; kfdtest expects queue k on pipe k mod 4)",
    "an hqds dump in which the queues named sit on different pipes",
)


def on_pipes(queues: tuple[JoinedQueue, ...]) -> dict[tuple[int, int], list[JoinedQueue]]:
    """Mapped queues by device and pipe; the XCCs mirror each other, so a queue counts once a pipe."""
    pipes: dict[tuple[int, int], list[JoinedQueue]] = {}
    for queue in queues:
        for pipe in sorted({slot.hqd.pipe for slot in queue.slots}):
            pipes.setdefault((queue.gpu_id, pipe), []).append(queue)
    return dict(sorted(pipes.items()))


def answer(case: Case) -> Answer:
    """Answer from the slots of the main state."""
    state = case.main
    if state is None or not {"mqds", "hqds"} <= state.snapshot.sources:
        return ASKS.undecided("no slot was captured", (sources.MQDS, sources.HQDS))
    pipes = on_pipes(state.queues)
    shared = {key: queues for key, queues in pipes.items() if len(queues) > 1}
    sure = certain("hqds names pipe and queue of every slot")
    if not shared:
        text = f"{count(len(pipes), 'queue')} on {count(len(pipes), 'pipe')}" if pipes else "no queue is mapped"
        sources_of = tuple(q.slots[0].hqd.source for queues in pipes.values() for q in queues)
        return ASKS.no(
            text, (Because(text, sources_of or tuple(device.source for device in state.snapshot.devices[:1])),), sure
        )
    several = len({queue.pid for queue in state.queues}) > 1
    because = tuple(
        Because(
            f"gpu {gpu_id:x} pipe {pipe}: " + ", ".join(_name(queue, several) for queue in queues),
            tuple(slot.hqd.source for queue in queues for slot in queue.slots if slot.hqd.pipe == pipe),
        )
        for (gpu_id, pipe), queues in shared.items()
    )
    strangers = [key for key, queues in shared.items() if len({queue.pid for queue in queues}) > 1]
    if strangers:
        summary = f"{count(len(strangers), 'pipe')} shared by several processes"
    else:
        total = sum(len(queues) for queues in pipes.values())
        summary = f"{count(total, 'queue')} on {count(len(pipes), 'pipe')}; {_fullest(pipes)}"
    return ASKS.yes(summary, because, sure)


def _fullest(pipes: dict[tuple[int, int], list[JoinedQueue]]) -> str:
    """Who sits on the fullest pipe, by name while that is short."""
    (_, pipe), queues = max(pipes.items(), key=lambda item: len(item[1]))
    return f"pipe {pipe}: " + (", ".join(q.name for q in queues) if len(queues) < 3 else count(len(queues), "queue"))


def _name(queue: JoinedQueue, several: bool) -> str:
    return f"{queue.name} of {queue.pid}" if several else queue.name
