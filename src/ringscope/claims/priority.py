"""Claims about stream priority: what each layer makes of it, and what it reaches."""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.claims.claim import claim
from ringscope.claims.figures import NOTE_2
from ringscope.claims.lab import Lab
from ringscope.claims.reason import Method, Reason
from ringscope.claims.runs import Run
from ringscope.claims.timed import Load
from ringscope.join.queues import JoinedQueue
from ringscope.recording import Kind, Source
from ringscope.stack.hip import StreamPriority
from ringscope.stack.kfd.records import UpdateQueue
from ringscope.stack.rocm import ThunkPriority

STACK, SIMULATION, CAPTURE = Method.STACK, Method.SIMULATION, Method.CAPTURE
HIGH, NORMAL, LOW = StreamPriority.HIGH, StreamPriority.NORMAL, StreamPriority.LOW
MIXED_MQDS = "an mqds file, taken while a program holds a HIGH and a LOW stream, that reads otherwise"


def queue_of(lab: Lab, priority: StreamPriority) -> JoinedQueue:
    """The queue of the only stream of a process."""
    return next(queue for queue in lab.run((int(priority),)).queues if queue.name.startswith("HIP"))


def registers(queue: JoinedQueue) -> tuple[int, int]:
    """Queue priority and pipe priority."""
    return queue.queue_priority or 0, queue.pipe_priority or 0


def reads(lab: Lab, priority: StreamPriority) -> str:
    """The registers of a stream of one priority, in words."""
    queue, pipe = registers(queue_of(lab, priority))
    return f"{priority.name} reads {queue}, pipe {pipe}"


@claim(
    "B05",
    NOTE_2,
    20,
    "ROCr's level for HIGH is MAXIMUM, for LOW it is LOW.",
    STACK,
    overturned_by="a thunk trace of this release with priority 15 for HIGH",
)
def rocr_levels(lab: Lab) -> Iterator[Reason]:
    """The level that ROCr asks the thunk for."""
    for priority, stated in ((HIGH, ThunkPriority.MAXIMUM), (LOW, ThunkPriority.LOW)):
        (_, stream) = lab.run((int(priority),)).created[0]
        level = stream.queue.hsa.priority
        yield STACK.judge(level is stated, f"ROCm {lab.rules.rocm}: {priority.name} is {level.name}, not {stated.name}")


@claim(
    "B06",
    NOTE_2,
    20,
    "KFD puts priorities 11 to 15 on pipe priority 2, 7 to 10 on 1, 0 to 6 on 0.",
    STACK,
    overturned_by="an MQD whose dwords 133 and 134 are another pair",
)
def pipe_map(lab: Lab) -> Iterator[Reason]:
    """Every priority from 0 to 15, written into an MQD."""
    run = lab.fresh((0,))
    found = {}
    for priority in range(16):
        _set_priority(run, priority)
        queue = run.state().queues[0]
        found[priority] = queue.queue.mqds[0].image.get("cp_hqd_pipe_priority")
    wrong = {p: pipe for p, pipe in found.items() if pipe != (2 if p > 10 else 1 if p > 6 else 0)}
    levels = ", ".join(
        f"{_span([p for p in found if found[p] == pipe])} → {pipe}" for pipe in sorted(set(found.values()))
    )
    yield STACK.judge(not wrong, f"pipe priority of every KFD priority: {levels}")


def _set_priority(run: Run, priority: int) -> None:
    ((pid, stream),) = run.created
    kmt = stream.queue.hsa.kmt
    run.kfd.update_queue(pid, UpdateQueue(kmt.queue_id, kmt.ring.base, kmt.ring.size, 100, priority))


def _span(values: list[int]) -> str:
    return f"{values[0]}–{values[-1]}" if len(values) > 1 else str(values[0])


@claim(
    "B07",
    NOTE_2,
    35,
    "HIGH gives cp_hqd_queue_priority 11.",
    STACK,
    overturned_by=MIXED_MQDS,
)
def high_eleven(lab: Lab) -> Iterator[Reason]:
    """The MQD of a HIGH stream."""
    yield STACK.judge(registers(queue_of(lab, HIGH))[0] == 11, f"{reads(lab, HIGH)} (ROCm {lab.rules.rocm})")
    yield STACK.note("up to ROCm 6.1 ROCr asked for MAXIMUM, which is 15")


