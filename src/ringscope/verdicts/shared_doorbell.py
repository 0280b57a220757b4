"""Do queues share a doorbell?

The hardware knows a queue by its doorbell's index on the device's BAR. Two processes may own the same doorbell *id*,
the same offset in their slice and the same queue id without sharing anything: their slices differ.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.join.queues import JoinedQueue
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Verdict

ID = "shared-doorbell"
QUESTION = "Do queues share a doorbell?"
RESTS_ON = "MQD dword 143 holds the absolute BAR index (amdgpu_doorbell_index_on_bar); slices of processes are disjoint"
OVERTURNED_BY = "two live queues of one device with the same doorbell index in mqds"


def answer(case: Case) -> Answer:
    """Answer from the main state's MQDs; undecided without them."""
    state = case.main
    if state is None or "mqds" not in state.snapshot.sources:
        return Answer(ID, QUESTION, Verdict.UNDECIDED, "no MQD was captured", missing=(sources.MQDS,))
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
        return Answer(
            ID,
            QUESTION,
            Verdict.YES,
            f"{len(shared)} doorbells have several queues",
            because,
            (),
            "a second reading of mqds that shows them apart: this one may be torn",
            RESTS_ON,
            todo="read mqds again; if it stays, report it to the driver's developers",
            finding=True,
        )
    if not owners:
        return Answer(ID, QUESTION, Verdict.NO, "no process has a queue", (), (), OVERTURNED_BY, RESTS_ON)
    indexes = sorted(index for _, index in owners)
    spread = f"{indexes[0]:#x} to {indexes[-1]:#x}" if len(indexes) > 1 else f"{indexes[0]:#x}"
    slices = len({(queue.gpu_id, queue.doorbell_slice) for queue in state.queues})
    because = (
        Because(
            f"{len(owners)} queues, {len(owners)} different indexes ({spread}) in {slices} process slices",
            tuple(queue.queue.source for queue in state.queues),
        ),
    )
    return Answer(ID, QUESTION, Verdict.NO, f"{len(owners)} queues, {spread}", because, (), OVERTURNED_BY, RESTS_ON)
