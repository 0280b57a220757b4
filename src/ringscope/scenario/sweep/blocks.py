"""Many points of a sweep at once: the numbers in which most of them differ are written column by column.

A :class:`Model` is a point built like any other (:mod:`.templates`), with the knowledge where the numbers of the keys
in :data:`PLAIN` stand among its own. What a number is made of is one line of arithmetic over all points of a block, or,
where a function of the build decides, that function for each different value. A model is held against itself before it
is used. Points with a value out of its bounds are left to those who build one by one and say what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from ringscope.engine.frame import SEED
from ringscope.engine.spec import Op
from ringscope.engine.state import GLOBAL, PACKET, SOURCE, Array, Distributions, fill_packet
from ringscope.errors import InputError, RingscopeError
from ringscope.records import dataclass, replace
from ringscope.scenario.build import turns
from ringscope.scenario.schema import COSTS, MAX_HORIZON_NS, Kernel
from ringscope.scenario.sweep.axes import Axis
from ringscope.scenario.sweep.results import Asked
from ringscope.scenario.sweep.templates import Builder, Template, UnlikeError
from ringscope.scenario.toml import put

_LONG = (1 << 40) - 1
PLAIN: dict[str, dict[str, tuple[str, int, int]]] = {
    "run": {
        "seed": ("", 0, (1 << 32) - 1),
        "replications": ("", 1, 1000),
        "horizon": ("ns", 1, MAX_HORIZON_NS),
        "warmup": ("ns", 0, MAX_HORIZON_NS),
    },
    "kernel": {"workgroups": ("", 1, 1 << 30), "duration": ("ns", 1, (1 << 31) - 1)},
    "copy": {"duration": ("ns", 1, _LONG)},
    "process": {"think": ("ns", 0, _LONG), "submit": ("ns", 0, _LONG), "requests": ("", 1, _LONG)},
    "costs": {key: ("ns", 1, _LONG) for key, name in COSTS.items() if name.endswith("_ns")},
}
"""Keys that turn whole numbers by kind of table: the unit that an axis must have, the least and the largest value."""
_MODELS = 8
"""So many models for points that agree in everything else."""
_WORTH = 4
"""Points that a model is made for; making it takes as long as building two or three."""


@dataclass(frozen=True)
class Turned:
    """What an axis turns: a key of a table, and its bounds.

    ``where`` is a kernel's or a copy's name, or a kind of processes by number.
    """

    head: str
    where: str | int
    key: str
    least: int
    most: int


def turned(axis: Axis, builder: Builder) -> Turned | None:
    """What the axis turns, if that is a plain key and its values are whole numbers of its unit."""
    head = axis.key.partition(".")[0]
    if head not in PLAIN or axis.kind != "int" or builder.calibrated:
        return None
    values = builder.changed({head})
    try:
        path, key = put(values, axis.key, axis.written(axis.tried[0]))
    except InputError:
        return None
    unit, least, most = PLAIN[head].get(key, (None, 0, 0))
    if unit != axis.unit:
        return None
    place = int(path[1]) if len(path) > 1 else 0
    return Turned(head, values[head][place]["name"] if head in ("kernel", "copy") else place, key, least, most)


@dataclass(frozen=True)
class Block:
    """Points of a template.

    Attributes:
        members: which of the points that were asked for.
        numbers: a row each, as :class:`~ringscope.engine.frame.Frame` has them.
        horizon_ns, warmup_ns, replications: of each.
    """

    template: Template
    members: Array
    numbers: Array
    horizon_ns: Array
    warmup_ns: Array
    replications: Array

    @property
    def asked(self) -> Iterator[Asked]:
        """What has to be known to read the runs of each."""
        given = self.horizon_ns.tolist(), self.warmup_ns.tolist(), self.replications.tolist()
        return map(self.template.asked, *given)


class Model:
    """A point, and where the numbers of some keys stand among its own.

    Raises:
        InputError, KfdError: it is refused.
        UnlikeError: no other points can be made of it.
    """

    def __init__(self, builder: Builder, values: Sequence[tuple[Axis, Any]], turns: Sequence[Turned | None]) -> None:
        point = builder.point(values)
        if point.template is None or point.numbers is None:
            raise UnlikeError
        self.template, self.numbers, self.scenario = point.template, point.numbers, point.scenario
        self._turns = {number: turn for number, turn in enumerate(turns) if turn is not None}
        frame = self.template.frame
        self._packets_at = len(GLOBAL.names or ())
        self._sources_at = self._packets_at + len(PACKET.names or ()) * sum(map(len, frame.steps))
        self._requests, requests, sources = self.template.parts(self.scenario)
        rows = [request[step] for request, steps in zip(requests, frame.steps, strict=True) for step in steps]
        self._rows = list(zip((kind for kind, steps in enumerate(frame.steps) for _ in steps), rows, strict=True))
        # Whose times lie where: those of the packets, then those of the sources and their traces.
        self._times = [packet.time.quantiles for packet in rows]
        self._source_times = []
        for one in sources:
            self._source_times.append(len(self._times))
            self._times.append(one.times.quantiles)
            if one.trace:
                self._times.append(one.trace)
        layout = Distributions()
        self._places = [frame.times_at + layout.place(times)[0] for times in self._times]
        self._dispatches: dict[tuple[int, int], tuple[int, int, int]] = {}
        own = {number: np.array([values[number][1]]) for number in self._turns}
        itself, left = self.take(np.zeros(1, np.int64), own)
        if len(left) or itself is None or not np.array_equal(itself.numbers[0], self.numbers):
            raise UnlikeError("it does not give itself back")

    def take(self, members: Array, columns: Mapping[int, Array]) -> tuple[Block | None, Array]:
        """The points that are like this one but for plain keys, and those that are not, of ``members``.

        ``columns`` are the values of all points, of every axis that turns a plain key.
        """
        given: dict[tuple[str, str | int, str], Array] = {}
        fine = np.ones(len(members), np.bool_)
        for number, turn in self._turns.items():
            mine = given[turn.head, turn.where, turn.key] = columns[number][members]
            fine &= (turn.least <= mine) & (mine <= turn.most)
        run = [
            given.get(("run", 0, key), np.full(len(members), value))
            for key, value in (
                ("horizon", self.scenario.horizon_ns),
                ("warmup", self.scenario.warmup_ns),
                ("replications", self.scenario.replications),
            )
        ]
        fine &= run[1] < run[0]
        if not fine.all():
            kept, left = members[fine], members[~fine]
            return (self.take(kept, columns)[0], left) if len(kept) else (None, left)
        numbers = np.repeat(self.numbers[None], len(members), axis=0)
        times = self._write(numbers, given)
        fine = self._alike(times, len(members))
        for owner, column in times.items():
            numbers[:, self._places[owner]] = column
        if not fine.any():
            return None, members
        block = Block(self.template, members[fine], numbers[fine], *(part[fine] for part in run))
        return block, members[~fine]

    def _write(self, numbers: Array, given: Mapping[tuple[str, str | int, str], Array]) -> dict[int, Array]:
        """Write all but the times, which are returned: by owner one of every point."""
        scenario, times = self.scenario, {}
        for (head, where, key), column in given.items():
            if head == "costs":
                numbers[:, _word(GLOBAL, COSTS[key])] = column
            elif (head, key) == ("run", "seed"):
                numbers[:, SEED] = column
            elif (head, key) == ("process", "think"):
                times[self._source_times[int(where)]] = column
            elif (head, key) == ("process", "requests"):
                kind = scenario.processes[int(where)]
                if kind.arrival == "trace":
                    raise UnlikeError
                shared = 1 if kind.arrival == "closed" else len(kind.streams)
                at = self._sources_at + int(where) * len(SOURCE.names or ())
                numbers[:, at + _word(SOURCE, "limit")] = column * shared
        for row, (kind_at, packet) in enumerate(self._rows):
            at = self._packets_at + row * len(PACKET.names or ())
            submit = given.get(("process", kind_at, "submit"))
            if submit is not None and packet.op not in (Op.SYNC, Op.HOST):
                numbers[:, at + _word(PACKET, "host_ns")] = submit
            name = self._requests.made.get(id(packet), "")
            if packet.op is Op.COPY and ("copy", name, "duration") in given:
                times[row] = given["copy", name, "duration"]
            if packet.op is not Op.DISPATCH:
                continue
            workgroups = given.get(("kernel", name, "workgroups"))
            duration = given.get(("kernel", name, "duration"))
            kernel = scenario.kernels[name]
            if workgroups is None and duration is None:
                continue
            if not kernel.time.per_workgroup and len(kernel.time.quantiles) > 1:
                raise UnlikeError
            if workgroups is None:
                workgroups = np.full(len(numbers), kernel.workgroups)
            values, which = np.unique(workgroups, return_inverse=True)
            made = np.array([self._dispatch(row, kernel, value) for value in values.tolist()])[which]
            for field, column in zip(("workgroups", "rounds", "bandwidth"), (workgroups, *made.T[:2]), strict=True):
                numbers[:, at + _word(PACKET, field)] = column
            if not kernel.time.per_workgroup:
                whole = kernel.time.quantiles[0] if duration is None else duration
                times[row] = np.maximum(1, 2000 * whole // made[:, 2])
        return times

    def _dispatch(self, row: int, kernel: Kernel, workgroups: int) -> tuple[int, int, int]:
        """Of a packet with so many workgroups: rounds, bandwidth, and by what the time of its kernel is divided."""
        if (row, workgroups) not in self._dispatches:
            kind, packet = self._rows[row]
            other = replace(kernel, workgroups=workgroups)
            packet = self._requests.dispatch(other, self.scenario.processes[kind], packet.queue)
            filled = np.zeros(1, PACKET)
            fill_packet(filled[0], self.template.frame.with_policies(self.scenario.policies), packet)
            by = turns(self._requests.machine, packet, self.scenario.policies.placement)
            self._dispatches[row, workgroups] = int(filled[0]["rounds"]), int(filled[0]["bandwidth"]), by
        return self._dispatches[row, workgroups]

    def _alike(self, times: Mapping[int, Array], points: int) -> Array:
        """Of which points the same distributions are equal as of this one: they lie in the same places then."""
        fine = np.ones(points, np.bool_)
        fixed = {own for owner, own in enumerate(self._times) if owner not in times}
        for owner, column in times.items():
            mine = self._times[owner]
            for own in fixed:
                fine &= (column == own[0] if len(own) == 1 else np.bool_(False)) == (own == mine)
            for other in times:
                fine &= (column == times[other]) == (self._times[other] == mine)
        return fine


def _word(dtype: np.dtype[np.void], name: str) -> int:
    return (dtype.names or ()).index(name)


class Blocks:
    """Makes blocks of the points of one sweep; what it remembers stays in this process."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self._turns = [turned(axis, builder) for axis in builder.axes]
        self._models: dict[tuple[str, ...], list[Model]] = {}

    def of(self, columns: Sequence[Sequence[Any]]) -> tuple[list[Block], list[int]]:
        """Blocks of points, and which of them have to be built one by one; ``columns`` are the values of every axis."""
        whole = {
            number: np.array(columns[number], np.int64) for number, turn in enumerate(self._turns) if turn is not None
        }
        other = [map(repr, column) for turn, column in zip(self._turns, columns, strict=True) if turn is None]
        groups: dict[tuple[str, ...], list[int]] = {}
        for at, key in zip(range(len(columns[0])), zip(*other, strict=True) if other else repeat(()), strict=False):
            groups.setdefault(key, []).append(at)
        blocks: list[Block] = []
        alone: list[int] = []
        for key, members in groups.items():
            if len(self._models) > 256:
                self._models.clear()
            if key not in self._models and len(members) < _WORTH:
                alone += members
                continue
            models = self._models.setdefault(key, [])
            left = np.array(members)
            tried = 0
            while len(left):
                try:
                    if tried == len(models):
                        if tried == _MODELS:
                            raise UnlikeError
                        values = list(zip(self.builder.axes, (column[left[0]] for column in columns), strict=True))
                        models.append(Model(self.builder, values, self._turns))
                    block, left = models[tried].take(left, whole)
                    tried += 1
                    if block is not None:
                        blocks.append(block)
                except UnlikeError:
                    alone += left.tolist()
                    break
                except RingscopeError:
                    alone.append(int(left[0]))
                    left = left[1:]
        return blocks, sorted(alone)
