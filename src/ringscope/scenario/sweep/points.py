"""The points of a sweep, and what running them gives: a row each of a table."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

import ringscope
from ringscope import __version__
from ringscope.engine.run import Engine
from ringscope.engine.state import GLOBAL, Array
from ringscope.errors import InputError, RingscopeError
from ringscope.records import dataclass
from ringscope.scenario.build import machine_of
from ringscope.scenario.schema import Draft, KernelTimes, Scenario, no_traces
from ringscope.scenario.sweep.axes import MAX_POINTS, Axis, wrong
from ringscope.scenario.sweep.blocks import Block, Blocks
from ringscope.scenario.sweep.results import Asked, Columns, Runs, first, names, read_out
from ringscope.scenario.sweep.templates import Builder, Point

SHARDS = 256
"""A sweep is cut into about so many shards …"""
MAX_SHARD = 256
"""… of at most so many points: what a kill can cost, a worker."""


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
    def _layers(self) -> list[Array]:
        layers = []
        for axis in self.axes:
            # Only random() itself is promised to give the same numbers in every Python.
            draw = random.Random(f"{self.seed} {axis.key}").random  # noqa: S311 - a sample, no secret
            order = np.argsort([draw() for _ in range(self.samples)], kind="stable")
            layers.append((order + [draw() for _ in range(self.samples)]) / self.samples)
        return layers

    def point(self, number: int) -> tuple[Any, ...]:
        """The value of every axis at a point, 0 to ``points`` - 1."""
        return tuple(column[0] for column in self.columns([number]))

    def columns(self, numbers: Sequence[int]) -> list[list[Any]]:
        """The values of every axis at some points."""
        if self.samples:
            drawn = ((axis, layer[list(numbers)].tolist()) for axis, layer in zip(self.axes, self._layers, strict=True))
            return [[axis.layer(at) for at in layer] for axis, layer in drawn]
        places = np.unravel_index(list(numbers), [len(axis.values) for axis in self.axes])
        return [[axis.values[at] for at in mine.tolist()] for axis, mine in zip(self.axes, places, strict=True)]

    @cached_property
    def builder(self) -> Builder:
        """Builds the points; what it remembers stays in this process."""
        return Builder(Draft.of(self.text, self.file), self.axes, self.folder, self.times)

    @cached_property
    def blocks(self) -> Blocks:
        """Makes blocks of points; as :attr:`builder`."""
        return Blocks(self.builder)

    def __getstate__(self) -> dict[str, Any]:
        if self.samples:
            _ = self._layers  # drawn once, not by every worker
        return {name: value for name, value in vars(self).items() if name not in ("builder", "blocks")}

    def values(self, number: int) -> list[tuple[Axis, Any]]:
        """Every axis with its value at a point."""
        return list(zip(self.axes, self.point(number), strict=True))

    def scenario(self, number: int) -> Scenario:
        """The scenario of a point."""
        return self.builder.scenario(self.values(number))

    def check(self) -> Scenario:
        """The file's own scenario, after every value of every axis was tried.

        A value must do in the file as it is, or beside the first or the last values of the other axes. What then still
        does not fit together is refused point by point.

        Raises:
            InputError: the file, an axis's key or one of its values is wrong.
        """
        scenario = self.builder.scenario([])
        kinds = [kind.name for kind in scenario.processes]
        if len(set(kinds)) < len(kinds):
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
                        machine_of(self.builder.scenario([(axis, value), *rest]).device)
                        break
                    except InputError as error:
                        errors.append(error)
                else:
                    raise _at(axis, value, errors[0])
        return scenario

    @property
    def identity(self) -> dict[str, Any]:
        """What two sweeps must have in common for their rows to be of one piece; JSON types."""
        scenario = hashlib.sha256(repr(self.builder.scenario([])).encode()).hexdigest()
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

    def rows(self, numbers: Sequence[int]) -> Columns:
        """Run points; a row each. One that the model refuses has the reason under ``refused`` and no results."""
        values = self.columns(numbers)
        blocks, alone, refused = self.built(numbers, values)
        # All are built before the first runs: what builds stays in the core's caches.
        ready: list[tuple[int, Asked, Callable[[int], Engine]]] = [
            (member, asked, partial(block.template.engine, row))
            for block in blocks
            for member, row, asked in zip(block.members.tolist(), block.numbers, block.asked, strict=True)
        ]
        ready += [(member, point.asked, point.engine) for member, point in alone]
        points: list[Asked] = []
        rows: list[Array] = []
        logs: list[Array] = []
        for member, asked, engine in sorted(ready, key=itemgetter(0)):
            try:
                ran = [_run(engine(replication), asked.horizon_ns) for replication in range(asked.replications)]
            except RingscopeError as error:
                refused[numbers[member]] = str(error)
                continue
            points.append(asked)
            rows += [row for row, _ in ran]
            logs += [log for _, log in ran]
        head = self.head(numbers, values, refused)
        if not points:
            return self.completed(head, {})
        runs = Runs.of(np.array(rows, GLOBAL), np.concatenate(logs), np.cumsum([len(log) for log in logs]))
        return self.completed(head, read_out(points, runs, self.kinds))

    def built(
        self, numbers: Sequence[int], values: Sequence[Sequence[Any]]
    ) -> tuple[list[Block], list[tuple[int, Point]], dict[int, str]]:
        """Points with these values of every axis: blocks, those that stand alone (which of ``numbers``), and refusals.

        The latter by number.
        """
        refused: dict[int, str] = {}
        alone: list[tuple[int, Point]] = []
        blocks, members = self.blocks.of(values)
        for member in members:
            try:
                alone.append(
                    (
                        member,
                        self.builder.point(
                            [(axis, mine[member]) for axis, mine in zip(self.axes, values, strict=True)]
                        ),
                    )
                )
            except RingscopeError as error:
                refused[numbers[member]] = str(error)
        return blocks, alone, refused

    def row(self, number: int) -> dict[str, Any]:
        """Run one point."""
        return first(self.rows([number]))

    def head(self, numbers: Sequence[int], values: Sequence[Sequence[Any]], refused: Mapping[int, str]) -> Columns:
        """What rows begin with: the points, the values of every axis, and why those that are refused are."""
        columns: Columns = {"point": list(numbers)}
        for axis, mine in zip(self.axes, values, strict=True):
            columns[axis.column] = [axis.cell(value) for value in mine]
        columns["refused"] = [refused.get(number) for number in numbers]
        return columns

    def completed(self, head: Columns, found: dict[str, Array]) -> Columns:
        """Whole rows: with what was ``found`` for the points that are not refused."""
        refused = head["refused"]
        if not any(refused):
            return head | found
        fine = np.array([why is None for why in refused])
        whole = np.full((len(self.metrics), len(fine)), np.nan)
        for mine, name in zip(whole, self.metrics, strict=True):
            mine[fine] = found.get(name, ())
        return head | dict(zip(self.metrics, whole, strict=True))

    @cached_property
    def kinds(self) -> list[str]:
        """The names of the kinds of processes."""
        return [kind.name for kind in self.builder.scenario([]).processes]

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The names of the results of every point, in order."""
        return names(self.kinds)


def _run(engine: Engine, until_ns: int) -> tuple[Array, Array]:
    """The global row and the log of a run; SpecError where it is more than the engine can hold."""
    engine.run(until_ns)
    return engine.state.g[0].copy(), engine.log.copy()


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
