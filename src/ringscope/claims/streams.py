"""Claims about streams, queues and rings: which stream has which, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.claims.claim import claim
from ringscope.claims.figures import COMPANION, NOTE_1, NOTE_2, V5_PIDS
from ringscope.claims.lab import Lab
from ringscope.claims.queue_ids import V4, two
from ringscope.claims.reason import Method, Reason
from ringscope.claims.runs import NORMAL
from ringscope.join.queues import JoinedQueue, ring_base_of
from ringscope.recording import Kind
from ringscope.stack.hip import StreamPriority
from ringscope.stack.rocr import HsaPriority

STACK, CAPTURE = Method.STACK, Method.CAPTURE
MOST_MEMORY = 1 << 46
"""64 TiB, more memory than any machine with these parts has."""


def rings(queues: tuple[JoinedQueue, ...] | list[JoinedQueue]) -> set[tuple[int, int]]:
    """Rings of queues; an address means something within its process only."""
    return {(queue.pid, queue.ring_base or 0) for queue in queues}


@claim(
    "A30",
    NOTE_1,
    224,
    "Queues of different processes map to one ring, whose work queue serialises them (10 to 15 QPS).",
    STACK,
    CAPTURE,
    overturned_by="two compute queues whose MQDs hold one ring",
)
def one_ring(lab: Lab) -> Iterator[Reason]:
    """Rings of two processes; then who writes to the kernel's own ring at a launch."""
    run = two(lab, V4)
    yield STACK.judge(
        len(rings(run.queues)) < len(run.queues),
        f"{len(run.queues)} queues of two processes: {len(rings(run.queues))} rings",
    )
    for captured in lab.captures.runs:
        queues = captured.state.queues
        yield CAPTURE.judge(
            len(rings(queues)) < len(queues), f"{captured.name}: {len(queues)} queues, {len(rings(queues))} rings"
        )
    moved = lab.life.moved[1]
    yield STACK.judge(moved > 0, f"{lab.life.kernels} kernels put {moved} dwords into the kernel's ring")


@claim(
    "A42",
    NOTE_1,
    275,
    "Mapping queues to other rings would give 10 to 15 QPS.",
    STACK,
    overturned_by="a compute dispatch that passes through a ring of the kernel",
)
def remap(lab: Lab) -> Iterator[Reason]:
    """The change can only separate rings that queues share."""
    run = two(lab, V4)
    shared = len(run.queues) - len(rings(run.queues))
    yield STACK.judge(shared > 0, f"{shared} of {len(run.queues)} queues of two processes share a ring as it is")


@claim(
    "A50",
    COMPANION,
    0,
    "HIP uses four queues a process by default.",
    STACK,
    CAPTURE,
    overturned_by="a process with 16 default streams and another number of queues than 4 + 1",
)
def four_queues(lab: Lab) -> Iterator[Reason]:
    """Queues of processes with many streams, one stream, and all priorities."""
    own = [queue for queue in lab.processes(1).queues if queue.name.startswith("HIP")]
    yield STACK.judge(len(own) == 4, f"16 streams of one priority make {len(own)} HIP queues")
    for view in lab.views():
        yield view.judge(len(view.queues) == 4, f"the process holds {len(view.queues)}: ROCr adds one of its own")
    counts = [len(lab.run(streams).queues) for streams in ((0,), (-1, 0, 1) * 8)]
    yield STACK.judge(
        counts == [4, 4], f"with one stream it holds {counts[0]}, with many of all three priorities {counts[1]}"
    )


@claim(
    "B01",
    NOTE_2,
    12,
    "Streams of different priority use different rings.",
    STACK,
    overturned_by="an AMD_LOG_LEVEL=3 log with one HWq for streams of two priorities",
)
def apart_by_priority(lab: Lab) -> Iterator[Reason]:
    """Twelve streams of each priority: does a ring serve two?"""
    run = lab.run((-1, 0, 1) * 12)
    pools: dict[int, set[int]] = {}
    for _, stream in run.created:
        pools.setdefault(stream.priority, set()).add(stream.queue.hsa.ring_base)
    total = sum(map(len, pools.values()))
    distinct = len(set().union(*pools.values()))
    yield STACK.judge(
        len(pools) == 3 and distinct == total,
        f"36 streams of three priorities use {distinct} rings; {total - distinct} of them serve two priorities",
    )


