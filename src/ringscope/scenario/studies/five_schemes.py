"""The notes' five ways to change the scheduler, and a sixth: what each gains where queues stay, and where they come and
go.

Each scheme is a scheduler variant of the scenario, as ``scheduler = "cpsch:batching"`` in a file: the stack says when a
change of queues reaches the firmware (and what that breaks), the engine what it costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from ringscope.recording import Kind
from ringscope.records import dataclass, replace
from ringscope.scenario.schema import DeviceChoice
from ringscope.scenario.studies import notes, workload
from ringscope.scenario.studies.study import MS, Cell, Chart, Desk, Findings, Study, Table, listed
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.machine import PROPOSALS

PROCESSES = 2
CHURN = (0, 30, 100, 300, 1000, 3000, 10_000)
"""Queue changes a second at which the cost of a change is looked up."""
NOTHING = 0.005
"""A smaller share of the rate is no gain: requests are counted in whole packets."""
SECOND = 1_000_000_000
HORIZON, WARMUP = 300 * MS, 50 * MS
SCHEMES = ("cpsch", "nocpsch", *(f"cpsch:{name}" for name in PROPOSALS))


@dataclass(frozen=True)
class _Played:
    """Two processes under one scheme.

    ``runlists`` is a change of queues; ``broken`` says what breaks in the driver. ``lines`` is what a print for every
    queue of every runlist would write, as the notes' trace does, for so many runlists ``sent`` by the driver.
    """

    qps: float
    runlists: float
    broken: tuple[str, ...]
    lines: int
    sent: int


def _play(desk: Desk, scheme: str, changes: float) -> _Played:
    """Both processes create and destroy queues, ``changes`` a second in all; KfdError when the driver refuses."""
    period = round(2 * PROCESSES * SECOND / changes) if changes else 0
    built = desk.build(
        [workload.kernel()],
        replace(workload.process(PROCESSES), churn_ns=period),
        device=DeviceChoice(scheduler=scheme),
        horizon_ns=HORIZON,
        warmup_ns=WARMUP,
    )
    rates = desk.rates(built, workload.STEPS)
    made = sum(WARMUP < control.at_ns <= HORIZON for control in built.spec.controls)
    kfd = built.life.until(HORIZON)[0] if built.life.calls else built.kfd
    sent = [int(event.attrs["queues"]) for event in kfd.events if event.kind is Kind.RUNLIST]
    return _Played(rates.total, rates.runlists / made if made else 0.0, built.broken, sum(sent), len(sent))


def run(desk: Desk) -> Findings:
    """Every scheme on both workloads, the cost of a change, and the churn at which a forecast gain is possible."""
    curve = [(changes, _play(desk, "cpsch", changes).qps) for changes in CHURN]
    steady = curve[0][1]
    per_request = 2 * steady  # every request creates a queue and destroys it
    usual = _play(desk, "cpsch", per_request)
    rows: list[tuple[Cell, ...]] = []
    gains: dict[str, tuple[float, float]] = {}
    troubles: list[str] = []
    for scheme in SCHEMES:
        name = scheme.rpartition(":")[2]
        forecast = "+{} to +{}".format(*notes.FORECAST_GAINS[name]) if name in notes.FORECAST_GAINS else None
        try:
            still, moving, busy = (_play(desk, scheme, changes) for changes in (0, per_request, CHURN[-1]))
        except KfdError as error:
            rows.append((name, f"refused: {error.why.partition(' (')[0]}", *(None,) * 6, forecast))
            troubles.append(name)
            continue
        if scheme != "cpsch":
            gains[name] = still.qps - steady, moving.qps - usual.qps
        if moving.broken:
            troubles.append(name)
        rows.append(
            (
                name,
                "breaks a promise" if moving.broken else "works",
                round(moving.runlists, 2),
                round(busy.runlists, 2),
                round(still.qps, 1),
                round(moving.qps, 1),
                *(round(gain, 1) + 0.0 for gain in (still.qps - steady, moving.qps - usual.qps)),
                forecast,
            )
        )
    return Findings(
        conclusion=(*_conclusion(curve, gains, troubles, per_request), _on_lines(usual)),
        tables=(
            Table(
                "Two processes; steady, and with one queue created and destroyed a request",
                (
                    "scheme",
                    "in the driver",
                    "runlists a change",
                    f"at {CHURN[-1]}/s",
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


def _on_lines(played: _Played) -> str:
    return f"a print for every queue mapped writes {played.lines} lines for {played.sent} runlists here: lines are " + (
        "not calls" if played.lines != played.sent else "calls"
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
