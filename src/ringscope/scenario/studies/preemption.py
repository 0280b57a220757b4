"""Taking queues off: what suspending one costs its neighbours, what quanta do, and how sixteen threads share a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ringscope.engine.policies import Priority
from ringscope.engine.spec import Change, Control, Spec
from ringscope.records import replace
from ringscope.scenario.schema import DeviceChoice, Does, Kernel, KernelTime, ProcessKind, Step
from ringscope.scenario.studies.study import MS, Cell, Chart, Desk, Findings, Study, Table, spliced

if TYPE_CHECKING:
    from ringscope.scenario.build import Built

SHORT = Kernel("short", 80, KernelTime((50_000,)))
LONG = Kernel("long", 3200, KernelTime((2 * MS,)), vgprs=128)
LAUNCHES = 30
TASK = Kernel("matmul", 1600, KernelTime((15_850_000,)), vgprs=128)
"""One launch of workload W of the XSched tests: 2048 x 2048, 475.41 ms for 30 alone. Its workgroups run in rounds; how
many is not published."""
THREADS = 16
NATIVE_MS, ONE_HIGH_MS, THREE_HIGH_MS = 8154.27, 730.45, 1006.72
"""Median task times of 16 threads without XSched, and of the high ones among them under XSched Lv1 (public logs)."""
SUSPENDS = 50
QUEUE_QUANTA = (MS // 4, MS, 4 * MS)
PROCESS_QUANTA = (2 * MS, 5 * MS, 10 * MS, 20 * MS)
HORIZON = 400 * MS
Rows = tuple[tuple[Cell, ...], ...]


def run(desk: Desk) -> Findings:
    """Suspends beside a bystander, both quanta, and the shapes of 16 threads."""
    suspends, grown = _suspends(desk)
    queue_rows, by_queue = _queue_quanta(desk)
    process_rows, by_process = _process_quanta(desk)
    shape_rows, high = _shapes(desk)
    return Findings(
        conclusion=tuple(_conclusion(desk, grown, by_queue, by_process, high)),
        tables=(
            Table(
                f"A neighbour is suspended and resumed {SUSPENDS * 1000 * MS // HORIZON} times a second",
                ("scheduler", "p50 us", "with suspends", "p99 us", "with suspends"),
                suspends,
            ),
            Table(
                "Short kernels and long ones on one pipe", ("queue quantum ms", "short p50 us", "p99 us"), queue_rows
            ),
            Table("Nine processes of four queues", ("process quantum ms", "p50 us", "p99 us"), process_rows),
            Table(
                f"Tasks of {LAUNCHES} launches, {THREADS} threads in one process",
                ("shape", "priority does", "high p50 ms", "low p50 ms"),
                shape_rows,
            ),
        ),
        charts=(
            Chart("p99 by process quantum", "us", tuple((f"{q / MS:g} ms", t / 1000) for q, t in by_process.items())),
        ),
    )


def _kind(name: str, streams: int = 1, *, times: int = 4, count: int = 1) -> ProcessKind:
    return ProcessKind(name, (Step(Does.KERNEL, name, times),), count=count, streams=(0,) * streams, hw_queues=8)


def _suspends(desk: Desk) -> tuple[Rows, dict[str, float]]:
    """Latency of the first process while the second one's queue comes and goes, by scheduler."""
    rows: list[tuple[Cell, ...]] = []
    grown: dict[str, float] = {}
    period = HORIZON // (SUSPENDS + 1)
    for scheduler in ("cpsch", "nocpsch"):
        device = DeviceChoice(scheduler=scheduler)
        built = desk.build([SHORT], _kind("short", count=2), device=device, horizon_ns=HORIZON)
        queue = built.spec.threads[1].packets[0].queue
        controls = tuple(
            Control(n * period + wait, change, queue)
            for n in range(1, SUSPENDS + 1)
            for wait, change in ((0, Change.EVICT), (period // 2, Change.RESTORE))
        )

        def suspend(spec: Spec, controls: tuple[Control, ...] = controls) -> Spec:
            return replace(spec, controls=controls)

        still, moving = desk.latencies(built), desk.latencies(built, suspend)
        times = [run.quantile(0, q) for q in (0.5, 0.99) for run in (still, moving)]
        grown[scheduler.upper()] = times[3] / times[2]
        rows.append((scheduler.upper(), *(round(time / 1000, 1) for time in times)))
    return tuple(rows), grown


def _queue_quanta(desk: Desk) -> tuple[Rows, dict[int, float]]:
    """Median of a short stream that shares its pipe with a long one, by cp_hqd_quantum."""
    rows: list[tuple[Cell, ...]] = []
    medians: dict[int, float] = {}
    for quantum in QUEUE_QUANTA:

        def build(name: str, quantum: int = quantum) -> Built:
            costs = {"queue_quantum_ns": quantum}
            return desk.build([SHORT, LONG], _kind(name, 5), horizon_ns=HORIZON, costs=costs)

        # Four places apart in the runlist is the same pipe.
        got = desk.latencies(spliced([build("long"), None, None, None, build("short")]))
        medians[quantum] = got.quantile(1, 0.5)
        rows.append((quantum / MS, round(medians[quantum] / 1000, 1), round(got.quantile(1, 0.99) / 1000, 1)))
    return tuple(rows), medians


def _process_quanta(desk: Desk) -> tuple[Rows, dict[int, float]]:
    """p99 of over-subscribed processes, by the time until the next share of the runlist is mapped."""
    rows: list[tuple[Cell, ...]] = []
    tails: dict[int, float] = {}
    for quantum in PROCESS_QUANTA:
        costs = {"process_quantum_ns": quantum}
        built = desk.build([SHORT], _kind("short", 3, count=9), horizon_ns=HORIZON, costs=costs)
        got = desk.latencies(built)
        busy = [thread for thread, times in enumerate(got.threads) if times]
        tails[quantum] = max(got.quantile(thread, 0.99) for thread in busy)
        p50 = max(got.quantile(thread, 0.5) for thread in busy)
        rows.append((quantum / MS, round(p50 / 1000, 1), round(tails[quantum] / 1000, 1)))
    return tuple(rows), tails


def task_times(desk: Desk, high: int, reading: Priority, threads: int = THREADS) -> tuple[float | None, float]:
    """Median task of the high and of the low threads in ms; the workload of the XSched tests, without XSched."""
    streams = (-1,) * high + (0,) * (threads - high)
    kind = ProcessKind("W", (Step(Does.KERNEL, "matmul", LAUNCHES),), streams=streams)
    horizon = threads * 2000 * MS
    built = desk.build([TASK], kind, horizon_ns=horizon, warmup_ns=0, priority=reading)
    got = desk.latencies(built)

    def median(which: range) -> float:
        tasks = sorted(time for thread in which for time in got.threads[thread])
        return tasks[len(tasks) // 2] / MS if tasks else float("nan")

    return median(range(high)) if high else None, median(range(high, threads))


def _shapes(desk: Desk) -> tuple[Rows, dict[tuple[int, Priority], float]]:
    rows: list[tuple[Cell, ...]] = []
    medians: dict[tuple[int, Priority], float] = {}
    for high in (0, 1, 3):
        for reading in Priority if high else (desk.policies.priority,):
            fast, slow = task_times(desk, high, reading)
            medians[high, reading] = slow if fast is None else fast
            shape = f"{high} high + {THREADS - high} low" if high else f"{THREADS} alike"
            rows.append((shape, reading.name.lower(), fast if fast is None else round(fast), round(slow)))
    return tuple(rows), medians


def _conclusion(
    desk: Desk,
    grown: dict[str, float],
    by_queue: dict[int, float],
    by_process: dict[int, float],
    high: dict[tuple[int, Priority], float],
) -> Iterator[str]:
    for scheduler, ratio in grown.items():
        yield (
            f"{scheduler}: suspending one process "
            + (f"multiplies its neighbour's p99 by {ratio:.2f}" if ratio > 1.02 else "leaves its neighbour alone")
        )
    for name, curve in (("queue quantum (median)", by_queue), ("process quantum (p99)", by_process)):
        short, long = min(curve), max(curve)
        ratio = curve[long] / curve[short]
        best = min(curve, key=lambda quantum: curve[quantum])
        yield (
            f"{name}: from {short / MS:g} to {long / MS:g} ms the wait grows {ratio:.3g} times; "
            f"best is {best / MS:g} ms"
            if abs(ratio - 1) > 0.05
            else f"{name}: makes no difference from {short / MS:g} to {long / MS:g} ms"
        )
    ours = desk.policies.priority
    native = high[0, ours]
    yield f"{THREADS} alike threads: {native:.0f} ms a task, measured {NATIVE_MS:.0f} ({native / NATIVE_MS - 1:+.0%})"
    for number, said in ((1, ONE_HIGH_MS), (3, THREE_HIGH_MS)):
        best = min(Priority, key=lambda reading: high[number, reading])
        yield (
            f"{number} high of {THREADS}: hardware priority gives {high[number, best]:.0f} ms at best "
            f"({best.name.lower()}), XSched Lv1, which holds launches back, was measured at {said:.0f} ms"
        )


STUDY = Study(
    "preemption",
    "What do suspending, quanta and priorities do to whoever has to wait?",
    ("E29", "E30", "E32", "E35"),
    (
        "what a save and a restore take is inferred; nobody has published CWSR times of any Instinct part",
        "XSched holds launches back in the process itself: its scheduler is not modelled, only what hardware could do",
    ),
    run,
)
