"""AMD's runs of a halo-exchange program on one GPU, as rows: ranks that share it, under caps on their queues.

Every file ``GPU-MODE-hip.csv`` of a folder is taken, such as ``mi300a-spx-hip.csv``; its name says the part and the
partition. What is fitted, and to what: a version's own time, to its smallest run (4 ranks under cap 1 on the MI300A);
what a rank more costs, to the runs of Ver6 whose queues all fit. Everything else is predicted, all runs past the budget
among it: what those cost comes from how the program exchanges its halos (:mod:`.halo`), from the stack's slots, VMIDs
and runlist and from the cost table, and no number in any of them was fitted to a run past the budget.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable
from functools import cache, lru_cache, partial
from pathlib import Path

from ringscope.errors import InputError
from ringscope.records import dataclass
from ringscope.scenario.build import machine_of
from ringscope.scenario.halo import Exchange, iteration_ns
from ringscope.scenario.schema import DeviceChoice
from ringscope.scenario.studies.study import Desk
from ringscope.scenario.validate import Row

FILE = re.compile(r"([a-z0-9]+)-(spx|dpx|tpx|qpx|cpx)-hip\.csv")
CALIBRATED = "Ver6"
ITERATIONS = 50
EXCHANGES = {
    **dict.fromkeys(("Ver1", "Ver2", "Ver4", "Ver5"), Exchange.HOST),
    "Ver6": Exchange.DEVICE,
    "Ver8": Exchange.BARRIER,
}
"""How the versions exchange their halos, from their source."""
UNKNOWN = "how this version exchanges its halos is not known here"
INSIDE, BEYOND = 0.25, 1.0
"""Near is 25 % where the queues fit and a factor of two where they do not."""
SOURCE = "amd/HPCTrainingExamples, GhostExchange"


@dataclass(frozen=True)
class Run:
    """One run; ``total_s`` is its wall time, ``device`` the logical GPU that all its ranks share."""

    version: str
    ranks: int
    cap: int
    total_s: float
    device: DeviceChoice

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
        """Whether its queues are more than the slots, or its ranks more than the VMIDs."""
        slots, processes = _room(self.device)
        return self.queues > slots or self.ranks > processes

    @property
    def name(self) -> str:
        """As its row is called; of another GPU or partition than a whole MI300A that is said."""
        device = f"{self.device.gpu} {self.device.partition} "
        return f"{'' if device == 'mi300a spx ' else device}{self.version} {self.ranks}x{self.cap}"


@cache
def _room(device: DeviceChoice) -> tuple[int, int]:
    node = machine_of(device).nodes[0]
    return len(node.slots), node.processes_at_once


def read(folder: Path) -> tuple[Run, ...]:
    """The runs in ``folder``; InputError for what is no such file."""
    try:
        paths = sorted(path for path in folder.iterdir() if FILE.fullmatch(path.name))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", str(folder), "give the folder with --data") from error
    if not paths:
        raise InputError("holds no file such as mi300a-spx-hip.csv", str(folder), "give the folder with --data")
    return tuple(run for path in paths for run in _read(path))


def _read(path: Path) -> list[Run]:
    named = FILE.fullmatch(path.name)
    device = DeviceChoice(gpu=named[1], partition=named[2]) if named else DeviceChoice()
    try:
        _room(device)
        with path.open(newline="") as file:
            return [
                Run(row["version"], int(row["ranks"]), int(row["gpu_max_hw_queues"]), float(row["total_s"]), device)
                for row in csv.DictReader(line for line in file if not line.startswith("#"))
            ]
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", str(path)) from error
    except InputError as error:
        raise InputError(error.what, str(path), error.todo) from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"is no table of runs ({error!r})", str(path)) from None


class _Late:
    """The model of one device, for the desk of whoever computes a row first."""

    def __init__(self, runs: list[Run]) -> None:
        self.runs = runs
        self.fitted = Halo(runs, Desk()).fitted
        self.halo: Halo | None = None

    def total(self, run: Run, desk: Desk) -> float:
        self.halo = self.halo or Halo(self.runs, desk)
        return self.halo.total(run)


class Halo:
    """The program on one device: :meth:`total` is its wall time in any shape."""

    def __init__(self, runs: Iterable[Run], desk: Desk) -> None:
        known = list(runs)
        self._iteration = lru_cache(maxsize=None)(partial(iteration_ns, desk))
        self.anchors = {run.version: anchor for run in known if (anchor := _anchor(run.version, known))}
        """The smallest run of each version, whose queues fit."""
        inside = [run for run in known if run.version == CALIBRATED and not run.over]
        first = self.anchors.get(CALIBRATED)
        more = [
            (run.total_s - first.total_s) / (run.ranks - first.ranks)
            for run in inside
            if first and run.ranks > first.ranks
        ]
        self.rank_s = sum(more) / len(more) if more else 0.0
        """What a rank more costs while all queues fit."""

    def fitted(self, run: Run) -> str:
        """What of the model the run gave; empty for a prediction."""
        first = self.anchors.get(run.version)
        if run is first:
            return "its time where everything fits"
        calibrates = run.version == CALIBRATED and not run.over and first is not None and run.ranks > first.ranks
        return "what a rank more costs" if calibrates else ""

    def total(self, run: Run) -> float:
        """Seconds; NaN where no run of the version fits, or where it does not and its exchange is not known."""
        first = self.anchors.get(run.version)
        if first is None or (run.over and run.version not in EXCHANGES):
            return math.nan
        fits = first.total_s + self.rank_s * (run.ranks - first.ranks)
        if not run.over:
            return fits
        exchange = EXCHANGES[run.version]
        over = self._iteration(exchange, run.ranks, run.cap, run.device)
        return fits + ITERATIONS * max(0.0, over - self._alone_ns(exchange, run)) / 1e9

    def _alone_ns(self, exchange: Exchange, run: Run) -> float:
        """An iteration of as many ranks under cap 1, or of the most that fit with it."""
        slots, processes = _room(run.device)
        return self._iteration(exchange, min(run.ranks, slots // 2, processes), 1, run.device)


def _anchor(version: str, runs: list[Run]) -> Run | None:
    fits = [run for run in runs if run.version == version and not run.over]
    return min(fits, key=lambda run: run.shape, default=None)


def rows(runs: tuple[Run, ...]) -> tuple[Row, ...]:
    """A row a run; iterations are played when the first row that needs them is computed."""
    found: list[Row] = []
    for device in dict.fromkeys(run.device for run in runs):
        mine = [run for run in runs if run.device == device]
        halo = _Late(mine)
        found += [
            Row(
                run.name,
                f"{run.ranks} ranks, cap {run.cap}: {run.queues} queues{', over' if run.over else ''}",
                run.total_s,
                "s",
                f"{SOURCE}, {device.gpu.upper()} {device.partition.upper()}",
                partial(halo.total, run),
                fitted=halo.fitted(run),
                why=UNKNOWN if run.over and run.version not in EXCHANGES else "",
                within=BEYOND if run.over else INSIDE,
                family="over-subscription runs",
            )
            for run in mine
        ]
    return tuple(found)
