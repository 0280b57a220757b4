"""Is the device over-subscribed, and by which limit?

The driver chains the runlist, so that the firmware rotates queues in time slices, as soon as one of four limits is
passed: processes, compute queues, cooperative (GWS) queues, or processes with and without XNACK mixed
(pm_calc_rlib_size in kfd_packet_manager.c). Queues and processes can be counted in ``mqds``, the slots in ``hqds``; the
other two show only in the runlist itself and in the kernel's log.
"""

from __future__ import annotations

from ringscope.join import Case, State
from ringscope.parts import catalogue
from ringscope.parts.layout import Generation
from ringscope.recording import Kind
from ringscope.snapshot import Device, QueueType
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Verdict

ID = "over-subscribed"
QUESTION = "Over-subscribed?"
RESTS_ON = "pm_calc_rlib_size: processes > VMIDs, compute queues > slots, cooperative queues > 1, mixed XNACK"
OVERTURNED_BY = (
    "a runlist in rls that ends in a chained RUN_LIST, or the kernel's line 'Runlist is getting oversubscribed'"
)
TODO = "lower GPU_MAX_HW_QUEUES, run fewer processes on this device, or boot with a smaller amdgpu.num_kcq"


def process_limit(device: Device) -> int | None:
    """Processes that can be resident at once (VMIDs for compute), if every part of this shape agrees."""
    if device.generation is Generation.V9_4_3 and device.xccs == 1:
        # One XCC a node is CPX mode, where two nodes share the VMIDs (kgd2kfd_device_init: 4-9 and 10-15).
        return 6
    counts = {part.vmids for part in catalogue.devices() if part.generation is device.generation}
    return counts.pop() if len(counts) == 1 else None


def answer(case: Case) -> Answer:
    """Answer from the main state, its runlist when captured, and over-subscription lines of a kernel log."""
    warned = [event for recording in case.recordings for event in recording.of(Kind.OVERSUBSCRIBED)]
    state = case.main
    because = [
        Because(f"the kernel said so: too many {event.attrs.get('limit', 'of something')}", (event.source,))
        for event in warned
    ]
    if state is None or "mqds" not in state.snapshot.sources:
        if warned:
            return Answer(
                ID,
                QUESTION,
                Verdict.YES,
                f"the kernel warned {len(warned)} times",
                tuple(because),
                (sources.MQDS, sources.HQDS),
                "",
                RESTS_ON,
                TODO,
                finding=True,
            )
        return Answer(
            ID,
            QUESTION,
            Verdict.UNDECIDED,
            "no queue was captured",
            missing=(sources.MQDS, sources.HQDS, sources.KERNEL_LOG),
        )
    over: list[str] = []
    room: list[str] = []
    unknown = []
    for device in state.snapshot.devices:
        if not any(queue.gpu_id == device.gpu_id for queue in state.queues):
            continue
        exceeded, left, reasons, complete = _judge(state, device)
        over += exceeded
        room += left
        because += reasons
        unknown += [] if complete else [device]
    if over or warned:
        summary = "; ".join(over) or f"the kernel warned {len(warned)} times"
        return Answer(
            ID, QUESTION, Verdict.YES, summary, tuple(because), (), OVERTURNED_BY, RESTS_ON, TODO, finding=True
        )
    if not state.queues:
        return Answer(ID, QUESTION, Verdict.NO, "no process has a queue", (), (), OVERTURNED_BY, RESTS_ON)
    if unknown or not room:
        return Answer(
            ID,
            QUESTION,
            Verdict.UNDECIDED,
            "the limits of this device are not known from what was captured",
            tuple(because),
            (sources.HQDS, sources.RLS),
            OVERTURNED_BY,
            RESTS_ON,
        )
    # Without the runlist, cooperative queues and mixed XNACK cannot be ruled out; the kernel log would tell.
    missing = () if all(device.runlist for device in state.snapshot.devices) else (sources.RLS, sources.KERNEL_LOG)
    return Answer(ID, QUESTION, Verdict.NO, "; ".join(room), tuple(because), missing, OVERTURNED_BY, RESTS_ON)


def _judge(state: State, device: Device) -> tuple[list[str], list[str], list[Because], bool]:
    """(limits exceeded, room left, evidence, whether every countable limit was known) of one device."""
    queues = [queue for queue in state.on(device) if queue.active and queue.queue.type is QueueType.COMPUTE]
    processes = {queue.pid for queue in state.on(device)}
    limits: list[tuple[str, int, int | None]] = [
        ("queues", len(queues), device.slots_per_xcc or None),
        ("processes", len(processes), process_limit(device)),
    ]
    over: list[str] = []
    room: list[str] = []
    for what, have, limit in limits:
        if limit is None:
            continue
        text = f"{have} of {limit} {what}"
        (over if have > limit else room).append(text)
    if over:
        over = [f"gpu {device.gpu_id:x}: too many {text.split()[-1]} ({text})" for text in over]
    because = [
        Because(
            f"gpu {device.gpu_id:x}: "
            + ", ".join(f"{have} of {limit or 'unknown'} {what}" for what, have, limit in limits),
            tuple(queue.queue.source for queue in queues),
        )
    ]
    summary = f"{', '.join(room)}"
    if not over and device.slots_per_xcc:
        summary += f"; the limit is {device.slots_per_xcc - len(queues) + 1} queues away"
    return over, [] if over else [summary], because, all(limit is not None for _, _, limit in limits)
