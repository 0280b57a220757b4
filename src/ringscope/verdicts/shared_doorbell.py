"""Do queues share a doorbell?

The hardware knows a queue by its doorbell's index on the device's BAR. Two processes may own the same doorbell *id*,
the same offset in their slice and the same queue id without sharing anything: their slices differ.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.join.queues import JoinedQueue
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Question, certain, count, likely

ASKS = Question(
    "shared-doorbell",
    "Do queues share a doorbell?",
    "MQD dword 143 holds the absolute BAR index (amdgpu_doorbell_index_on_bar); slices of processes are disjoint",
    "two live queues of one device with the same doorbell index in mqds",
)


def answer(case: Case) -> Answer:
    """Answer from the main state's MQDs; undecided without them."""
    state = case.main
    if state is None or "mqds" not in state.snapshot.sources:
        return ASKS.undecided("no MQD was captured", (sources.MQDS,))
    owners: dict[tuple[int, int], list[JoinedQueue]] = {}
    for queue in state.queues:
        if queue.doorbell_index is not None:
            owners.setdefault((queue.gpu_id, queue.doorbell_index), []).append(queue)
    shared = {key: queues for key, queues in owners.items() if len(queues) > 1}
    if shared:
        because = tuple(
            Because(
                f"gpu {gpu_id:x}: doorbell {index:#x} stands in {len(queues)} queues: "
                + ", ".join(f"{queue.name} of process {queue.pid}" for queue in queues),
                tuple(queue.queue.source for queue in queues),
            )
            for (gpu_id, index), queues in shared.items()
        )
        return ASKS.yes(
            f"{count(len(shared), 'doorbell')} with several queues",
            because,
            likely("the driver's bitmap makes it impossible, so the file may be torn"),
            todo="read mqds again; if it stays, report it to the driver's developers",
            finding=True,
        )
    sure = certain("every MQD holds its absolute index")
    if not owners:
        return ASKS.no("no process has a queue", (Because(f"{state.snapshot.label}: mqds lists none"),), sure)
    indexes = sorted(index for _, index in owners)
    spread = f"{indexes[0]:#x} to {indexes[-1]:#x}" if len(indexes) > 1 else f"{indexes[0]:#x}"
    slices = {(queue.gpu_id, queue.doorbell_slice) for queue in state.queues}
    because = (
        Because(
            f"{count(len(owners), 'queue')}, {len(owners)} different indexes ({spread}) in "
            f"{count(len(slices), 'process slice')}",
            tuple(queue.queue.source for queue in state.queues),
        ),
    )
    return ASKS.no(f"{count(len(owners), 'queue')}, {spread}", because, sure)
