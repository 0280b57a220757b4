"""AMD's runs of a halo-exchange program on one MI300A, as rows: ranks that share the GPU, under caps on their queues.

What is fitted, and to what: a version's own time, to its run of 4 ranks under cap 1; what a rank more costs, to the
runs of Ver6 whose queues all fit. Everything else is predicted, all runs past the budget among it: what those cost
comes from how the program exchanges its halos (:mod:`.halo`), from the stack's runlist and from the cost table, and no
number in any of them was fitted to a run past the budget.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

from ringscope.errors import InputError
from ringscope.records import dataclass
from ringscope.scenario.halo import Exchange, iteration_ns
from ringscope.scenario.studies.study import Desk
from ringscope.scenario.validate import Row

FILE = "mi300a-spx-hip.csv"
CALIBRATED = "Ver6"
ITERATIONS = 50
SLOTS = 24
EXCHANGES = {"Ver1": Exchange.HOST, "Ver6": Exchange.DEVICE, "Ver8": Exchange.BARRIER}
"""How the versions exchange their halos, from their source."""
ANCHOR = (4, 1)
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
    """The program: :meth:`total` is its wall time in any shape."""

    def __init__(self, runs: tuple[Run, ...], desk: Desk) -> None:
        self._time = {(run.version, *run.shape): run.total_s for run in runs}
        self._iteration = lru_cache(maxsize=None)(partial(iteration_ns, desk))
        inside = [run for run in runs if adds_a_rank(run)]
        more = [(run.total_s - self._anchor(CALIBRATED)) / (run.ranks - ANCHOR[0]) for run in inside]
        self.rank_s = sum(more) / len(more) if more else 0.0
        """What a rank more costs while all queues fit."""

    def _anchor(self, version: str) -> float:
        try:
            return self._time[version, *ANCHOR]
        except KeyError:
            raise InputError(f"{version} has no run of {ANCHOR[0]} ranks under cap {ANCHOR[1]} to start from") from None

    def total(self, run: Run) -> float:
        """Seconds; NaN past the budget for a version whose exchange is not known."""
        fits = self._anchor(run.version) + self.rank_s * (run.ranks - ANCHOR[0])
        if not run.over:
            return fits
        if run.version not in EXCHANGES:
            return math.nan
        over, alone = (self._iteration(EXCHANGES[run.version], run.ranks, cap) for cap in (run.cap, 1))
        return fits + ITERATIONS * max(0.0, over - alone) / 1e9


def adds_a_rank(run: Run) -> bool:
    """Whether the run is one of those that say what a rank more costs."""
    return run.version == CALIBRATED and not run.over and run.ranks > ANCHOR[0]


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
        if run.shape == ANCHOR:
            return "its time where everything fits"
        return "what a rank more costs" if adds_a_rank(run) else ""

    return tuple(_row(run, why(run), partial(model, run)) for run in runs)
