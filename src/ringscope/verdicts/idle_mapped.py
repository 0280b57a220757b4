"""Are queues mapped although they are idle?

A mapped queue keeps its slot whether it has work or not: the firmware schedules busy and idle queues alike. That
costs nothing while slots are free. On an over-subscribed device it costs the others their turn.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Question, certain, count, likely
from ringscope.verdicts.shared_slot import free_slots

ASKS = Question(
    "idle-mapped",
    "Are idle queues mapped?",
    "HWS maps every active queue, busy or not (kernel commit 819ec5acf759); rptr = wptr is idle",
    "a snapshot under load in which the same queues have packets waiting",
)


def answer(case: Case) -> Answer:
    """Answer from the slots of the main state: one instant."""
    state = case.main
    if state is None or not {"mqds", "hqds"} <= state.snapshot.sources:
        return ASKS.undecided("no slot was captured", (sources.MQDS, sources.HQDS))
    live = [queue for queue in state.queues if queue.live and queue.is_compute]
    idle = [queue for queue in live if queue.waiting == 0]
    sure = certain("read from the slots, at one instant")
    if not idle:
        text = f"{count(len(live), 'mapped queue')}, all with packets waiting" if live else "no queue is mapped"
        at = tuple(queue.slots[0].hqd.source for queue in live) or tuple(
            device.source for device in state.snapshot.devices[:1]
        )
        return ASKS.no(text, (Because(text, at),), sure)
    at = tuple(queue.slots[0].hqd.source for queue in idle)
    text = f"{len(idle)} of {count(len(live), 'mapped queue')}"
    names = ", ".join(f"{queue.name} of {queue.pid}" for queue in idle[:6])
    more = f" and {len(idle) - 6} more" if len(idle) > 6 else ""
    because = [Because(f"{text}: {names}{more}", at)]
    homeless = [queue for queue in state.queues if queue.is_compute and queue.active and queue.mapped != "all"]
    short = [
        device
        for device in state.snapshot.devices
        if device.hqds and free_slots(device) == 0 and any(queue.gpu_id == device.gpu_id for queue in homeless)
    ]
    if short:
        at = tuple(source for queue in homeless for source in queue.evidence)
        because.append(Because(f"{count(len(homeless), 'active queue')} without a slot meanwhile", at))
        return ASKS.yes(
            f"{text}, with {count(len(homeless), 'active queue')} out of a slot",
            tuple(because),
            likely("one instant: they may have been given work since"),
            todo="give idle processes fewer queues (GPU_MAX_HW_QUEUES=1), or end them",
            finding=True,
        )
    return ASKS.yes(f"{text}; no queue waits for a slot", tuple(because), sure)
