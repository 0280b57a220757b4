"""Claims about hardware slots (HQDs): how many there are, who chooses them, and who can see them."""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.claims.claim import claim
from ringscope.claims.figures import MQ, NOTE_1
from ringscope.claims.lab import Lab
from ringscope.claims.reason import Method, Reason
from ringscope.claims.runs import Run
from ringscope.claims.timed import Load
from ringscope.join import Case
from ringscope.recording import Kind, Source
from ringscope.records import replace
from ringscope.stack.firmware import SlotOrder
from ringscope.stack.machine import SchedPolicy
from ringscope.verdicts import oversubscribed, shared_slot
from ringscope.verdicts.answer import Verdict as Answered

STACK, SIMULATION, CAPTURE = Method.STACK, Method.SIMULATION, Method.CAPTURE


def drivers_slots(run: Run) -> set[tuple[int, int] | None]:
    """What the driver itself keeps as the slot of its queues (``q->pipe``, ``q->queue``); None where it never chose."""
    return {queue.slot for process in run.kfd.processes for queue in process.queues.values()}


def placed(run: Run) -> list[str]:
    """Slots of the queues, oldest first."""
    return [queue.slots[0].hqd.name if queue.slots else "-" for queue in reversed(run.queues)]


def other_order(lab: Lab) -> Run:
    """One process on a firmware that fills slots in another order."""
    firmware = lab.rules.firmware
    down = firmware.slot_order is not SlotOrder.DOWN_A_PIPE
    order = SlotOrder.DOWN_A_PIPE if down else SlotOrder.ACROSS_PIPES
    return lab.processes(1, firmware=replace(firmware, slot_order=order))


@claim(
    "A14",
    NOTE_1,
    106,
    "All queues have pipe 0, queue 0.",
    STACK,
    CAPTURE,
    overturned_by="hqds in which every queue of a process sits in slot 0.0",
)
def all_zero(lab: Lab) -> Iterator[Reason]:
    """The driver's own field, then the hardware."""
    run = lab.processes(1)
    untouched = drivers_slots(run) == {None}
    yield STACK.judge(
        untouched,
        f"the driver's own fields of {len(run.queues)} queues stay as they were allocated: zero"
        if untouched
        else "the driver chooses the slots itself and notes them",
    )
    for view in lab.views():
        names = {slot.hqd.name for queue in view.queues for slot in queue.slots}
        yield view.judge(names == {"0.0"}, f"the hardware has {len(names)} slots per XCC: {', '.join(sorted(names))}")


@claim(
    "A15",
    NOTE_1,
    158,
    "pipe = queue = 0 on every queue proves that slots are given dynamically.",
    STACK,
    CAPTURE,
    overturned_by="a driver field that changes when the firmware's choice of slots does",
)
def proves_dynamic(lab: Lab) -> Iterator[Reason]:
    """A reading that does not change with what it is to prove, proves nothing."""
    usual, other = lab.processes(1), other_order(lab)
    moved = placed(usual) != placed(other)
    yield STACK.judge(
        moved and drivers_slots(usual) != drivers_slots(other),
        f"slots {' '.join(placed(usual))} or {' '.join(placed(other))}: the driver's field reads "
        f"{'the same' if drivers_slots(usual) == drivers_slots(other) else 'otherwise'}",
    )
    runs = lab.captures.runs
    places = {tuple(slot.hqd.name for queue in run.state.queues for slot in queue.slots) for run in runs}
    if len(runs) > 1:
        yield CAPTURE.note(
            f"{len(runs)} captured runs place their queues {'alike' if len(places) == 1 else 'differently'}"
        )


@claim(
    "A16",
    NOTE_1,
    117,
    "CPSCH does not call allocate_hqd().",
    STACK,
    overturned_by="a driver under sched_policy 0 that logs 'hqd slot'",
)
def no_allocate_hqd(lab: Lab) -> Iterator[Reason]:
    """The driver's choice of slots under both schedulers."""
    run, static = lab.processes(1), lab.processes(1, sched_policy=SchedPolicy.NO_HWS, proposal=None)

    def chosen(run: Run) -> int:
        return sum("hqd slot" in str(event.attrs["message"]) for event in run.events(Kind.KERNEL_MESSAGE))

    yield STACK.judge(
        chosen(run) == 0,
        f"{len(run.queues)} queues: {chosen(run)} slots chosen by the driver, {chosen(static)} with sched_policy 2",
    )