@claim(
    "B08",
    NOTE_2,
    47,
    "LOW gives cp_hqd_queue_priority 1.",
    STACK,
    overturned_by=MIXED_MQDS,
)
def low_one(lab: Lab) -> Iterator[Reason]:
    """The MQD of a LOW stream."""
    yield STACK.judge(registers(queue_of(lab, LOW))[0] == 1, reads(lab, LOW))


@claim(
    "B09",
    NOTE_2,
    165,
    "NORMAL gives cp_hqd_queue_priority 7, pipe priority 1.",
    STACK,
    CAPTURE,
    overturned_by="an MQD of a NORMAL stream with another pair",
)
def normal_seven(lab: Lab) -> Iterator[Reason]:
    """Every MQD copy and slot of NORMAL streams."""
    for view in lab.views():
        pairs = list(zip(view.registers("cp_hqd_queue_priority"), view.registers("cp_hqd_pipe_priority"), strict=True))
        found = ", ".join(f"{queue}/{pipe}" for queue, pipe in sorted(set(pairs)))
        yield view.judge(set(pairs) == {(7, 1)}, f"{len(pairs)} MQD copies and slots read {found}")


@claim(
    "B20",
    NOTE_2,
    195,
    "The hardware picks queues by cp_hqd_pipe_priority.",
    overturned_by="the same latencies for HIGH and NORMAL streams under load, on one pipe and on two",
    decided_by="""python3 - <<'EOF'  # PyTorch: waits of a small kernel behind large ones, as NORMAL and as HIGH
import time, torch
large, small = (torch.randn(n, n, device="cuda") for n in (8192, 256))
for priority in (0, -1):
    load, probe, waits = torch.cuda.Stream(priority=0), torch.cuda.Stream(priority=priority), []
    for _ in range(200):
        with torch.cuda.stream(load):
            large @ large
        begin = time.perf_counter()
        with torch.cuda.stream(probe):
            small @ small
        probe.synchronize()
        waits.append(time.perf_counter() - begin)
    torch.cuda.synchronize()
    print(priority, sorted(waits)[100], sorted(waits)[198])
EOF""",
)
def hardware_picks(lab: Lab) -> Iterator[Reason]:
    """The rule of arbitration is in no public source; what is known is what arrives."""
    yield STACK.note(f"the registers differ: {reads(lab, HIGH)}; {reads(lab, LOW)}; how pipes use them is not public")
    if lab.has_time:
        streams = (int(NORMAL), int(HIGH))
        shares = [
            high / (normal + high) * 100
            for by_priority in (False, True)
            for normal, high in lab.played(Load(streams=streams, by_priority=by_priority)).streams
        ]
        yield SIMULATION.note(
            f"of equal loads on a NORMAL and a HIGH stream, HIGH does {shares[0]:.0f} % if the register has no effect "
            f"and {shares[1]:.0f} % if it decides who gets free CUs"
        )


@claim(
    "B21",
    NOTE_2,
    128,
    "HIGH gets more time and its slot first.",
    overturned_by="equal shares of HIGH and LOW streams under load",
    decided_by="""python3 - <<'EOF'  # PyTorch: equal work on a NORMAL and a HIGH stream; which ends first, by how much
import torch
matrix = torch.randn(4096, 4096, device="cuda")
streams = {priority: torch.cuda.Stream(priority=priority) for priority in (0, -1)}
begin = torch.cuda.Event(enable_timing=True)
ends = {priority: torch.cuda.Event(enable_timing=True) for priority in streams}
begin.record()
for _ in range(500):
    for stream in streams.values():
        with torch.cuda.stream(stream):
            matrix @ matrix
for priority, stream in streams.items():
    ends[priority].record(stream)
torch.cuda.synchronize()
print({priority: begin.elapsed_time(end) for priority, end in ends.items()})
EOF""",
)
def more_time(lab: Lab) -> Iterator[Reason]:
    """The registers of both."""
    run = lab.run((int(HIGH), int(LOW)))
    quanta = sorted({queue.register("cp_hqd_quantum") or 0 for queue in run.queues})
    mapped = sum(bool(queue.slots) for queue in run.queues)
    yield STACK.note(f"quantum of HIGH and LOW queues: {', '.join(f'{quantum:#x}' for quantum in quanta)}")
    yield STACK.note(f"{mapped} of {len(run.queues)} queues hold a slot: nobody waits for one up to 24 queues")


