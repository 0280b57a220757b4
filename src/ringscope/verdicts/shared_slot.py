"""Do queues share a hardware slot?

A slot (HQD) shows one queue at a time. Queues share slots over time when the device has more active queues than
slots: the firmware then rotates them. So the question is whether every queue of the runlist holds a slot of its own
on every XCC.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.snapshot import Device
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Missing, Verdict

ID = "shared-slot"
QUESTION = "Do queues share a hardware slot?"
RESTS_ON = "MEC firmware connects one MQD to one HQD (cp_mqd_base_addr); hqds lists every slot of every XCC"
OVERTURNED_BY = (
    "a snapshot in which an active queue holds no slot, or two snapshots in which one slot changes its queue"
)


def answer(case: Case) -> Answer:
    """Answer from the main state; undecided without ``hqds``."""
    state = case.main
    if state is None or "mqds" not in state.snapshot.sources:
        return Answer(ID, QUESTION, Verdict.UNDECIDED, "no MQD was captured", missing=(sources.MQDS, sources.HQDS))
    queues = [queue for queue in state.queues if queue.is_compute and queue.active]
    if not queues:
        return Answer(ID, QUESTION, Verdict.NO, "no process has a queue", (), (), OVERTURNED_BY, RESTS_ON)
    if not any(device.hqds for device in state.snapshot.devices):
        return Answer(ID, QUESTION, Verdict.UNDECIDED, "no slot was captured", missing=(sources.HQDS,))
    because: list[Because] = []
    waiting = []
    for device in state.snapshot.devices:
        here = [queue for queue in state.on(device) if queue in queues]
        if not here:
            continue
        homeless = [queue for queue in here if queue.mapped != "all"]
        waiting += [(queue, device) for queue in homeless]
        placed = [queue for queue in here if queue.mapped == "all"]
        because.append(
            Because(
                f"gpu {device.gpu_id:x}: {len(placed)} of {len(here)} active queues hold a slot on every XCC, "
                f"each its own; {_free(device)} of {device.slots_per_xcc} slots are free on the fullest XCC",
                tuple(source for queue in placed for source in queue.evidence[:2]),
            )
        )
    if not waiting:
        per_device = max(len([q for q in queues if q.gpu_id == d.gpu_id]) for d in state.snapshot.devices)
        free = min(_free(d) for d in state.snapshot.devices if state.on(d))
        summary = f"{per_device} queues, {per_device} slots per XCC, {free} free"
        return Answer(ID, QUESTION, Verdict.NO, summary, tuple(because), (), OVERTURNED_BY, RESTS_ON)
    full = all(_free(device) == 0 for _, device in waiting)
    for queue, device in waiting:
        because.append(
            Because(
                f"gpu {device.gpu_id:x}: {queue.name} of process {queue.pid} holds no slot on some XCC", queue.evidence
            )
        )
    if full:
        summary = f"{len(waiting)} active queues wait for a slot and none is free"
        return Answer(
            ID,
            QUESTION,
            Verdict.YES,
            summary,
            tuple(because),
            (),
            OVERTURNED_BY,
            RESTS_ON,
            todo="give each process fewer queues (GPU_MAX_HW_QUEUES) or run fewer processes on this device",
            finding=True,
        )
    return Answer(
        ID,
        QUESTION,
        Verdict.UNDECIDED,
        f"{len(waiting)} active queues hold no slot although some are free",
        tuple(because),
        (Missing("whether they were evicted, suspended or caught between two mappings", "read mqds and hqds again"),),
        OVERTURNED_BY,
        RESTS_ON,
        finding=True,
    )


def _free(device: Device) -> int:
    """Free slots on the fullest XCC."""
    busy: dict[int, int] = {}
    for hqd in device.hqds:
        busy[hqd.xcc] = busy.get(hqd.xcc, 0) + hqd.active
    return device.slots_per_xcc - max(busy.values(), default=0)
