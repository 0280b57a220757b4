"""AMD's runs of a halo-exchange program on one MI300A, as rows: ranks that share the GPU, under caps on their queues.

What is fitted, and to what: a version's own time without over-subscription, to its run of 4 ranks under cap 1; what a
rank more costs, and the process quantum, to the runs of Ver6; the exchanges that an iteration waits for one after
another, to each version's run of 12 ranks under cap 4 (all of its runs for Ver6). Every other run is predicted.

Only the product of quantum and exchanges is determined: 3 ms with 6, 5 ms with 3, 10 ms with 1 fit Ver6 equally well.
What is fitted here is no measurement of the firmware's quantum.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

from ringscope.errors import InputError
from ringscope.records import dataclass, replace
from ringscope.scenario.studies import over_subscription
from ringscope.scenario.studies.study import MS, Desk
from ringscope.scenario.validate import Checked, Row

FILE = "mi300a-spx-hip.csv"
CALIBRATED = "Ver6"
ITERATIONS = 50
SLOTS = 24
QUANTA = (5 * MS, 10 * MS)
EXCHANGES = (1, 2, 3)
ANCHOR, DEEPEST = (4, 1), (12, 4)
INSIDE, BEYOND = 0.25, 1.0
"""Near is 25 % where the queues fit and a factor of two where they do not."""
SOURCE = "amd/HPCTrainingExamples, GhostExchange, MI300A SPX"


@dataclass(frozen=True)
class Run:
    """One run of the file; ``total_s`` is its wall time."""

    version: str
    ranks: int
    cap: int
    total_s: float

    @property
    def shape(self) -> tuple[int, int]:
        """Ranks and cap."""
        return self.ranks, self.cap

    @property
    def queues(self) -> int:
        """Compute queues by the rule of the authors; the file's own count has SDMA queues in some rows."""
        return self.ranks * (self.cap + 1)

    @property
    def over(self) -> bool:
        """Whether they are more than the slots."""
        return self.queues > SLOTS


def read(folder: Path) -> tuple[Run, ...]:
    """The runs in ``folder``; InputError for what is no such file."""
    path = folder / FILE
    try:
        with path.open(newline="") as file:
            return tuple(
                Run(row["version"], int(row["ranks"]), int(row["gpu_max_hw_queues"]), float(row["total_s"]))
                for row in csv.DictReader(line for line in file if not line.startswith("#"))
            )
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", str(path), "give the folder with --data") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"is no table of runs ({error!r})", str(path)) from None


class Halo:
    """The fitted model of the program: :meth:`total` is its wall time in any shape."""

    def __init__(self, runs: tuple[Run, ...], desk: Desk) -> None:
        self._time = {(run.version, *run.shape): run.total_s for run in runs}
        self._iteration = lru_cache(maxsize=None)(partial(_iteration_s, desk))
        ours = [run for run in runs if run.version == CALIBRATED]
        inside = [run for run in ours if not run.over and run.ranks > ANCHOR[0]]
        more = [(run.total_s - self._anchor(CALIBRATED)) / (run.ranks - ANCHOR[0]) for run in inside]
        self.rank_s = sum(more) / len(more) if more else 0.0
        """What a rank more costs while all queues fit."""
        self.quantum_ns = QUANTA[0]
        self.exchanges: dict[str, int] = {}
        beyond = [run for run in ours if run.over]
        self.quantum_ns, self.exchanges[CALIBRATED] = min(
            ((quantum, exchanges) for quantum in QUANTA for exchanges in EXCHANGES),
            key=lambda choice: self._misfit(beyond, *choice),
        )
        for version in {run.version for run in runs} - {CALIBRATED}:
            deepest = [run for run in runs if run.version == version and run.shape == DEEPEST]
            fit = partial(self._misfit, deepest, self.quantum_ns)
            self.exchanges[version] = min(EXCHANGES, key=fit) if deepest else self.exchanges[CALIBRATED]

    def _anchor(self, version: str) -> float:
        try:
            return self._time[version, *ANCHOR]
        except KeyError:
            raise InputError(f"{version} has no run of {ANCHOR[0]} ranks under cap {ANCHOR[1]} to start from") from None

    def _predict(self, run: Run, quantum_ns: int, exchanges: int) -> float:
        fits = self._anchor(run.version) + self.rank_s * (run.ranks - ANCHOR[0])
        if not run.over:
            return fits
        return fits + ITERATIONS * self._iteration(run.ranks, run.cap, quantum_ns, exchanges)

    def _misfit(self, runs: list[Run], quantum_ns: int, exchanges: int) -> float:
        found = [Checked(_row(run, ""), self._predict(run, quantum_ns, exchanges)) for run in runs]
        return sum(one.size**2 for one in found)

    def total(self, run: Run) -> float:
        """Seconds."""
        return self._predict(run, self.quantum_ns, self.exchanges[run.version])


def _iteration_s(desk: Desk, ranks: int, cap: int, quantum_ns: int, exchanges: int) -> float:
    """What an iteration waits for its queues, in seconds: its time beyond that of the kernels themselves."""
    slow = replace(desk, costs={**desk.costs, "process_quantum_ns": quantum_ns})
    over, fits = (
        slow.latencies(over_subscription.ranks_in_step(slow, ranks, each, exchanges)).mean(0) for each in (cap, 1)
    )
    return max(0.0, over - fits) / 1e9


def _row(run: Run, fitted: str, model: Callable[[Desk], float] | None = None) -> Row:
    return Row(
        f"{run.version} {run.ranks}x{run.cap}",
        f"{run.ranks} ranks, cap {run.cap}: {run.queues} queues{', over' if run.over else ''}",
        run.total_s,
        "s",
        SOURCE,
        model,
        fitted=fitted,
        within=BEYOND if run.over else INSIDE,
        family="over-subscription runs",
    )


def rows(runs: tuple[Run, ...]) -> tuple[Row, ...]:
    """A row a run; the model is fitted when the first of them is computed."""
    fitted: list[Halo] = []

    def model(run: Run, desk: Desk) -> float:
        if not fitted:
            fitted.append(Halo(runs, desk))
        return fitted[0].total(run)

    def why(run: Run) -> str:
        if run.version == CALIBRATED:
            return "the version that the rest is fitted to"
        if run.shape == ANCHOR:
            return "its time where everything fits"
        return "its exchanges an iteration" if run.shape == DEEPEST else ""

    return tuple(_row(run, why(run), partial(model, run)) for run in runs)
