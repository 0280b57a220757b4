"""Did stream priority reach ``cp_hqd_pipe_priority``?

A stream's priority arrives in two steps: CREATE_QUEUE always asks for 7 (NORMAL); for another priority ROCr sends
UPDATE_QUEUE right after. The driver then writes the KFD priority and its pipe priority into the MQD. So MQDs with
anything but 7 prove the way is open, and 7 everywhere proves only that NORMAL arrived.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.join.queues import JoinedQueue, PipePriority
from ringscope.join.streams import HSA_PRIORITY, Stream
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Missing, Verdict

ID = "priority-arrived"
QUESTION = "Did stream priority arrive?"
RESTS_ON = (
    "cp_hqd_pipe_priority of the MQD and pipe_priority_map of kfd_mqd_manager.c: KFD 0-6 low, 7-10 medium, 11-15 high"
)
OVERTURNED_BY = "a stream whose log says HIGH or LOW while its queue's MQD says 7 and MEDIUM"
PIPE_PRIORITY = (0,) * 7 + (1,) * 4 + (2,) * 5
_PIPE_OF_HSA = {0: 0, 1: 1, 2: 2}


def answer(case: Case) -> Answer:
    """Answer from the main state's MQDs, and from the log's streams where both are there."""
    state = case.main
    if state is None or "mqds" not in state.snapshot.sources:
        return Answer(ID, QUESTION, Verdict.UNDECIDED, "no MQD was captured", missing=(sources.MQDS,))
    queues = [queue for queue in state.queues if queue.is_compute and queue.queue_priority is not None]
    if not queues:
        return Answer(ID, QUESTION, Verdict.UNDECIDED, "no process has a compute queue", missing=(sources.MQDS,))
    lost = [stream for stream in case.streams if _lost(stream)]
    broken = [queue for queue in queues if queue.pipe_priority != PIPE_PRIORITY[queue.queue_priority or 0]]
    levels = sorted({_level(queue) for queue in queues})
    because = tuple(
        Because(
            f"{len(group)} queues have queue priority {level[0]} and pipe priority {level[1]} "
            f"({PipePriority(level[1]).name})",
            tuple(queue.queue.source for queue in group),
        )
        for level in levels
        for group in [[queue for queue in queues if _level(queue) == level]]
    )
    if lost or broken:
        because += tuple(
            Because(
                f"stream {stream.stream:#x} asked for {HSA_PRIORITY.get(stream.priority or 0)}, its queue "
                f"{stream.queue.name if stream.queue else ''} has pipe priority "
                f"{stream.queue.pipe_priority if stream.queue else None}",
                (stream.source,),
            )
            for stream in lost
        ) + tuple(Because(f"{queue.name}: the two registers disagree", (queue.queue.source,)) for queue in broken)
        return Answer(
            ID,
            QUESTION,
            Verdict.NO,
            f"{len(lost) + len(broken)} priorities did not arrive",
            because,
            (),
            "a later reading of mqds: UPDATE_QUEUE may have come after this one",
            RESTS_ON,
            todo="look for an UPDATE_QUEUE that failed (AMD_LOG_LEVEL=3: set_priority), or one not sent",
            finding=True,
        )
    text = ", ".join(f"{level[0]} → {PipePriority(level[1]).name}" for level in levels)
    if levels == [(7, 1)]:
        return Answer(
            ID,
            QUESTION,
            Verdict.YES,
            f"{text} on every queue; none asked for HIGH or LOW",
            because,
            (
                Missing(
                    "a queue of another priority: these show only that NORMAL arrives",
                    "create one HIGH stream (hipStreamCreateWithPriority) and capture again",
                ),
            ),
            OVERTURNED_BY,
            RESTS_ON,
        )
    return Answer(ID, QUESTION, Verdict.YES, text, because, (), OVERTURNED_BY, RESTS_ON)


def _level(queue: JoinedQueue) -> tuple[int, int]:
    return queue.queue_priority or 0, queue.pipe_priority or 0


def _lost(stream: Stream) -> bool:
    if stream.queue is None or stream.priority is None or stream.queue.pipe_priority is None:
        return False
    return stream.queue.pipe_priority != _PIPE_OF_HSA.get(stream.priority)