@claim(
    "B03",
    NOTE_2,
    123,
    "Every stream has a queue of its own.",
    STACK,
    CAPTURE,
    overturned_by="16 streams with 16 HWq under GPU_MAX_HW_QUEUES=4",
)
def one_each(lab: Lab) -> Iterator[Reason]:
    """Streams beside queues."""
    run = lab.processes(1)
    queues = {stream.queue.hsa.ring_base for _, stream in run.created}
    yield STACK.judge(len(queues) == len(NORMAL), f"{len(NORMAL)} streams share {len(queues)} queues")
    for log in lab.captures.logs:
        made = list(log.of(Kind.STREAM_CREATE))
        bases = {event.attrs.get("ring_base") for event in made}
        if made:
            yield CAPTURE.judge(
                len(bases) == len(made), f"{log.origin}: {len(made)} streams on {len(bases)} queues", made[0].source
            )


@claim(
    "B04",
    NOTE_2,
    20,
    "hipStreamCreateWithPriority takes -1, 0 and 1 for HIGH, NORMAL and LOW.",
    STACK,
    overturned_by="a log that creates the queue of a -1 stream with another priority than 2",
)
def three_levels(lab: Lab) -> Iterator[Reason]:
    """The HSA priority that each makes."""
    run = lab.run((-1, 0, 1))
    made = [HsaPriority(stream.queue.pool).name if stream.queue.pool is not None else "-" for _, stream in run.created]
    asked = [int(stream.priority) for _, stream in run.created]
    yield STACK.judge(
        made == [StreamPriority(level).name for level in asked] == ["HIGH", "NORMAL", "LOW"],
        f"{', '.join(map(str, asked))} become HSA {', '.join(made)}",
    )


@claim(
    "B15",
    NOTE_2,
    32,
    "cp_hqd_pq_base holds the ring's address.",
    STACK,
    overturned_by="an MQD whose dwords 136 and 137 equal the address that CREATE_QUEUE was given",
)
def pq_base(lab: Lab) -> Iterator[Reason]:
    """The register beside the address that the runtime asked for."""
    run = lab.processes(1)
    asked = {event.attrs["qid"]: int(event.attrs["ring_base"]) for event in run.events(Kind.QUEUE_CREATE)}
    queue = run.queues[0]
    image, ring = queue.queue.mqds[0].image, asked[queue.queue.qid or 0]
    raw = image.get64("cp_hqd_pq_base_lo", "cp_hqd_pq_base_hi")
    yield STACK.judge(ring_base_of(image) == ring, f"shifted left by 8 it is the ring's address, {ring:#x}")
    yield STACK.judge(raw == ring, f"as it stands it reads {raw:#x}")


@claim(
    "B16",
    NOTE_2,
    190,
    "Rings have independent physical addresses.",
    STACK,
    CAPTURE,
    overturned_by="two processes whose rings never have equal addresses, on any machine",
)
def physical(lab: Lab) -> Iterator[Reason]:
    """An address that two processes use at once, or that no memory reaches, is not physical."""
    run = two(lab, V4)
    first, second = ({queue.ring_base for queue in run.of(pid)} for pid in V5_PIDS)
    vmids = sorted({queue.vmid or 0 for queue in run.queues})
    yield STACK.judge(
        not first & second,
        f"two processes have {len(first & second)} ring addresses in common, under VMIDs {', '.join(map(str, vmids))}",
    )
    for captured in lab.captures.runs:
        lowest = min(queue.ring_base or 0 for queue in captured.state.queues)
        yield CAPTURE.judge(
            lowest < MOST_MEMORY, f"{captured.name}: the lowest ring lies at {lowest:#x}, {lowest >> 40} TiB up"
        )


@claim(
    "B28",
    NOTE_2,
    197,
    "Streams of different priority are independent from head to tail.",
    STACK,
    overturned_by="two queues of one process with different VMIDs, or on pipes of their own for ever",
)
def head_to_tail(lab: Lab) -> Iterator[Reason]:
    """What queues of HIGH and LOW streams have apart, and in common."""
    run = lab.run((-1,) * 4 + (1,) * 4)
    own = [queue for queue in run.queues if queue.name.startswith("HIP")]
    high = [queue for queue in own if queue.queue_priority == max(q.queue_priority or 0 for q in own)]
    low = [queue for queue in own if queue not in high]
    yield STACK.judge(
        len(rings(own)) == len(own) and bool(high) and bool(low),
        f"{len(high)} + {len(low)} queues, a ring and MQD each",
    )
    pipes = [{slot.hqd.pipe for queue in group for slot in queue.slots} for group in (high, low)]
    vmids = {queue.vmid for queue in own}
    slices = {queue.doorbell_slice for queue in own}
    common = pipes[0] & pipes[1] if low else set()
    yield STACK.judge(
        not common and len(vmids) > 1,
        f"in common: VMID {', '.join(map(str, sorted(v or 0 for v in vmids)))}, {len(slices)} doorbell slice, pipes "
        f"{', '.join(map(str, sorted(common))) or 'none'}, and all CUs and caches",
    )
