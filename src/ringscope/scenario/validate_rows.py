"""Published measurements that the model is held against, each with the scenario that should give it.

Ids are those of the collected measurements (M4, R7 …) and of the XSched logs (X…). What a program's kernels need is
published for none of them; where the outcome hangs on it the row says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial

from ringscope.engine.costs import costs_for
from ringscope.engine.policies import Priority
from ringscope.engine.spec import HostThread, Op, Packet, Spec
from ringscope.records import fields, replace
from ringscope.scenario.schema import DeviceChoice, Does, Kernel, KernelTime, ProcessKind, Step
from ringscope.scenario.studies import preemption, queue_reuse
from ringscope.scenario.studies.study import MS, Desk
from ringscope.scenario.validate import Row, Sense

MI50 = DeviceChoice(gpu="mi50")
XSCHED = "XpuOS/xsched-artifacts, MI50"
HIPFIRE = "warpfront/hipfire artefacts"
HRX = "zacharydenton/hrx-rs queue-pool"
CHAIN = "rocm-systems#10834, W7900"
REEF = "SJTU-IPADS/reef kernel profiles, MI50"
NODES = 512
LOGS = "XSched logs"
PUBLIC_LOGS = "public XSched logs, MI308X"
NO_CONTENTION = "the engine shares CUs by room alone: workgroups on one CU do not slow each other"
DISAGREE = "published chains of one part disagree: 2.83, 3.15 and 3.87 us a dispatch on gfx1100"
GPUS = {"gfx1201": "navi48", "gfx1100": "navi31", "gfx1151": "navi33", "gfx1030": "navi21", "gfx90a": "mi210"}
"""A part of each family; the shader engines of gfx1151 are unknown, so another RDNA3 part carries its costs."""


def _kind(name: str, times: int, *, streams: int = 1, queues: int = 4, barrier: bool = True) -> ProcessKind:
    step = (Step(Does.KERNEL, name, times),)
    return ProcessKind(name, step, streams=(0,) * streams, hw_queues=queues, barrier=barrier)


# ---- Two processes on an MI50 ------------------------------------------------------------------------------------
BLACK_SCHOLES = Kernel("black-scholes", 3907, KernelTime((140_000,)), waves=8, vgprs=40)
FLUX = Kernel("flux", 1042, KernelTime((124_000,)), waves=3, vgprs=48)
LIGHT = Kernel("step", 1042, KernelTime((29_000,)), waves=3, vgprs=48)
EULER = tuple(Step(Does.KERNEL, name) for name in ("step", "step", "flux", "step", "flux", "step", "flux", "step"))


def _mi50(desk: Desk, *kinds: ProcessKind) -> list[float]:
    kernels = [BLACK_SCHOLES, FLUX, LIGHT]
    built = desk.build(kernels, *kinds, device=MI50, horizon_ns=100 * MS, warmup_ns=0, costs={"wake_ns": 0})
    got = desk.latencies(built)
    return [got.mean(thread) for thread in range(len(got.threads))]


def _slowdown(which: int, desk: Desk) -> float:
    kinds = _kind("black-scholes", 64), ProcessKind("euler3d", EULER)
    return _mi50(desk, *kinds)[which] / _mi50(desk, kinds[which])[0]


def _two_alike(desk: Desk) -> float:
    """Rate of two closed loops of one model over the rate of one."""
    kernel = Kernel("layer", 300, KernelTime((60_000,)), vgprs=48)

    def rate(count: int) -> float:
        kind = replace(_kind("layer", 20), count=count)
        built = desk.build([kernel], kind, device=MI50, horizon_ns=150 * MS)
        return desk.rates(built, 20).total

    return rate(2) / rate(1)


def _costs(gfx: str, desk: Desk) -> dict[str, int]:
    """The table's costs of a family of parts, under those of the desk."""
    table = costs_for(gfx)
    return {one.name: getattr(table, one.name) for one in fields(table)} | dict(desk.costs)


# ---- The cost of a dispatch --------------------------------------------------------------------------------------
def _dispatch_us(
    gfx: str, body_ns: int, count: int, desk: Desk, *, each: bool = False, barrier: bool = True, blocks: int = 1
) -> float:
    """Microseconds a dispatch in a chain of ``count``, waited for at its end or after ``each``.

    A kernel of ``body_ns`` is one round of workgroups; the launch of its workgroups comes on top.
    """
    kernel = Kernel("k", blocks, KernelTime((max(1, body_ns),), per_workgroup=True), waves=1)
    built = desk.build(
        [kernel],
        replace(_kind("k", 1 if each else count, barrier=barrier), limit=count if each else 1),
        device=DeviceChoice(gpu=GPUS[gfx]),
        horizon_ns=2000 * MS,
        warmup_ns=0,
        costs=_costs(gfx, desk),
    )
    got = desk.latencies(built)
    return sum(got.threads[0]) / count / 1000


