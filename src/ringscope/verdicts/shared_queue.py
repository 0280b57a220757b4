"""Do streams share a queue?

HIP keeps at most GPU_MAX_HW_QUEUES queues per priority and hands a further stream one that another already uses.
Streams of one queue run one after the other: their packets carry the barrier bit. Two processes never share one: the
driver makes every queue for the process that asked.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.join.streams import Stream
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Question, certain, count

ASKS = Question(
    "shared-queue",
    "Do streams share a queue?",
    "acquireQueue of ROCclr: at most GPU_MAX_HW_QUEUES queues per priority, then the least used one again",
    "a log in which each stream creation is followed by a queue creation of its own",
)


def answer(case: Case) -> Answer:
    """Answer from the streams that a runtime log names; debugfs knows no streams."""
    if not case.streams:
        return ASKS.undecided("debugfs knows no streams", (sources.RUNTIME_LOG,))
    rings: dict[tuple[str, int | None], list[Stream]] = {}
    for stream in case.streams:
        rings.setdefault((stream.recording, stream.ring_base), []).append(stream)
    because = tuple(
        Because(
            f"{count(len(streams), 'stream')} on the queue with ring {ring:x}"
            if ring is not None
            else f"{count(len(streams), 'stream')} of unknown queues",
            tuple(stream.source for stream in streams),
        )
        for (_, ring), streams in rings.items()
    )
    known = {key: streams for key, streams in rings.items() if key[1] is not None}
    if any(len(streams) > 1 for streams in known.values()):
        return ASKS.yes(
            f"{count(len(case.streams), 'stream')} on {count(len(known), 'queue')}",
            because,
            certain("the runtime's log names each stream's ring"),
            todo="raise GPU_MAX_HW_QUEUES (default 4 per priority) if these streams should overlap",
        )
    if len(known) < len(rings):
        return ASKS.undecided("the log does not say which queue each stream got", (sources.RUNTIME_LOG,), because)
    return ASKS.no(
        f"{count(len(case.streams), 'stream')} on {count(len(known), 'queue')}",
        because,
        certain("the runtime's log names each stream's ring"),
    )
