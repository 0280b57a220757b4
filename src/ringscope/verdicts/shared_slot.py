"""Do queues share a hardware slot?

A slot (HQD) shows one queue at a time. Queues share slots over time when the device has more active queues than
slots: the firmware then rotates them. So the question is whether every queue of the runlist holds a slot of its own
on every XCC.
"""

from __future__ import annotations

from ringscope.join import Case, State
from ringscope.join.queues import JoinedQueue
from ringscope.snapshot import Device
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Missing, Question, certain, count, likely
from ringscope.verdicts.oversubscribed import beyond_vmids

ASKS = Question(
    "shared-slot",
    "Do queues share a hardware slot?",
    "MEC firmware connects one MQD to one HQD (cp_mqd_base_addr); hqds lists every slot of every XCC",
    "a snapshot in which an active queue holds no slot, or two snapshots in which one slot changes its queue",
)


def answer(case: Case) -> Answer:
    """Answer from the main state; undecided without ``hqds``."""
    state = case.main
    if state is None or "mqds" not in state.snapshot.sources:
        return ASKS.undecided("no MQD was captured", (sources.MQDS, sources.HQDS))
    queues = [queue for queue in state.queues if queue.is_compute and queue.active]
    if not queues:
        return ASKS.no("no process has a queue", (Because(f"{state.snapshot.label}: mqds lists none"),), _COUNTED)
    if not all(device.hqds for device in state.snapshot.devices if any(q.gpu_id == device.gpu_id for q in queues)):
        return ASKS.undecided("no slot was captured", (sources.HQDS,))
    because: list[Because] = []
    waiting: list[tuple[JoinedQueue, Device]] = []
    for device in state.snapshot.devices:
        here = [queue for queue in queues if queue.gpu_id == device.gpu_id]
        if not here:
            continue
        waiting += [(queue, device) for queue in here if queue.mapped != "all"]
        placed = [queue for queue in here if queue.mapped == "all"]
        because.append(
            Because(
                f"gpu {device.gpu_id:x}: {len(placed)} of {count(len(here), 'active queue')} hold a slot on every XCC, "
                f"each its own; {free_slots(device)} of {device.slots_per_xcc} slots are free on the fullest XCC",
                tuple(source for queue in placed for source in queue.evidence[:2]),
            )
        )
    if not waiting:
        return ASKS.no(_room(state, queues), tuple(because), _COUNTED)
    because += [
        Because(f"gpu {device.gpu_id:x}: {queue.name} of process {queue.pid} holds no slot on some XCC", queue.evidence)
        for queue, device in waiting
    ]
    short = {device.gpu_id: device for _, device in waiting}.values()
    full = all(free_slots(device) == 0 for device in short)
    if full or all(beyond_vmids(state, device) for device in short):
        why = "and none is free" if full else "for want of VMIDs"
        return ASKS.yes(
            f"{count(len(waiting), 'active queue')} without a slot, {why}",
            tuple(because),
            likely("counted at one instant; an evicted queue would look the same"),
            todo="give each process fewer queues (GPU_MAX_HW_QUEUES) or run fewer processes on this device",
            finding=True,
        )
    return ASKS.undecided(
        f"{count(len(waiting), 'active queue')} without a slot, although some are free",
        (Missing("whether they were evicted, suspended or caught between two mappings", "read mqds and hqds again"),),
        tuple(because),
        finding=True,
    )


_COUNTED = certain("every slot of every XCC was read")


def _room(state: State, queues: list[JoinedQueue]) -> str:
    most = max(len([q for q in queues if q.gpu_id == d.gpu_id]) for d in state.snapshot.devices)
    free = min(free_slots(d) for d in state.snapshot.devices if state.on(d))
    return f"{count(most, 'queue')}, {count(most, 'slot')} per XCC, {free} free"


def free_slots(device: Device) -> int:
    """Free slots on the fullest XCC."""
    return device.slots_per_xcc - device.slots_used
