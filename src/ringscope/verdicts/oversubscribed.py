"""Is the device over-subscribed, by which limit, and since which process?

The driver chains the runlist, so that the firmware rotates queues in time slices, as soon as one of four limits is
passed: processes, compute queues, cooperative (GWS) queues, or processes with and without XNACK mixed
(pm_calc_rlib_size in kfd_packet_manager.c). Queues and processes can be counted in ``mqds``, the slots in ``hqds``; the
other two show in the runlist itself and in the kernel's log.
"""

from __future__ import annotations

from ringscope.join import Case, State
from ringscope.join.queues import mqd_address_of
from ringscope.join.runlist import ReadRunlist, read_runlist
from ringscope.parts import catalogue
from ringscope.recording import Kind
from ringscope.records import dataclass
from ringscope.snapshot import Device, QueueType
from ringscope.verdicts import sources
from ringscope.verdicts.answer import Answer, Because, Question, certain, count, likely

ASKS = Question(
    "over-subscribed",
    "Over-subscribed?",
    "pm_calc_rlib_size: processes > VMIDs, compute queues > slots, cooperative queues > 1, mixed XNACK",
    "a runlist in rls that ends in a chained RUN_LIST, or the kernel's line 'Runlist is getting oversubscribed'",
)
TODO = "lower GPU_MAX_HW_QUEUES, run fewer processes on this device, or boot with a smaller amdgpu.num_kcq"


def process_limit(state: State, device: Device) -> int | None:
    """Processes that can be resident at once (VMIDs for compute), if every part it may be agrees.

    In CPX two neighbouring nodes share the VMIDs and have a half each (kgd2kfd_device_init).
    """
    alike = [part for part in catalogue.devices() if part.generation is device.generation]
    modes = [mode for _, mode in state.parts(device)] or [mode for part in alike for mode in part.partitions]
    counts = {last - first + 1 for mode in modes for first, last in mode.vmids if mode.xccs_per_node == device.xccs}
    return counts.pop() if len(counts) == 1 else None


def beyond_vmids(state: State, device: Device) -> bool:
    """Whether more processes hold queues on the device than it has VMIDs: some then hold no slot at times."""
    limit = process_limit(state, device)
    return limit is not None and len({queue.pid for queue in state.on(device)}) > limit


Limit = tuple[str, int, int | None]
"""What is counted, how much of it there is, and how much fits (None: not known)."""


def limits(state: State, device: Device) -> tuple[Limit, Limit]:
    """The two limits that can be counted in ``mqds``: active compute queues, and processes with queues."""
    queues = state.on(device)
    compute = sum(queue.active and queue.queue.type is QueueType.COMPUTE for queue in queues)
    return (
        ("queues", compute, device.slots_per_xcc or None),
        ("processes", len({queue.pid for queue in queues}), process_limit(state, device)),
    )


def beyond_limits(state: State, device: Device) -> bool | None:
    """Whether one of those two is passed; None when the queues were not captured."""
    if "mqds" not in state.snapshot.sources:
        return None
    return any(limit is not None and have > limit for _, have, limit in limits(state, device))


@dataclass(frozen=True)
class _Judged:
    """One device: limits passed and room left in words, the evidence, and whether every countable limit was known."""

    over: tuple[str, ...]
    room: str
    because: tuple[Because, ...]
    complete: bool


