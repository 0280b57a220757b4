"""What a study is, and the desk on which it plays its scenarios."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ringscope.engine.policies import Policies
from ringscope.records import dataclass, field, replace
from ringscope.scenario.schema import Copy, DeviceChoice, Kernel, ProcessKind, Scenario
from ringscope.tabular import Row, Tabular

if TYPE_CHECKING:
    from ringscope.engine.spec import HostThread, Source, Spec
    from ringscope.scenario.build import Built
    from ringscope.scenario.outcome import Outcome

MS = 1_000_000
Cell = str | int | float | None


@dataclass(frozen=True)
class Table(Tabular):
    """Rows under a head; a cell that is None was not measured or does not exist."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def records(self) -> Iterator[Row]:
        """The rows by column, for a notebook or a frame."""
        return (dict(zip(self.head, row, strict=True)) for row in self.rows)

    def figures(self, column: str) -> dict[str, float]:
        """The numbers of a column by the row's first cell; rows without one are left out."""
        at = self.head.index(column)
        return {str(row[0]): float(cell) for row in self.rows if isinstance(cell := row[at], int | float)}


@dataclass(frozen=True)
class Chart:
    """Bars, one a label, all in ``unit``."""

    title: str
    unit: str
    bars: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Findings:
    """What came out: the conclusion first, sentences made from the tables' figures."""

    conclusion: tuple[str, ...]
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...] = ()

    def _repr_html_(self) -> str:
        """What a notebook shows: the sentences, then the tables."""
        said = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.conclusion)
        tables = "".join(f"<h4>{escape(table.title)}</h4>{table._repr_html_()}" for table in self.tables)
        return f"<ul>{said}</ul>{tables}"


@dataclass(frozen=True)
class Study:
    """One study.

    Attributes:
        name: as the command line says it.
        question: what it answers.
        experiments: ids of the notes' experiments (E01 to E35) that it plays, so far as a model can.
        limits: what its answer does not cover.
        run: plays it.
    """

    name: str
    question: str
    experiments: tuple[str, ...]
    limits: tuple[str, ...]
    run: Callable[[Desk], Findings]


