"""The two firmware schedulers at the same ratio of queues to slots: what over-subscription costs on each."""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.engine.spec import Change, Control, Spec
from ringscope.scenario.schema import DeviceChoice, Does, Kernel, KernelTime, ProcessKind, Step
from ringscope.scenario.studies.study import MS, Cell, Chart, Desk, Findings, Study, Table

STREAMS = 3
"""With ROCr's own queue four a process: 24 slots take six processes, 8 take two."""
PARTS = {"CPSCH": ("mi308x", (3, 6, 9, 12)), "MES": ("navi31", (1, 2, 3, 4))}
CHANGES = 500
BUSY = {"all busy": 0, "mostly idle": 20 * MS}


def _kind(count: int, think_ns: int) -> ProcessKind:
    return ProcessKind(
        "service", (Step(Does.KERNEL, "short", 4),), count=count, streams=(0,) * STREAMS, interval_ns=think_ns
    )


def _p99(desk: Desk, gpu: str, count: int, think_ns: int, changes: int = 0) -> tuple[float, int, int, bool]:
    from ringscope.records import replace  # noqa: PLC0415

    horizon = 400 * MS
    built = desk.build(
        [Kernel("short", 20, KernelTime((50_000,)))],
        _kind(count, think_ns),
        device=DeviceChoice(gpu=gpu),
        horizon_ns=horizon,
        warmup_ns=40 * MS,
    )

    def churn(spec: Spec) -> Spec:
        times = (n * horizon // (changes + 1) for n in range(1, changes + 1))
        return replace(spec, controls=tuple(Control(at, Change.UPDATE, 0) for at in times))

    got = desk.latencies(built, churn)
    worst = max(got.quantile(thread, 0.99) for thread in range(len(got.threads)) if got.threads[thread])
    compute = sum(queue.is_compute for queue in built.queues)
    return worst, compute, len(built.slots), bool(built.limits)


def run(desk: Desk) -> Findings:
    """Both parts below, at and past their slots, busy and mostly idle; then queue changes on a part that fits."""
    rows: list[tuple[Cell, ...]] = []
    worse: dict[tuple[str, str], float] = {}
    for scheduler, (gpu, counts) in PARTS.items():
        for load, think in BUSY.items():
            first = None
            for count in counts:
                p99, queues, slots, over = _p99(desk, gpu, count, think)
                first = p99 if first is None else first
                worse[scheduler, load] = p99 / first
                rows.append(
                    (
                        scheduler,
                        load,
                        count,
                        queues,
                        f"{queues / slots:g}",
                        "yes" if over else "no",
                        round(p99 / 1000, 1),
                        round(p99 / first, 2),
                    )
                )
    changes: list[tuple[Cell, ...]] = []
    stalls: dict[str, float] = {}
    for scheduler, (gpu, counts) in PARTS.items():
        still, moving = (_p99(desk, gpu, counts[0], 0, n)[0] for n in (0, CHANGES))
        stalls[scheduler] = moving / still
        changes.append((scheduler, round(still / 1000, 1), round(moving / 1000, 1), round(stalls[scheduler], 2)))
    head = ("scheduler", "load", "processes", "queues", "queues / slots", "over", "p99 us", "times the first")
    return Findings(
        conclusion=tuple(_conclusion(worse, stalls)),
        tables=(
            Table("Requests of four kernels of 50 us", head, tuple(rows)),
            Table(
                f"{CHANGES * 1000 // 400} changes a second of one queue, everything fits",
                ("scheduler", "p99 us without", "with", "times"),
                tuple(changes),
            ),
        ),
        charts=(
            Chart(
                "p99 at twice the slots over p99 at half",
                "times",
                tuple((f"{scheduler}, {load}", ratio) for (scheduler, load), ratio in worse.items()),
            ),
        ),
    )


def _conclusion(worse: dict[tuple[str, str], float], stalls: dict[str, float]) -> Iterator[str]:
    for load in BUSY:
        cpsch, mes = worse["CPSCH", load], worse["MES", load]
        milder, ratio = ("MES", cpsch / mes) if mes < cpsch else ("CPSCH", mes / cpsch)
        yield (
            f"{load}: from half to twice the slots p99 grows {cpsch:.3g} times under CPSCH, {mes:.3g} under MES: "
            + (f"{milder} is {ratio:.2g} times milder" if ratio > 1.1 else "no difference")
        )
    dear = max(stalls, key=lambda name: stalls[name])
    yield (
        f"queue changes hurt bystanders most under {dear}: p99 grows {stalls[dear]:.2f} times"
        if stalls[dear] > 1.05
        else "queue changes hurt no bystander"
    )


STUDY = Study(
    "mes-vs-cpsch",
    "Does MES bear over-subscription and queue changes better than the runlist does?",
    ("E14",),
    (
        "no part has both schedulers, so an RDNA3 part stands beside a CDNA3 one: compare ratios, not times",
        "how MES picks what to swap is private: longest waiting first is inferred",
    ),
    run,
)
