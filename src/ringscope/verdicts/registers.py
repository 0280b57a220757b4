"""Do MQD and HQD disagree?

An MQD in memory is the copy that the firmware saved when it last unmapped the queue; a mapped queue's slot is newer in
every register that the hardware changes: pointers, VMID, doorbell flags. What the driver wrote and nobody changes
(ring, priorities, quantum) must be the same in both.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Question, certain, count, likely

ASKS = Question(
    "mqd-hqd",
    "Do MQD and HQD disagree?",
    "the firmware loads MQD dwords 128 to 183 into the HQD at map and saves them at unmap",
    "a second reading in which the registers agree: the two files are read one after the other",
)


def answer(case: Case) -> Answer:
    """Answer from every mapped queue of the main state, XCC by XCC."""
    state = case.main
    live = [queue for queue in (state.queues if state else ()) if queue.live]
    if not live:
        if state is not None and not state.queues and "mqds" in state.snapshot.sources:
            reason = Because(f"{state.snapshot.label}: mqds lists none")
            return ASKS.no("no process has a queue", (reason,), certain("nothing to compare"), quiet=True)
        return ASKS.undecided("no queue is seen both in mqds and in a slot", (sources.MQDS, sources.HQDS))
    odd = [(queue, diff) for queue in live for diff in queue.differences if not diff.expected]
    if odd:
        because = tuple(
            Because(
                f"{queue.name} of {queue.pid}, XCC {diff.xcc}: {diff.register} is {diff.saved:#x} in the MQD and "
                f"{diff.live:#x} in the slot",
                queue.evidence,
            )
            for queue, diff in odd
        )
        return ASKS.yes(
            f"{count(len(odd), 'register')} that only the driver writes",
            because,
            likely("an UPDATE_QUEUE between the two readings looks the same"),
            todo="read mqds and hqds again; if it stays, the queue was loaded from another MQD",
            finding=True,
        )
    changed = sorted({diff.register for queue in live for diff in queue.differences})
    text = "they differ only where the hardware writes" if changed else "saved and live are equal"
    at = tuple(source for queue in live for source in queue.evidence[:2])
    shown = ", ".join(changed[:4]) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")
    reason = Because(f"{count(len(live), 'mapped queue')}; differing: {shown}" if changed else text, at)
    return ASKS.no(text, (reason,), certain("every register of every mapped queue was compared"))