# ---- Many queues -------------------------------------------------------------------------------------------------
FRONT = 0.303
"""Share of a dependent dispatch's cost that the pipes spend one after another: 1 / 3.299, fitted to 16 streams on 8
queues (M36/8). What they share is not known; it is not the memory, for 2 million copies of 4 KiB a second are a tenth
of what bulk copies reach. In the engine it stands where workgroups start one after another.
"""


def _front(gfx: str, desk: Desk) -> dict[str, int]:
    """The costs of a family of parts, with the shared part of a packet's taken out of what each pipe spends alone."""
    costs = _costs(gfx, desk)
    shared = round(FRONT * (costs["packet_ns"] + costs["barrier_ns"]))
    return costs | {"packet_ns": costs["packet_ns"] - shared, "launch_ps": costs["launch_ps"] + 1000 * shared}


@cache
def _commands(gfx: str, streams: int, queues: int, count: int, key: _Key) -> float:
    """Commands a second of ``streams`` streams on so many queues; a copy of 4 KiB takes no time beside its packet."""
    kernel = Kernel("k", 1, KernelTime((1,), per_workgroup=True), waves=1)
    kind = _kind("k", count, streams=streams, queues=queues)
    desk = key.desk
    device, costs = DeviceChoice(gpu=GPUS[gfx]), _front(gfx, desk)
    built = desk.build([kernel], kind, device=device, horizon_ns=60 * MS, warmup_ns=10 * MS, costs=costs)
    return desk.rates(built, count).total * count


