"""The points of a sweep, and what running one gives: a row of a table."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterable
from copy import deepcopy
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import ringscope
from ringscope import __version__
from ringscope.engine.state import PARTS
from ringscope.errors import InputError, RingscopeError
from ringscope.records import dataclass
from ringscope.scenario.build import build, machine_of, play
from ringscope.scenario.outcome import Outcome, simulate
from ringscope.scenario.schema import Draft, KernelTimes, Scenario, no_traces
from ringscope.scenario.sweep.axes import MAX_POINTS, Axis, wrong
from ringscope.scenario.toml import put

SHARDS = 256
"""A sweep is cut into about so many shards …"""
MAX_SHARD = 256
"""… of at most so many points: what a kill can cost, a worker."""

_play = lru_cache(maxsize=32)(play)
"""Most points differ in what the stack does not see: its part of building, most of it, is then done once."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Sweep:
    """A scenario's text, the axes and how the points lie: everything that decides the rows.

    Attributes:
        text: the scenario file's, ``file`` its name and ``folder`` where its traces lie.
        samples: points of a Latin hypercube; 0 for the whole grid.
        seed: of the hypercube.
    """

    text: str
    file: str
    folder: Path
    axes: tuple[Axis, ...]
    samples: int = 0
    seed: int = 0
    times: KernelTimes = no_traces

    def __post_init__(self) -> None:
        keys = [axis.key for axis in self.axes]
        for axis in self.axes:
            if keys.count(axis.key) > 1:
                raise wrong(axis.text, "names a key that another axis has")
            if axis.span is not None and not self.samples:
                raise wrong(axis.text, "has no steps", "write a..b:step, or --samples N for a Latin hypercube")
        if self.points > MAX_POINTS:
            raise InputError(f"the grid has {self.points} points", todo=f"at most {MAX_POINTS}; take --samples N")

    @property
    def points(self) -> int:
        """How many."""
        return self.samples or math.prod(len(axis.values) for axis in self.axes)

    @property
    def shard_points(self) -> int:
        """Points of a shard; it follows from the sweep alone, so every run cuts it alike."""
        return max(1, min(MAX_SHARD, -(-self.points // SHARDS)))

    @property
    def shards(self) -> int:
        """How many shards."""
        return -(-self.points // self.shard_points)

    def shard(self, number: int) -> range:
        """The points of one shard."""
        return range(self.points)[number * self.shard_points : (number + 1) * self.shard_points]

    @cached_property
    def _layers(self) -> list[list[float]]:
        layers = []
        for axis in self.axes:
            # Only random() itself is promised to give the same numbers in every Python.
            draw = random.Random(f"{self.seed} {axis.key}").random  # noqa: S311 - a sample, no secret
            order = sorted(range(self.samples), key=[draw() for _ in range(self.samples)].__getitem__)
            layers.append([(layer + draw()) / self.samples for layer in order])
        return layers

    def point(self, number: int) -> tuple[Any, ...]:
        """The value of every axis at a point, 0 to ``points`` - 1."""
        if self.samples:
            return tuple(axis.layer(layer[number]) for axis, layer in zip(self.axes, self._layers, strict=True))
        values = []
        for axis in reversed(self.axes):
            number, at = divmod(number, len(axis.values))
            values.append(axis.values[at])
        return tuple(reversed(values))

    @cached_property
    def _draft(self) -> Draft:
        return Draft.of(self.text, self.file)

    def _with(self, values: Iterable[tuple[Axis, Any]]) -> Scenario:
        changed = deepcopy(self._draft.values)
        for axis, value in values:
            _put(changed, axis, axis.written(value))
        return Draft(changed, self._draft.lines, self.file).scenario(self.folder, self.times)

    def scenario(self, number: int) -> Scenario:
        """The scenario of a point."""
        return self._with(zip(self.axes, self.point(number), strict=True))

    def check(self) -> Scenario:
        """The file's own scenario, after every value of every axis was tried.

        A value must do in the file as it is, or beside the first or the last values of the other axes. What then still
        does not fit together is refused point by point.

        Raises:
            InputError: the file, an axis's key or one of its values is wrong.
        """
        scenario = self._with([])
        names = [kind.name for kind in scenario.processes]
        if len(set(names)) < len(names):
            raise InputError("two processes have the same name", self.file, "give each [[process]] a name of its own")
        fitted = {parameter.key for parameter in scenario.calibration.placed} if scenario.calibration else set()
        for axis in self.axes:
            if axis.key in fitted:
                raise wrong(axis.text, "names a key that the file's calibration sets", "take one of the two out")
            others = [other for other in self.axes if other is not axis]
            first = [(other, other.tried[0]) for other in others]
            last = [(other, other.tried[-1]) for other in others]
            for value in axis.tried:
                errors = []
                for rest in (first[:0], first, last):
                    try:
                        machine_of(self._with([(axis, value), *rest]).device)
                        break
                    except InputError as error:
                        errors.append(error)
                else:
                    raise _at(axis, value, errors[0])
        return scenario

    @property
    def identity(self) -> dict[str, Any]:
        """What two sweeps must have in common for their rows to be of one piece; JSON types."""
        scenario = hashlib.sha256(repr(self._with([])).encode()).hexdigest()
        return {
            "ringscope": __version__,
            "model": _model(),
            "scenario": scenario,
            "over": [axis.text for axis in self.axes],
            "samples": self.samples,
            "seed": self.seed,
            "points": self.points,
            "shard_points": self.shard_points,
        }

    def row(self, number: int) -> Row:
        """Run a point. A point that the model refuses has the reason under ``refused`` and no results."""
        values = self.point(number)
        row: Row = {"point": number}
        row |= {axis.column: axis.cell(value) for axis, value in zip(self.axes, values, strict=True)}
        try:
            return row | {"refused": None} | results(simulate(build(self.scenario(number), _play)))
        except RingscopeError as error:
            return row | {"refused": str(error)}

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The names of the results of every point, in order."""
        names = [*OVERALL, *(f"{part}_share" for part in PARTS)]
        kinds = self._with([]).processes
        each = (f"{kind.name}.{name}" for kind in kinds for name in EACH) if len(kinds) > 1 else ()
        return (*names, *each)


OVERALL = (
    "requests_per_s",
    "requests",
    "mean_ns",
    "p50_ns",
    "p90_ns",
    "p99_ns",
    "max_ns",
    "cu_busy",
    "slots_used",
    "compute_queues",
    "oversubscribed",
    "runlists",
    "rotations",
    "preemptions",
    "events",
)
"""Results of all processes together: requests finished after the warm-up, their latency, what the device did.

Means over replications where there are several; ``cu_busy`` is a share, ``oversubscribed`` 0 or 1. Then follow the
shares of a request's mean latency, ``host_share`` to ``run_share``.
"""
EACH = ("requests_per_s", "mean_ns", "p50_ns", "p99_ns")
"""Results of the processes of one kind, where the scenario has several."""


def results(outcome: Outcome) -> Row:
    """What :data:`OVERALL` and :data:`EACH` name, of one outcome."""
    warmup_ns = outcome.built.scenario.warmup_ns
    rows = np.concatenate([log[log["done"] > warmup_ns] for log in outcome.logs])
    latency = np.sort(rows["done"] - rows["arrival"])
    whole = int(latency.sum())

    def quantile(q: float) -> float | None:
        return float(latency[math.ceil(q * len(latency)) - 1]) if len(latency) else None

    def mean(name: str) -> float:
        return math.fsum(getattr(total, name) for total in outcome.totals) / len(outcome.totals)

    row: Row = {
        "requests_per_s": outcome.per_second.mean,
        "requests": float(len(rows)),
        "mean_ns": whole / len(latency) if len(latency) else None,
        "p50_ns": quantile(0.5),
        "p90_ns": quantile(0.9),
        "p99_ns": quantile(0.99),
        "max_ns": quantile(1.0),
        "cu_busy": outcome.cu_busy.mean,
        "slots_used": outcome.slots_used.mean,
        "compute_queues": float(sum(queue.is_compute for queue in outcome.built.queues)),
        "oversubscribed": float(bool(outcome.built.limits)),
    }
    row |= {name: mean(name) for name in ("runlists", "rotations", "preemptions", "events")}
    row |= {f"{part}_share": int(rows[part].sum()) / whole if whole else None for part in PARTS}
    if len(outcome.shares) > 1:
        for share in outcome.shares:
            numbers = (share.per_second.mean, share.mean_ns, share.p50_ns, share.p99_ns)
            for name, number in zip(EACH, numbers, strict=True):
                row[f"{share.kind.name}.{name}"] = None if math.isnan(number) else number
    return row


@lru_cache(maxsize=1)
def _model() -> str:
    """A hash of the source text that decides the rows: a version may be worked on."""
    root = Path(ringscope.__file__).parent
    rooms = ("engine", "parts", "scenario", "stack")
    digest = hashlib.sha256()
    for path in sorted(path for room in rooms for path in (root / room).rglob("*.py")):
        text = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(text)}\n".encode() + text)
    return digest.hexdigest()


def _at(axis: Axis, value: Any, error: InputError) -> InputError:
    if error.where.startswith("--over"):
        return error
    quotes = f"put it in quotes: '{axis.key}=\"{value}\"'" if "must be a text" in error.what else ""
    return wrong(axis.text, error.what, error.todo or quotes)


def _put(values: dict[str, Any], axis: Axis, value: Any) -> None:
    try:
        put(values, axis.key, value)
    except InputError as error:
        raise wrong(axis.text, error.what, error.todo) from None
