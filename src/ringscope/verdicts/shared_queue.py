"""Do streams share a queue?

HIP keeps at most GPU_MAX_HW_QUEUES queues per priority and hands a further stream one that another already uses.
Streams of one queue run one after the other: their packets carry the barrier bit.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.join.streams import Stream
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Verdict

ID = "shared-queue"
QUESTION = "Do streams share a queue?"
RESTS_ON = "acquireQueue of ROCclr: at most GPU_MAX_HW_QUEUES queues per priority, then the least used one again"
OVERTURNED_BY = "a log in which each stream creation is followed by a queue creation of its own"


def answer(case: Case) -> Answer:
    """Answer from the streams that a runtime log names; debugfs knows no streams."""
    if not case.streams:
        return Answer(ID, QUESTION, Verdict.UNDECIDED, "debugfs knows no streams", missing=(sources.RUNTIME_LOG,))
    rings: dict[tuple[str, int | None], list[Stream]] = {}
    for stream in case.streams:
        rings.setdefault((stream.recording, stream.ring_base), []).append(stream)
    because = tuple(
        Because(
            f"{len(streams)} streams on the queue with ring {ring:x}"
            if ring is not None
            else "streams of unknown queues",
            tuple(stream.source for stream in streams),
        )
        for (_, ring), streams in rings.items()
    )
    shared = any(len(streams) > 1 for (_, ring), streams in rings.items() if ring is not None)
    return Answer(
        ID,
        QUESTION,
        Verdict.YES if shared else Verdict.NO,
        f"{len(case.streams)} streams on {len(rings)} queues",
        because,
        (),
        OVERTURNED_BY,
        RESTS_ON,
        todo="raise GPU_MAX_HW_QUEUES (default 4 per priority) if these streams should overlap" if shared else "",
    )