@claim(
    "B22",
    NOTE_2,
    137,
    "ROCr hard-codes NORMAL, so the priority is lost.",
    STACK,
    overturned_by="an MQD of a HIGH stream that reads 7, pipe 1",
)
def lost(lab: Lab) -> Iterator[Reason]:
    """HIGH and NORMAL streams, in the MQD."""
    same = registers(queue_of(lab, HIGH)) == registers(queue_of(lab, NORMAL))
    updates = len(lab.run((int(HIGH),)).ioctls(Kind.QUEUE_UPDATE))
    yield STACK.judge(same, f"{reads(lab, HIGH)}; {reads(lab, NORMAL)}; UPDATE_QUEUE after the constructor: {updates}")


@claim(
    "B23",
    NOTE_2,
    165,
    "A HIGH and a LOW stream are seen as queues 1001 and 1002, both 7 with pipe 1, doorbells 0x1000 and 0x1008.",
    STACK,
    overturned_by="that output, with the driver and ROCr that print it",
)
def seen_equal(lab: Lab) -> Iterator[Reason]:
    """What the two streams of the test give."""
    run = lab.run((int(HIGH), int(LOW)))
    own = [queue for queue in run.of(run.pids[0]) if queue.name.startswith("HIP")]
    got = [(queue.queue.qid, *registers(queue), queue.doorbell_index) for queue in own]
    yield STACK.judge(
        got == [(1001, 7, 1, 0x1000), (1002, 7, 1, 0x1008)],
        "the stack gives " + " and ".join(f"queue {qid}: {q}, pipe {p}, doorbell {bell:#x}" for qid, q, p, bell in got),
        Source(NOTE_2, 165),
    )


@claim(
    "B24",
    NOTE_2,
    147,
    "The fix is to pass the priority to the queue's constructor.",
    STACK,
    overturned_by="an MQD of a HIGH stream that reads 7, pipe 1",
)
def fix_needed(lab: Lab) -> Iterator[Reason]:
    """Is there anything to fix, and what would the change save?"""
    lost_now = registers(queue_of(lab, HIGH)) == registers(queue_of(lab, NORMAL))
    yield STACK.judge(lost_now, f"nothing is lost without it: {reads(lab, HIGH)}" if not lost_now else reads(lab, HIGH))
    spare = lab.run((int(HIGH),)).hiq_dwords - lab.run((int(NORMAL),)).hiq_dwords
    yield STACK.note(f"it would save {spare} HIQ dwords, one runlist, for each queue that is not NORMAL")


@claim(
    "B25",
    NOTE_2,
    170,
    "After the fix HIGH reads 11 with pipe 2, LOW 1 with pipe 0.",
    STACK,
    overturned_by=MIXED_MQDS,
)
def after_fix(lab: Lab) -> Iterator[Reason]:
    """The pairs, as they are without a fix."""
    yield STACK.judge(registers(queue_of(lab, HIGH)) == (11, 2), reads(lab, HIGH))
    yield STACK.judge(registers(queue_of(lab, LOW)) == (1, 0), reads(lab, LOW))


@claim(
    "B29",
    NOTE_2,
    54,
    "Priority goes down in five layers: application, HIP, HSA, KFD, MQD.",
    STACK,
    overturned_by="a trace of a HIGH stream without UPDATE_QUEUE whose MQD reads 11",
)
def five_layers(lab: Lab) -> Iterator[Reason]:
    """The layers that a HIGH stream passes, and the step between HSA and KFD that the note leaves out."""
    run = lab.run((int(HIGH),))
    layers = _layers(run)
    yield STACK.judge(layers == ["hip", "rocr", "thunk"], f"{', '.join(layers)}, then KFD and the MQD, in this order")
    created = [event.attrs["priority"] for event in run.ioctls(Kind.QUEUE_CREATE)][-1]
    updated = [event.attrs["priority"] for event in run.ioctls(Kind.QUEUE_UPDATE)]
    yield STACK.judge(
        not updated,
        f"CREATE_QUEUE carries {created}; the priority comes by UPDATE_QUEUE {', '.join(map(str, updated))}"
        if updated
        else f"CREATE_QUEUE carries {created}, and nothing follows",
    )


def _layers(run: Run) -> list[str]:
    (program,) = run.programs
    return list(dict.fromkeys(event.source.file for event in program.journal.events))