def answer(case: Case) -> Answer:
    """Answer from the main state, its runlist when captured, and over-subscription lines of a kernel log."""
    warned = [event for recording in case.recordings for event in recording.of(Kind.OVERSUBSCRIBED)]
    state = case.main
    said = tuple(
        Because(f"the kernel said so: {event.attrs.get('limit') or 'without naming the limit'}", (event.source,))
        for event in warned
    )
    named = dict.fromkeys(str(event.attrs["limit"]) for event in warned if event.attrs.get("limit"))
    warning = f"the kernel warned {count(len(warned), 'time')}" + (f": {', '.join(named)}" if named else "")
    if state is None or "mqds" not in state.snapshot.sources:
        if warned:
            sure = certain("the driver prints this line when it chains a runlist")
            return ASKS.yes(warning, said, sure, missing=(sources.MQDS, sources.HQDS), todo=TODO, finding=True)
        return ASKS.undecided("no queue was captured", (sources.MQDS, sources.HQDS, sources.KERNEL_LOG))
    judged = [
        _judge(case, state, device)
        for device in state.snapshot.devices
        if any(queue.gpu_id == device.gpu_id for queue in state.queues)
    ]
    because = said + tuple(reason for device in judged for reason in device.because)
    over = [text for device in judged for text in device.over]
    if over or warned:
        sure = certain("counted, or said by the driver itself") if over else likely("it may be over by now")
        return ASKS.yes("; ".join(over) or warning, because, sure, todo=TODO, finding=True)
    if not state.queues:
        reason = Because(f"{state.snapshot.label}: mqds lists none")
        return ASKS.no("no process has a queue", (reason,), certain("without queues there is no runlist"))
    if state.unlisted:
        text = f"mqds does not list the queues of {count(len(state.unlisted), 'occupied slot')}"
        return ASKS.undecided(text, (sources.MQDS, sources.RLS), because)
    if not judged or not all(device.complete for device in judged):
        text = "the limits of this device are not known from what was captured"
        return ASKS.undecided(text, (sources.HQDS, sources.RLS), because)
    # Without the runlist, cooperative queues and mixed XNACK cannot be ruled out; the kernel log would tell.
    read = all(device.runlist for device in state.snapshot.devices)
    return ASKS.no(
        "; ".join(device.room for device in judged),
        because,
        certain("all four limits were read")
        if read
        else likely("cooperative queues and mixed XNACK show only in rls and in the kernel's log"),
        missing=() if read else (sources.RLS, sources.KERNEL_LOG),
    )


def _judge(case: Case, state: State, device: Device) -> _Judged:
    queues = [queue for queue in state.on(device) if queue.active and queue.queue.type is QueueType.COMPUTE]
    counted = limits(state, device)
    runlist = read_runlist(device.runlist) if device.runlist else None
    order = _since(case, state, device, runlist)
    over = []
    because = [
        Because(
            f"gpu {device.gpu_id:x}: "
            + ", ".join(f"{have} of {limit or 'unknown'} {what}" for what, have, limit in counted),
            tuple(queue.queue.source for queue in queues),
        )
    ]
    for what, have, limit in counted:
        if limit is not None and have > limit:
            pid = _first_beyond(order, what, limit)
            over.append(f"gpu {device.gpu_id:x}: {have} of {limit} {what}" + (f", since process {pid}" if pid else ""))
    if runlist and device.runlist:
        at = (device.runlist.source,)
        if runlist.gws_queues > 1:
            over.append(f"gpu {device.gpu_id:x}: {runlist.gws_queues} of 1 cooperative queue")
            because.append(Because(f"{runlist.gws_queues} queues of the runlist hold GWS", at))
        if runlist.chained:
            because.append(Because("the runlist ends in a chained RUN_LIST", at))
            if not over:
                why = "XNACK mixed" if runlist.mixed_memory_modes else "a limit not seen in these queues"
                over.append(f"gpu {device.gpu_id:x}: the runlist is chained ({why})")
    room = ", ".join(f"{have} of {limit} {what}" for what, have, limit in counted if limit is not None)
    if device.slots_per_xcc:
        room += f"; room for {device.slots_per_xcc - len(queues)} more"
    return _Judged(tuple(over), room, tuple(because), all(limit is not None for _, _, limit in counted))


def _since(case: Case, state: State, device: Device, runlist: ReadRunlist | None) -> list[tuple[int, int]]:
    """(pid, compute queues) of each process in the order they came: by the runlist, else as snapshots show them."""
    counts: dict[int, int] = {}
    owners: dict[int, int] = {}
    for queue in state.on(device):
        counts[queue.pid] = counts.get(queue.pid, 0) + (queue.active and queue.queue.type is QueueType.COMPUTE)
        for mqd in queue.queue.mqds if queue.queue.type is QueueType.COMPUTE else ():
            owners[mqd_address_of(mqd.image)] = queue.pid
    if runlist:
        listed = [owners.get(queue.mqd_address) for process in runlist.processes for queue in process.queues]
        oldest_first = list(dict.fromkeys(pid for pid in reversed(listed) if pid is not None))
        if set(oldest_first) == set(counts):
            return [(pid, counts[pid]) for pid in oldest_first]
    seen: dict[int, int] = {}
    for place, earlier in enumerate(case.states):
        for queue in earlier.queues:
            seen.setdefault(queue.pid, place)
    return sorted(counts.items(), key=lambda item: (seen.get(item[0], len(case.states)), item[0]))


def _first_beyond(order: list[tuple[int, int]], what: str, limit: int) -> int | None:
    """The process with which the limit was passed."""
    total = 0
    for pid, queues in order:
        total += queues if what == "queues" else 1
        if total > limit:
            return pid
    return None
