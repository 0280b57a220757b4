"""Can priority matter where these queues sit?

A priority can only be felt against a queue of another priority on the same device. Within a pipe it says which
connected queue goes first; between pipes whose workgroups get free CUs first. AMD documents neither, kfdtest prints
its own timings and asserts nothing, and from July 2026 HIP ignores stream priority by default (rocm-systems#8485).
So this verdict says who meets whom, and leaves what comes of it to a measurement.
"""

from __future__ import annotations

from ringscope.join import Case
from ringscope.join.queues import JoinedQueue
from ringscope.parts.layout import Generation
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Missing, Question, certain, count, weak
from ringscope.verdicts.priority import level_name
from ringscope.verdicts.shared_pipe import on_pipes

ASKS = Question(
    "priority-matters",
    "Can priority matter here?",
    "cp_hqd_pipe_priority between pipes, cp_hqd_queue_priority within one; how either arbitrates is not documented",
    "the same kernels timed with and without the priority, on the same pipes: a difference, or none",
)
_MEASURE = Missing(
    "what it does: AMD documents no arbitration rule",
    "time a HIGH stream's kernels alone and beside the LOW load: rocprofv3 --kernel-trace -- ./app",
)


def answer(case: Case) -> Answer:
    """Answer from priorities and slots of the main state."""
    state = case.main
    if state is None or "mqds" not in state.snapshot.sources:
        return ASKS.undecided("no MQD was captured", (sources.MQDS, sources.HQDS))
    queues = [queue for queue in state.queues if queue.is_compute and queue.queue_priority is not None]
    by_device: dict[int, list[JoinedQueue]] = {}
    for queue in queues:
        by_device.setdefault(queue.gpu_id, []).append(queue)
    mixed = {gpu: here for gpu, here in by_device.items() if len({queue.queue_priority for queue in here}) > 1}
    if not mixed:
        text = "every queue has the same priority" if queues else "no process has a compute queue"
        at = tuple(q.queue.source for q in queues) or tuple(device.source for device in state.snapshot.devices[:1])
        reason = Because(text, at)
        return ASKS.no(text, (reason,), certain("there is nobody to be preferred to"))
    if not any(queue.live for here in mixed.values() for queue in here):
        return ASKS.undecided("priorities differ, but no slot was captured", (sources.HQDS,))
    meets = {
        key: here for key, here in on_pipes(tuple(queues)).items() if len({queue.queue_priority for queue in here}) > 1
    }
    because = tuple(
        Because(
            f"gpu {gpu:x} pipe {pipe}: " + ", ".join(_name(queue) for queue in here),
            tuple(queue.slots[0].hqd.source for queue in here),
        )
        for (gpu, pipe), here in meets.items()
    ) or tuple(
        Because(
            f"gpu {gpu:x}: priorities differ between pipes only: " + ", ".join(_name(queue) for queue in here),
            tuple(queue.queue.source for queue in here),
        )
        for gpu, here in mixed.items()
    )
    where = f"different priorities meet on {count(len(meets), 'pipe')}" if meets else "they differ between pipes only"
    mes = any(
        device.gpu_id in mixed and device.generation in (Generation.V11, Generation.V12)
        for device in state.snapshot.devices
    )
    if mes:
        because += (Because("MES: every gang has the global level NORMAL, so no process goes before another"),)
    return ASKS.yes(where, because, weak("who meets whom is read; the effect is not documented"), missing=(_MEASURE,))


def _name(queue: JoinedQueue) -> str:
    return f"{queue.name} of {queue.pid} ({queue.queue_priority}, {level_name(queue.pipe_priority)})"
