"""The notes' five ways to change the scheduler, and a sixth: what each gains where queues stay, and where they come and
go.

The stack says what a scheme does to queue changes (and what it breaks); the engine says what a queue change costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import Any

from ringscope.engine.spec import Change, Control, Spec
from ringscope.recording import Kind
from ringscope.scenario.schema import DeviceChoice
from ringscope.scenario.studies import notes, workload
from ringscope.scenario.studies.study import MS, Cell, Chart, Desk, Findings, Study, Table, listed
from ringscope.stack.journal import TICK_NS
from ringscope.stack.kfd import Kfd
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.machine import (
    AsyncSubmission,
    Batching,
    Hybrid,
    MachineSpec,
    NoActiveRunlistCheck,
    PerProcessRunlist,
    SchedPolicy,
)
from ringscope.stack.program import Program
from ringscope.stack.rehearse import FIRST_PID, ROCM

PROCESSES = 2
CYCLES = 8
CHURN = (0, 30, 100, 300, 1000, 3000, 10_000)
"""Queue changes a second at which the cost of a change is looked up."""
NOTHING = 0.005
"""A smaller share of the rate is no gain: requests are counted in whole packets."""
SECOND = 1_000_000_000
SCHEMES: dict[str, dict[str, Any]] = {
    "cpsch": {},
    "batching": {"proposal": Batching()},
    "nocpsch": {"sched_policy": SchedPolicy.NO_HWS},
    "per-process-runlist": {"proposal": PerProcessRunlist()},
    "hybrid": {"proposal": Hybrid(frozenset({FIRST_PID}))},
    "async": {"proposal": AsyncSubmission()},
    "no-active-runlist-check": {"proposal": NoActiveRunlistCheck()},
}


@dataclass(frozen=True)
class _InDriver:
    """What a scheme does on the stack: runlists per queue change, promises broken, and the first error.

    ``lines`` is what a print for every queue of every runlist would write, as the notes' trace does.
    """

    runlists_per_change: float
    broken: str
    refused: str = ""
    runlists: int = 0
    lines: int = 0


def _in_driver(switches: Mapping[str, Any]) -> _InDriver:
    """Two processes start, then each creates and destroys a queue, again and again."""
    machine = MachineSpec.of("mi308x", **switches)
    node = machine.nodes[0]
    kfd = Kfd(machine, now=count(0, TICK_NS).__next__)
    try:
        programs = [Program(kfd, (node,), FIRST_PID + n, ROCM) for n in range(PROCESSES)]
        for program in programs:
            for _ in range(workload.STREAMS):
                program.devices[0].stream_create(0)
        before = sum(event.kind is Kind.RUNLIST for event in kfd.events)
        for _ in range(CYCLES):
            for program in programs:
                program.rocr.queue_destroy(program.rocr.queue_create(node, 16384))
    except KfdError as error:
        return _InDriver(0.0, "", str(error))
    runlists = sum(event.kind is Kind.RUNLIST for event in kfd.events) - before
    why = kfd.breakages[0].what if kfd.breakages else ""
    sent = [int(event.attrs["queues"]) for event in kfd.events if event.kind is Kind.RUNLIST]
    return _InDriver(runlists / (2 * CYCLES * PROCESSES), why, "", len(sent), sum(sent))


def _rate(desk: Desk, remaps_per_second: float, *, static: bool = False, fence: bool = True) -> float:
    """QPS of both processes while the device is remapped so often."""
    horizon, warmup = 300 * MS, 50 * MS
    built = desk.build(
        [workload.kernel()],
        workload.process(PROCESSES),
        device=DeviceChoice(scheduler="nocpsch") if static else None,
        horizon_ns=horizon,
        warmup_ns=warmup,
        costs={} if fence else {"save_ns": 0},
    )
    changes = round(remaps_per_second * horizon / SECOND)
    # A change of a queue without work: what it costs the others is the remap.
    idle = next(n for n, queue in enumerate(built.queues) if queue.home.process.pid == FIRST_PID)

    def remaps(spec: Spec) -> Spec:
        controls = tuple(Control((n + 1) * horizon // (changes + 1), Change.UPDATE, idle) for n in range(changes))
        return replace(spec, controls=controls)

    return desk.rates(built, workload.STEPS, remaps).total


def run(desk: Desk) -> Findings:
    """Every scheme on both workloads, the cost of a change, and the churn at which a forecast gain is possible."""
    curve = [(changes, _rate(desk, changes)) for changes in CHURN]
    steady = curve[0][1]
    per_request = 2 * steady  # every request creates a queue and destroys it
    usual = _rate(desk, per_request)
    rows: list[tuple[Cell, ...]] = []
    gains: dict[str, tuple[float, float]] = {}
    troubles: list[str] = []
    drivers = {name: _in_driver(switches) for name, switches in SCHEMES.items()}
    for name, driver in drivers.items():
        forecast = "+{} to +{}".format(*notes.FORECAST_GAINS[name]) if name in notes.FORECAST_GAINS else None
        if driver.refused:
            rows.append((name, f"refused: {driver.refused}", None, None, None, None, None, forecast))
            troubles.append(name)
            continue
        static, fence = name == "nocpsch", name != "async"
        still = _rate(desk, 0, static=static, fence=fence)
        moving = _rate(desk, per_request * driver.runlists_per_change, static=static, fence=fence)
        if name != "cpsch":
            gains[name] = still - steady, moving - usual
        if driver.broken:
            troubles.append(name)
        works = "works" if not driver.broken else "breaks a promise"
        rows.append(
            (
                name,
                works,
                round(driver.runlists_per_change, 2),
                round(still, 1),
                round(moving, 1),
                *(round(gain, 1) + 0.0 for gain in (still - steady, moving - usual)),
                forecast,
            )
        )
    return Findings(
        conclusion=(*_conclusion(curve, gains, troubles, per_request), _on_lines(drivers["cpsch"])),
        tables=(
            Table(
                "Two processes; steady, and with one queue created and destroyed a request",
                (
                    "scheme",
                    "in the driver",
                    "runlists a change",
                    "QPS steady",
                    "churn",
                    "gain steady",
                    "gain churn",
                    "notes",
                ),
                tuple(rows),
            ),
            Table(
                "What queue changes cost under CPSCH",
                ("changes/s", "QPS", "lost"),
                tuple((changes, round(rate, 1), round(steady - rate, 1)) for changes, rate in curve),
            ),
        ),
        charts=(Chart("Rate by queue changes a second", "QPS", tuple((f"{n}/s", rate) for n, rate in curve)),),
    )


def _on_lines(driver: _InDriver) -> str:
    return (
        f"a print for every queue mapped writes {driver.lines} lines for {driver.runlists} runlists here: lines are "
        + ("not calls" if driver.lines != driver.runlists else "calls")
    )


def _break_even(curve: list[tuple[int, float]], loss: float) -> float | None:
    """Changes a second at which so many QPS are lost, between the rates that were simulated; None beyond them."""
    steady = curve[0][1]
    for (less, before), (more, after) in pairwise(curve):
        if steady - after >= loss > steady - before:
            return less + (more - less) * (loss - (steady - before)) / (before - after)
    return None


def _conclusion(
    curve: list[tuple[int, float]],
    gains: Mapping[str, tuple[float, float]],
    troubles: list[str],
    per_request: float,
) -> Iterator[str]:
    best, (still, _) = max(gains.items(), key=lambda item: item[1][0])
    why = ": no runlist is sent that could be saved" if abs(still) < NOTHING * curve[0][1] else ""
    yield f"where queues stay, the best scheme ({best}) gains {still:+.1f} QPS{why}"
    best, (_, moving) = max(gains.items(), key=lambda item: item[1][1])
    yield (
        f"where every request makes and destroys a queue ({per_request:.0f} changes/s), the best ({best}) gains "
        f"{moving:+.1f} QPS"
    )
    short = [
        name
        for name, (_, gain) in gains.items()
        if name in notes.FORECAST_GAINS and gain < notes.FORECAST_GAINS[name][0]
    ]
    reached = [name for name in gains if name not in short]
    yield (
        f"no scheme reaches the gain forecast for it, not even with churn: {listed(short)}"
        if not reached
        else f"with churn the forecast is reached by {listed(reached)}"
    )
    if troubles:
        yield f"the driver refuses, or breaks a promise under, {listed(troubles)}"
    least = min(low for low, _ in notes.FORECAST_GAINS.values())
    most = max(low for low, _ in notes.FORECAST_GAINS.values())
    for loss in (least, most):
        at = _break_even(curve, loss)
        yield (
            f"a gain of {loss} QPS is possible only where {at:.0f} queue changes a second or more are made"
            if at is not None
            else f"a gain of {loss} QPS is possible at none of the churn rates simulated (to {curve[-1][0]}/s)"
        )


STUDY = Study(
    "five-schemes",
    "What would the notes' five scheduler schemes gain, with steady queues and with queues created per request?",
    ("E07", "E08", "E09", "E10", "E11", "E12", "E13"),
    (
        "what a remap costs (fence, save and restore of waves) is inferred: nobody has published it; see [costs]",
        "the host's own time for a queue (4.6 ms to create one) is left out: it would hide the scheduler's share",
        "schemes that the driver refuses have no rate; what they could gain is bounded by the best of the others",
    ),
    run,
)