@claim(
    "A18",
    NOTE_1,
    191,
    "The MEC firmware chooses the slot.",
    STACK,
    overturned_by="a MAP_QUEUES of a compute queue that names pipe and queue",
)
def firmware_chooses(lab: Lab) -> Iterator[Reason]:
    """MAP_QUEUES leaves the choice open; another firmware places the same packets elsewhere."""
    usual, other = lab.processes(1), other_order(lab)
    selectors = {packet.image.get("control", "queue_sel") for packet in usual.runlist if packet.name == "MAP_QUEUES"}
    yield STACK.judge(
        selectors == {1},
        f"MAP_QUEUES for {len(usual.queues)} queues, with queue_sel {', '.join(map(str, sorted(selectors))) or '-'} "
        "(1: the firmware chooses)",
    )
    yield STACK.judge(
        usual.runlist == other.runlist and placed(usual) != placed(other),
        f"the same runlist ends in {' '.join(placed(usual))} or, with another rule, in {' '.join(placed(other))}",
    )


@claim(
    "A19",
    NOTE_1,
    191,
    "Software cannot see which slot a queue has.",
    STACK,
    CAPTURE,
    overturned_by="an hqds file whose active slots name no MQD of the mqds file",
)
def invisible(lab: Lab) -> Iterator[Reason]:
    """Join mqds and hqds by the MQD address."""
    for view in lab.views():
        copies = sum(len(queue.queue.mqds) for queue in view.queues)
        slots = sum(len(queue.slots) for queue in view.queues)
        yield view.judge(slots == 0, f"{slots} of {copies} MQD copies are found in a slot of hqds")


@claim(
    "A36",
    NOTE_1,
    235,
    "Queues sharing a hardware slot is excluded as a cause.",
    STACK,
    SIMULATION,
    CAPTURE,
    overturned_by="two active queues of 24 or fewer without a slot each",
)
def no_sharing(lab: Lab) -> Iterator[Reason]:
    """The process counts of the experiment: do all queues have a slot of their own?"""
    for count in (2, 4, 6):
        run = lab.processes(count)
        case = Case((run.state(),))
        without = sum(not queue.slots for queue in run.queues)
        apart = shared_slot.answer(case).verdict is Answered.NO and oversubscribed.answer(case).verdict is Answered.NO
        yield STACK.judge(
            apart,
            f"{count} processes: {len(run.queues)} queues for {len(run.machine.nodes[0].slots)} slots"
            + ("" if apart else f", {without} wait: over-subscribed"),
        )
    if lab.has_time:
        rotations = {count: lab.played(Load(processes=count)).rotations for count in (2, 4, 6)}
        yield from (
            SIMULATION.judge(not turns, f"{count} processes at work: the firmware exchanges queues {turns} times")
            for count, turns in rotations.items()
        )
    for captured in lab.captures.runs:
        answer = shared_slot.answer(captured.case)
        yield CAPTURE.judge(answer.verdict is Answered.NO, f"{captured.name}: {answer.summary}")


@claim(
    "A37",
    NOTE_1,
    39,
    "KFD has 32 hardware slots on MI308X.",
    STACK,
    CAPTURE,
    overturned_by="hqds of an MI308X with default parameters that lists 32 slots per XCC",
)
def thirty_two(lab: Lab) -> Iterator[Reason]:
    """Slots per XCC: what amdgpu's own rings leave."""
    for view in lab.views():
        slots = view.device.slots_per_xcc
        pipes = {slot.pipe for slot in view.device.hqds}
        numbers = sorted({slot.queue for slot in view.device.hqds})
        yield view.judge(
            slots == 32, f"{slots} slots per XCC: {len(pipes)} pipes x queues {numbers[0]} to {numbers[-1]}"
        )
    left = ", ".join(f"{len(lab.machine(num_kcq=kcq).nodes[0].slots)} with num_kcq={kcq}" for kcq in (8, 2, 1, 0))
    yield STACK.note(f"{left}; the notes say 32, 15 and 256 in different places", Source(MQ))