class _Key:
    """A desk as a key: desks hold mappings and have no hash."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def _all(self) -> tuple[object, ...]:
        return self.desk.policies, tuple(sorted(self.desk.costs.items())), self.desk.seed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())


def _more_queues(queues: int, desk: Desk) -> float:
    key = _Key(desk)
    return _commands("gfx1151", 16, queues, 16, key) / _commands("gfx1151", 16, 1, 16, key)


def _independent_us(queues: int, desk: Desk) -> float:
    """Microseconds a node of a graph of 512 that depend on nothing, dealt to the queues in turn and waited for."""
    kernel = Kernel("k", 1, KernelTime((1,), per_workgroup=True), waves=1)
    kind = _kind("k", 1, streams=queues, queues=queues, barrier=False)
    costs = _front("gfx1100", desk)
    built = desk.build([kernel], kind, device=DeviceChoice(gpu=GPUS["gfx1100"]), horizon_ns=60 * MS, costs=costs)

    def graph(spec: Spec) -> Spec:
        nodes = tuple(spec.threads[node % queues].packets[0] for node in range(NODES))
        return replace(spec, threads=(HostThread(0, (*nodes, Packet(Op.SYNC))),), sources=spec.sources[:1])

    return desk.latencies(built, graph).mean(0) / NODES / 1000


def _false_dependency(desk: Desk) -> float:
    """How much slower a short stream is on a ring that it shares, than on one of its own."""
    return queue_reuse.short_stream_ns(desk, 1, beside=True) / queue_reuse.short_stream_ns(desk, 2, beside=True)


def _all_consumed_s(desk: Desk) -> float:
    """Seconds until 65 queues have run 100 packets each."""
    kernel = Kernel("k", 1, KernelTime((1000,), per_workgroup=True), waves=1)
    kind = replace(_kind("k", 100, streams=64, queues=64), limit=1)
    built = desk.build([kernel], kind, horizon_ns=2000 * MS, warmup_ns=0)
    got = desk.latencies(built)
    done = [times[-1] for times in got.threads if times]
    return max(done) / 1e9 if len(done) == len(got.threads) else float("inf")


# ---- Compute units -----------------------------------------------------------------------------------------------
def _crowded(more: int, desk: Desk) -> float:
    """Time of a kernel with ``more`` workgroups on every CU over that of one with one."""

    def time(each: int) -> float:
        kernel = Kernel("k", 60 * each, KernelTime((26_000,), per_workgroup=True), waves=1)
        return desk.latencies(desk.build([kernel], _kind("k", 8), device=MI50)).mean(0)

    return time(more) / time(1)


def _mask_step(desk: Desk) -> float:
    """Rate on 17 CUs of every XCC over that on 16: the seventeenth belongs to one of four shader engines."""
    kernel = Kernel("k", 3200, KernelTime((100_000,), per_workgroup=True), vgprs=128)

    def rate(cus: int) -> float:
        kind = replace(_kind("k", 4), cu_mask=(1 << cus * 4) - 1)
        return desk.rates(desk.build([kernel], kind, horizon_ns=200 * MS), 4).total

    return rate(17) / rate(16)


def _task_ms(threads: int, desk: Desk) -> float:
    return preemption.task_times(desk, 0, Priority.NONE, threads)[1]


CONTENTION: Mapping[str, tuple[int, float]] = {
    "dense_add": (32, 64 / 26),
    "conv2d_6": (16, 80 / 30),
    "conv2d_7": (16, 30 / 18),
    "winograd": (16, 22 / 14),
    "avg_pool": (32, 30 / 22),
}
SCALING = {2: 1.043 / 0.586, 4: 1.646 / 0.586, 8: 1.933 / 0.586, 16: 1.972 / 0.586}
FITTED_QUEUES = 8
FREE_SLOT = "the dispatch policy was chosen because it gives this"
COSTS = "packet and barrier costs"

ROWS: tuple[Row, ...] = (
    Row("M4", "two ResNet-152 processes, total over one", 1.065, "x", XSCHED, _two_alike),
    Row(
        "M9",
        "Black-Scholes alone, a kernel",
        141,
        "us",
        XSCHED,
        lambda d: _mi50(d, _kind("black-scholes", 64))[0] / 64e3,
        fitted="the kernel's length",
    ),
    Row(
        "M10",
        "euler3d alone, an iteration",
        520.5,
        "us",
        XSCHED,
        lambda d: _mi50(d, ProcessKind("e", EULER))[0] / 1e3,
        fitted="the kernels' lengths",
    ),
    Row("M11a", "Black-Scholes beside euler3d", 4.67, "x", XSCHED, partial(_slowdown, 0), fitted=FREE_SLOT),
    Row("M11b", "euler3d beside Black-Scholes", 1.27, "x", XSCHED, partial(_slowdown, 1), fitted=FREE_SLOT),
    Row(
        "M20a",
        "dependent dispatch of 5 us, gfx90a",
        5.758,
        "us",
        "RCCL timing probe",
        partial(_dispatch_us, "gfx90a", 5000, 2000),
        fitted=COSTS,
    ),
    Row(
        "M20b",
        "dependent dispatch of 50 us, gfx90a",
        50.719,
        "us",
        "RCCL timing probe",
        partial(_dispatch_us, "gfx90a", 50_000, 2000),
        fitted=COSTS,
    ),
    Row("M23a", "one work-item, chain of 512, gfx1201", 2.530, "us", HIPFIRE, partial(_dispatch_us, "gfx1201", 1, 512)),
    Row("M23b", "one work-item, chain of 512, gfx1100", 3.152, "us", HIPFIRE, partial(_dispatch_us, "gfx1100", 1, 512)),
    Row("M23c", "one work-item, chain of 512, gfx1151", 1.839, "us", HIPFIRE, partial(_dispatch_us, "gfx1151", 1, 512)),
    Row(
        "M24a",
        "one work-item, waited for each, gfx1201",
        18.5,
        "us",
        HIPFIRE,
        partial(_dispatch_us, "gfx1201", 1, 512, each=True),
        fitted="wake-up cost",
    ),
    Row(
        "M24b",
        "one work-item, waited for each, gfx1100",
        19.4,
        "us",
        HIPFIRE,
        partial(_dispatch_us, "gfx1100", 1, 512, each=True),
    ),
    Row(
        "M24c",
        "one work-item, waited for each, gfx1151",
        7.0,
        "us",
        HIPFIRE,
        partial(_dispatch_us, "gfx1151", 1, 512, each=True),
        fitted="wake-up cost",
    ),
    Row("M25a", "graph replay, gfx1201", 2.149, "us", HIPFIRE, partial(_dispatch_us, "gfx1201", 1, 512)),
    Row("M25b", "graph replay, gfx1100", 2.826, "us", HIPFIRE, partial(_dispatch_us, "gfx1100", 1, 512), fitted=COSTS),
    Row("M25c", "graph replay, gfx1151", 1.747, "us", HIPFIRE, partial(_dispatch_us, "gfx1151", 1, 512), fitted=COSTS),
    Row("M25d", "graph replay, gfx1030", 4.46, "us", HIPFIRE, partial(_dispatch_us, "gfx1030", 1, 512), fitted=COSTS),
    Row(
        "M26a",
        "ring written directly, system fence each, gfx1201",
        2.333,
        "us",
        HIPFIRE,
        partial(_dispatch_us, "gfx1201", 1, 512),
        fitted=COSTS,
    ),
    Row(
        "M26b",
        "ring written directly, agent fence each, gfx1201",
        2.095,
        "us",
        HIPFIRE,
        None,
        why="fence scopes are not modelled",
    ),
    Row(
        "M26c",
        "ring written directly, a fence at the boundary only, gfx1201",
        1.288,
        "us",
        HIPFIRE,
        None,
        why="fence scopes are not modelled",
    ),
    Row(
        "M26d",
        "ring written directly, independent, gfx1201",
        1.057,
        "us",
        HIPFIRE,
        partial(_dispatch_us, "gfx1201", 1, 512, barrier=False),
        fitted=COSTS,
    ),
    Row(
        "M28a",
        "chain of 941, 1 block, gfx1100",
        3.865,
        "us",
        CHAIN,
        partial(_dispatch_us, "gfx1100", 1, 941),
        why=DISAGREE,
    ),
    Row(
        "M28b",
        "chain of 941, 128 blocks",
        3.845,
        "us",
        CHAIN,
        partial(_dispatch_us, "gfx1100", 1, 941, blocks=128),
        why=DISAGREE,
    ),
    Row(
        "M28c",
        "chain of 941, 8192 blocks",
        9.962,
        "us",
        CHAIN,
        partial(_dispatch_us, "gfx1100", 1, 941, blocks=8192),
        fitted="launch cost",
    ),
    Row(
        "M29",
        "a workgroup more, from M28",
        0.76,
        "ns",
        CHAIN,
        lambda d: (
            (_dispatch_us("gfx1100", 1, 941, d, blocks=8192) - _dispatch_us("gfx1100", 1, 941, d, blocks=128))
            * 1000
            / (8192 - 128)
        ),
        fitted="launch cost",
    ),
    *(
        Row(
            f"M36/{queues}",
            f"16 streams on {queues} queues over one, gfx1151",
            ratio,
            "x",
            HRX,
            partial(_more_queues, queues),
            fitted="what the pipes spend one after another" if queues == FITTED_QUEUES else "",
        )
        for queues, ratio in SCALING.items()
    ),
    *(
        Row(
            f"M38/{queues}",
            f"independent graph nodes, {queues} queues, gfx1100",
            measured,
            "us",
            HIPFIRE,
            partial(_independent_us, queues),
            why="what more queues than pipes cost here is not known: a pipe's turning to another queue and more queues "
            "than slots were tried, and neither gives it",
        )
        for queues, measured in ((4, 1.03), (8, 6.8), (16, 6.9))
    ),
    Row(
        "M45",
        "side stream on a shared ring, over a ring of its own",
        2.0,
        "x",
        "ROCm/ATOM#2039, MI355X",
        _false_dependency,
        sense=Sense.AT_LEAST,
    ),
    *(
        Row(
            f"M17/{name}",
            f"{name}, {each} workgroups a CU over one",
            ratio,
            "x",
            REEF,
            partial(_crowded, each),
            why=NO_CONTENTION,
        )
        for name, (each, ratio) in CONTENTION.items()
    ),
    Row(
        "R7",
        "one CU more on one of four shader engines",
        1.0,
        "x",
        "rocm-systems#9738",
        _mask_step,
        fitted="the placement policy",
    ),
    Row(
        "R33",
        "65 queues of 100 packets, until all are consumed",
        5.0,
        "s",
        "kfdtest OverSubscribeCpQueues",
        _all_consumed_s,
        sense=Sense.AT_MOST,
    ),
    Row(
        "X1",
        "30 launches of a matrix product, 1 thread",
        475.41,
        "ms",
        PUBLIC_LOGS,
        partial(_task_ms, 1),
        fitted="the kernel's length",
        within=0.1,
        family=LOGS,
    ),
    Row(
        "X16",
        "30 launches of a matrix product, 16 threads",
        8154.27,
        "ms",
        PUBLIC_LOGS,
        partial(_task_ms, 16),
        within=0.1,
        family=LOGS,
    ),
    Row(
        "X1+15",
        "one high thread of 16 under XSched Lv1",
        730.45,
        "ms",
        PUBLIC_LOGS,
        None,
        why="XSched's own scheduler is not modelled",
        family=LOGS,
    ),
    Row(
        "X3+13",
        "three high threads of 16 under XSched Lv1",
        1006.72,
        "ms",
        PUBLIC_LOGS,
        None,
        why="XSched's own scheduler is not modelled",
        family=LOGS,
    ),
)
"""All rows but those of the over-subscription runs."""
