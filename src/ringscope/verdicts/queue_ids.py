"""Does the queue-id policy matter?

The id is a handle of one process. On SOC15 parts (gfx9 and later) no register holds it: the doorbell comes from the
process's own bitmap, slot and VMID from the firmware. Before SOC15 the id *is* the doorbell's place in the slice.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.parts.layout import Generation
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Question, certain, count, likely

ASKS = Question(
    "queue-id",
    "Does the queue-id policy matter?",
    "allocate_doorbell takes queue_id only if not KFD_IS_SOC15; MAP_QUEUES carries doorbell, MQD and wptr, no id",
    "two runs of one program under two id policies that differ in a doorbell, MQD or slot",
)


def answer(case: Case) -> Answer:
    """Answer from the doorbells of the main state, and the ids where sysfs or a log gives them."""
    state = case.main
    queues = [q for q in (state.queues if state else ()) if q.is_compute and q.doorbell_index is not None]
    if state is None or not queues:
        return ASKS.undecided("no queue was captured", (sources.MQDS,))
    old = [device for device in state.snapshot.devices if device.generation is Generation.VI and state.on(device)]
    at = tuple(queue.queue.source for queue in queues)
    if old:
        reason = Because(f"gpu {old[0].gpu_id:x} is older than SOC15: the id is the doorbell's place in its slice", at)
        return ASKS.yes("this part's doorbell is chosen by the id", (reason,), certain("driver code for this part"))
    ids: dict[tuple[int, int], list[int]] = {}
    for queue in queues:
        ids.setdefault((queue.pid, queue.gpu_id), []).append(queue.doorbell_id or 0)
    dense = all(sorted(held) == list(range(len(held))) for held in ids.values())
    because = (
        [Because(f"{count(len(queues), 'queue')}: doorbell ids count from 0 in each process", at)] if dense else []
    )
    apart = [q for q in queues if q.queue.qid is not None and q.queue.qid != q.doorbell_id]
    because += [
        Because(
            f"{queue.name} of {queue.pid}: queue id {queue.queue.qid}, doorbell id {queue.doorbell_id}", queue.evidence
        )
        for queue in apart
    ]
    if apart:
        text, sure = "ids and doorbells differ", certain("ids and doorbells were read side by side")
    elif dense:
        text, sure = "doorbells count from 0 in each process", likely("the ids themselves were not captured")
    else:
        text, sure = "no register holds the id", likely("driver code for this part; the ids were not captured")
        because = [Because(f"{count(len(queues), 'queue')} with MQDs of SOC15 parts", at)]
    return ASKS.no(text, tuple(because), sure)