@dataclass(frozen=True)
class Desk:
    """Where a study plays its scenarios: the reading of the firmware's rules, costs and the seed that hold for all.

    ``costs`` replaces single costs of the part's table (engine names); ``watch`` is shown every run that is played.
    """

    policies: Policies = field(default_factory=Policies)
    costs: Mapping[str, int] = field(default_factory=dict)
    seed: int = 7
    watch: Callable[[Built], None] | None = None

    def build(
        self,
        kernels: Sequence[Kernel],
        *processes: ProcessKind,
        device: DeviceChoice | None = None,
        horizon_ns: int = 200 * MS,
        warmup_ns: int = 20 * MS,
        copies: Sequence[Copy] = (),
        costs: Mapping[str, int] | None = None,
        **policies: Any,
    ) -> Built:
        """A scenario ready to run; ``costs`` and ``policies`` are those that the study itself varies."""
        from ringscope.scenario.build import build  # noqa: PLC0415 - needs NumPy, which --list does without

        return build(
            Scenario(
                name="study",
                device=device or DeviceChoice(),
                kernels={kernel.name: kernel for kernel in kernels},
                copies={copy.name: copy for copy in copies},
                processes=processes,
                horizon_ns=horizon_ns,
                warmup_ns=warmup_ns,
                seed=self.seed,
                policies=replace(self.policies, **policies),
                costs={**self.costs, **(costs or {})},
            )
        )

    def play(self, built: Built, edit: Callable[[Spec], Spec] | None = None) -> Outcome:
        """Run a built scenario; ``edit`` changes what the schema has no word for."""
        from ringscope.scenario.outcome import simulate  # noqa: PLC0415

        return simulate(self._ready(built, edit))

    def _ready(self, built: Built, edit: Callable[[Spec], Spec] | None) -> Built:
        ready = replace(built, spec=edit(built.spec)) if edit else built
        if self.watch is not None:
            self.watch(ready)
        return ready

    def rates(self, built: Built, steps: int, edit: Callable[[Spec], Spec] | None = None) -> Rates:
        """Run a built scenario whose requests have ``steps`` packets each, and count packets after the warm-up.

        Counting packets is finer than counting requests: a run of a few hundred milliseconds ends amid some.
        """
        from ringscope.engine.run import Engine  # noqa: PLC0415

        engine = Engine(self._ready(built, edit).spec)
        scenario = built.scenario
        engine.run(scenario.warmup_ns)
        owner, before = engine.state.queue["process"], engine.state.queue["done_packets"].copy()
        start = engine.totals
        engine.run(scenario.horizon_ns)
        done = engine.state.queue["done_packets"] - before
        seconds = (scenario.horizon_ns - scenario.warmup_ns) / 1e9
        totals = engine.totals
        return Rates(
            tuple(int(done[owner == process].sum()) / steps / seconds for process in range(len(built.members))),
            totals.runlists - start.runlists,
            totals.rotations - start.rotations,
            (totals.busy_cu_ns - start.busy_cu_ns) / seconds / 1e9 / built.spec.machine.compute_units,
        )

    def latencies(self, built: Built, edit: Callable[[Spec], Spec] | None = None) -> Latencies:
        """Run a built scenario: latencies of the requests of each host thread that were done after the warm-up, ns."""
        from ringscope.engine.run import Engine  # noqa: PLC0415

        spec = self._ready(built, edit).spec
        engine = Engine(spec)
        engine.run(built.scenario.horizon_ns)
        log = engine.log[engine.log["done"] > built.scenario.warmup_ns]
        rows = [log[log["thread"] == thread] for thread in range(len(spec.threads))]
        return Latencies(
            tuple(tuple(sorted(int(t) for t in mine["done"] - mine["arrival"])) for mine in rows),
            (built.scenario.horizon_ns - built.scenario.warmup_ns) / 1e9,
            tuple(int(pipe) for pipe in engine.state.queue["pipe"]),
        )


@dataclass(frozen=True)
class Latencies:
    """Sorted latencies of each host thread's requests in nanoseconds, over so many seconds; the pipe of each queue at
    the end (-1: not mapped then).
    """

    threads: tuple[tuple[int, ...], ...]
    seconds: float
    pipes: tuple[int, ...]

    def quantile(self, thread: int, q: float) -> float:
        """Nanoseconds; NaN when no request was done."""
        mine = self.threads[thread]
        return float(mine[min(len(mine) - 1, max(0, math.ceil(q * len(mine)) - 1))]) if mine else math.nan

    def mean(self, thread: int) -> float:
        """Nanoseconds; NaN when no request was done."""
        mine = self.threads[thread]
        return sum(mine) / len(mine) if mine else math.nan

    def rate(self, thread: int) -> float:
        """Requests a second."""
        return len(self.threads[thread]) / self.seconds


def spliced(builds: Sequence[Built | None]) -> Built:
    """One process whose stream ``i`` makes the requests that it makes in ``builds[i]``, none where that is None.

    The schema gives all streams of a process one request. The builds must differ in their requests alone.
    """
    base = next(built for built in builds if built is not None)
    threads: list[HostThread] = []
    sources: list[Source] = []
    for stream, built in enumerate(builds):
        if built is not None:
            thread = built.spec.threads[stream]
            threads.append(replace(thread, source=len(sources)))
            sources.append(built.spec.sources[thread.source])
    return replace(base, spec=replace(base.spec, threads=tuple(threads), sources=tuple(sources)))


@dataclass(frozen=True)
class Rates:
    """Requests a second of each process after the warm-up; runlists and rotations then, and the share of CUs busy."""

    each: tuple[float, ...]
    runlists: int
    rotations: int
    cu_busy: float

    @property
    def total(self) -> float:
        """Of all processes."""
        return sum(self.each)


def percent(value: float) -> str:
    """A ratio as whole percent."""
    return f"{100 * value:.0f} %"


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else "none"
