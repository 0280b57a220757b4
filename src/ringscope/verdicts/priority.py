"""Did stream priority reach the hardware, layer by layer?

A stream's priority arrives in two steps: CREATE_QUEUE always asks for 7 (NORMAL); for another priority ROCr sends
UPDATE_QUEUE right after. The driver then writes the KFD priority and its pipe priority into the MQD. So MQDs with
anything but 7 prove the way is open, and 7 everywhere proves only that NORMAL arrived.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.join.queues import JoinedQueue, PipePriority
from ringscope.join.streams import HSA_PRIORITY, Stream
from ringscope.parts.mqd import PIPE_PRIORITY
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Missing, Question, certain, count

ASKS = Question(
    "priority-arrived",
    "Did stream priority arrive?",
    "cp_hqd_pipe_priority of the MQD and pipe_priority_map of kfd_mqd_manager.c: KFD 0-6 low, 7-10 medium, 11-15 high",
    "a stream whose log says HIGH or LOW while its queue's MQD says 7 and MEDIUM",
)
_PIPE_OF_HSA = {0: 0, 1: 1, 2: 2}


def answer(case: Case) -> Answer:
    """Answer from the main state's MQDs, and from the log's streams where both are there."""
    state = case.main
    if state is None or "mqds" not in state.snapshot.sources:
        return ASKS.undecided("no MQD was captured", (sources.MQDS,))
    queues = [queue for queue in state.queues if queue.is_compute and queue.queue_priority is not None]
    if not queues:
        return ASKS.undecided("no process has a compute queue", (sources.MQDS,))
    lost = [stream for stream in case.streams if _lost(stream)]
    broken = [queue for queue in queues if queue.pipe_priority != _pipe_priority(queue.queue_priority)]
    levels = sorted({_level(queue) for queue in queues})
    because = tuple(
        Because(
            f"{count(len(group), 'queue')} with queue priority {level[0]} and pipe priority {level[1]} "
            f"({level_name(level[1])})",
            tuple(queue.queue.source for queue in group),
        )
        for level in levels
        for group in [[queue for queue in queues if _level(queue) == level]]
    )
    sure = certain("both registers of every queue were read")
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
        return ASKS.no(
            f"{count(len(lost) + len(broken), 'queue')} without the priority asked for",
            because,
            sure,
            todo="look for an UPDATE_QUEUE that failed (AMD_LOG_LEVEL=3: set_priority), or one not sent",
            finding=True,
        )
    because += tuple(
        Because(
            f"stream {stream.stream:#x} asked for {HSA_PRIORITY.get(stream.priority)}: {stream.queue.name} has "
            f"{stream.queue.queue_priority} and {level_name(stream.queue.pipe_priority)}",
            (stream.source, stream.queue.queue.source),
        )
        for stream in case.streams
        if stream.queue is not None and stream.priority not in (None, 1)
    )
    text = ", ".join(f"{level[0]} → {level_name(level[1])}" for level in levels)
    if levels == [(7, 1)]:
        need = Missing(
            "a queue of another priority: these show only that NORMAL arrives",
            "create one HIGH stream (hipStreamCreateWithPriority) and capture again",
        )
        return ASKS.yes(f"{text} everywhere; no HIGH or LOW to be seen", because, sure, missing=(need,))
    return ASKS.yes(text, because, sure)


def level_name(pipe_priority: int | None) -> str:
    """LOW, MEDIUM or HIGH; a number that means none of them as it is."""
    return PipePriority(pipe_priority).name if pipe_priority in (0, 1, 2) else str(pipe_priority)


def _pipe_priority(priority: int | None) -> int | None:
    return PIPE_PRIORITY[priority] if priority is not None and priority < len(PIPE_PRIORITY) else None


def _level(queue: JoinedQueue) -> tuple[int, int]:
    return queue.queue_priority or 0, queue.pipe_priority or 0


def _lost(stream: Stream) -> bool:
    if stream.queue is None or stream.priority is None or stream.queue.pipe_priority is None:
        return False
    return stream.queue.pipe_priority != _PIPE_OF_HSA.get(stream.priority)
