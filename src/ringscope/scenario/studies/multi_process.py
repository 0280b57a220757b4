"""One, two, four and six processes under three ways to number queues: who gets what, and what a number changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from ringscope.records import dataclass
from ringscope.scenario.schema import DeviceChoice
from ringscope.scenario.studies import notes, workload
from ringscope.scenario.studies.study import MS, Cell, Chart, Desk, Findings, Rates, Study, Table, percent
from ringscope.stack.kfd.records import KfdError
from ringscope.stack.machine import QueueIds

if TYPE_CHECKING:
    from ringscope.scenario.build import Built

COUNTS = (1, 2, 4, 6)
POLICIES = {QueueIds.FIRST_FREE: "v4, first free", QueueIds.PID_HASH: "v5, pid hash", QueueIds.PASID: "v6, PASID"}


@dataclass(frozen=True)
class _Played:
    built: Built
    rates: Rates

    @property
    def ids(self) -> list[tuple[int, int]]:
        """(pid, queue id) of every queue."""
        return [(queue.home.process.pid, queue.qid) for queue in self.built.queues]


def _play(desk: Desk, count: int, ids: QueueIds) -> _Played | KfdError:
    device = DeviceChoice(queue_ids=ids)
    try:
        built = desk.build(
            [workload.kernel()], workload.process(count), device=device, horizon_ns=400 * MS, warmup_ns=50 * MS
        )
    except KfdError as error:
        return error
    return _Played(built, desk.rates(built, workload.STEPS))


def _changes(usual: _Played, other: _Played) -> Iterator[tuple[str, int, int]]:
    """What differs, how much of it, of how much: the handles, everything the driver did, everything that ran."""
    ids = list(zip(usual.ids, other.ids, strict=True))
    yield "queue ids", sum(a != b for a, b in ids), len(ids)
    driver = [
        [(event.time_ns, event.kind, event.pid, {k: v for k, v in event.attrs.items() if k != "qid"}) for event in run]
        for run in (usual.built.kfd.events, other.built.kfd.events)
    ]
    pairs = list(zip(*driver, strict=True))
    yield "driver events, ids aside", sum(a != b for a, b in pairs), len(pairs)
    specs = [(*run.built.spec.queues, *run.built.spec.threads) for run in (usual, other)]
    rows = list(zip(*specs, strict=True))
    yield "queues and threads as simulated", sum(a != b for a, b in rows), len(rows)
    rates = list(zip(usual.rates.each, other.rates.each, strict=True))
    yield "rates of processes", sum(a != b for a, b in rates), len(rates)


def run(desk: Desk) -> Findings:
    """Every count under every policy."""
    played = {(count, ids): _play(desk, count, ids) for ids in POLICIES for count in COUNTS}
    rows: list[tuple[Cell, ...]] = []
    differences: list[tuple[Cell, ...]] = []
    refused: list[str] = []
    for (count, ids), got in played.items():
        name = POLICIES[ids]
        if isinstance(got, KfdError):
            rows.append((name, count, None, None, None, "refused"))
            refused.append(f"{name}: {got}")
            continue
        qids = [qid for _, qid in got.ids]
        each = got.rates.each
        spread = f"{min(each):.1f} to {max(each):.1f}"
        rows.append((name, count, round(got.rates.total, 1), spread, len(qids), _span(qids)))
        usual = played[count, QueueIds.FIRST_FREE]
        if ids is not QueueIds.FIRST_FREE and isinstance(usual, _Played):
            differences += [(name, count, *change) for change in _changes(usual, got)]
    totals = {
        count: got.rates.total for count in COUNTS if isinstance(got := played[count, QueueIds.FIRST_FREE], _Played)
    }
    beside = tuple(
        (
            count,
            round(totals[count], 1),
            percent(totals[count] / totals[1]),
            rate.qps,
            percent(rate.qps / notes.ALONE.qps),
            round(count * rate.qps, 1),
            percent(count * rate.qps / notes.ALONE.qps),
        )
        for count in COUNTS
        for rate in notes.RATES
        if (rate.processes, rate.cus) == (count, 80)
    )
    return Findings(
        conclusion=(*_on_ids(differences, refused), *_on_doorbells(played.values()), *_on_readings(totals)),
        tables=(
            Table(
                "Simulated, by how queues are numbered",
                ("queue ids", "processes", "total QPS", "each", "queues", "ids"),
                tuple(rows),
            ),
            Table("What differs from v4", ("queue ids", "processes", "what", "differ", "of"), tuple(differences)),
            Table(
                "Beside the notes' figures (v4 ids)",
                ("processes", "model total", "of one", "notes as total", "of one", "notes as each", "of one"),
                beside,
            ),
        ),
        charts=(
            Chart("Total, simulated", "QPS", tuple((f"{count} processes", total) for count, total in totals.items())),
        ),
    )


def _span(qids: list[int]) -> str:
    return " ".join(map(str, sorted(set(qids)))) if len(set(qids)) <= 6 else f"{min(qids)} to {max(qids)}"


def _on_ids(differences: list[tuple[Cell, ...]], refused: list[str]) -> Iterator[str]:
    changed = sum(int(row[3] or 0) for row in differences if row[2] == "queue ids")
    else_changed = [row for row in differences if row[2] != "queue ids" and row[3]]
    compared = sum(int(row[4] or 0) for row in differences if row[2] != "queue ids")
    if else_changed:
        _, count, what, differ, of, *_ = else_changed[0]
        yield f"numbering queues otherwise changes what happens: {differ} of {of} {what} at {count} processes"
    else:
        yield (
            f"numbering queues otherwise changes {changed} ids and nothing else: 0 of {compared} driver events, "
            "queues, threads and rates differ"
        )
    if refused:
        yield f"refused by the driver: {refused[0]}"


def _on_doorbells(played: Iterable[_Played | KfdError]) -> Iterator[str]:
    """Where the doorbells of the processes lie in the BAR, where most processes ran."""
    most = max((got for got in played if isinstance(got, _Played)), key=lambda got: len(got.built.queues))
    slices: dict[int, set[int]] = {}
    for queue in most.built.queues:
        slices.setdefault(queue.home.process.pid, set()).add(queue.doorbell)
    bells = [bell for mine in slices.values() for bell in mine]
    ranges = sorted((min(mine), max(mine)) for mine in slices.values())
    apart = all(end < start for (_, end), (start, _) in pairwise(ranges))
    yield (
        f"{len(bells)} queues of {len(slices)} processes have {len(set(bells))} doorbells, "
        + (
            "each process's in a range of its own: placing them by pid has nothing to add"
            if apart
            else "ranges overlap"
        )
    )


def _on_readings(totals: dict[int, float]) -> Iterator[str]:
    several = [rate for rate in notes.RATES if rate.cus == 80 and rate.processes > 1]
    alone = totals[1]
    lowest = min(totals[count] for count in COUNTS if count > 1) / alone
    yield f"several processes together do {percent(lowest)} or more of what one does: the model conserves work"
    as_total = [abs(rate.qps / notes.ALONE.qps - totals[rate.processes] / alone) for rate in several]
    as_each = [abs(rate.processes * rate.qps / notes.ALONE.qps - totals[rate.processes] / alone) for rate in several]
    better = "totals" if sum(as_total) < sum(as_each) else "per process"
    text = f"the notes' rates are nearer to the model read as {better}"
    worst = max(several, key=lambda rate: abs(rate.qps / notes.ALONE.qps - totals[rate.processes] / alone))
    if better == "totals":
        loss = totals[worst.processes] / alone - worst.qps / notes.ALONE.qps
        text += (
            f", and even so {percent(loss)} of one process's rate is missing at {worst.processes} processes: see "
            "missing-throughput"
        )
    yield text


STUDY = Study(
    "multi-process",
    "What do 1, 2, 4 and 6 processes get, and does the way queues are numbered change anything?",
    ("E01", "E02", "E03", "E16", "E18"),
    (
        "the notes do not describe their workload: a chain of kernels that fill the GPU stands in for it, fitted to "
        "the one rate of one process alone",
        "caches and memory bandwidth are not modelled here",
    ),
    run,
)
