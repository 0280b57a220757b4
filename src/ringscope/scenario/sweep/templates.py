"""Building the points of a sweep: what differs in numbers alone is built once, and the numbers are put in.

Most axes turn numbers: how long a kernel takes, how many workgroups it has, what a packet costs, the seed. Points that
agree in everything else have the same queues, threads and steps. A :class:`Template` is made of the first of them, by
the build that a single scenario has; of each other point the very functions of that build make the packets and the
sources, once a kind of processes, and :class:`ringscope.engine.frame.Frame` knows where they go.

A key counts as a number only if it is in :data:`NUMBERS`; every other is structure, and its points are built anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ringscope.engine.costs import costs_for
from ringscope.engine.frame import SEED, Frame
from ringscope.engine.run import Engine
from ringscope.engine.spec import Costs, Packet, Source
from ringscope.engine.state import Array
from ringscope.errors import InputError, RingscopeError
from ringscope.records import dataclass, replace
from ringscope.scenario.build import Built, Requests, Role, build, play, source
from ringscope.scenario.schema import Draft, KernelTimes, Scenario, read_table
from ringscope.scenario.sweep.axes import Axis, wrong
from ringscope.scenario.sweep.results import Asked
from ringscope.scenario.toml import Table, put

Part = TypeVar("Part")

NUMBERS: dict[str, frozenset[str] | None] = {
    "run": frozenset({"seed", "warmup", "replications", "horizon"}),
    "kernel": frozenset({"workgroups", "duration", "workgroup_duration", "jitter", "bandwidth"}),
    "copy": frozenset({"duration"}),
    "process": frozenset({"think", "interval", "submit", "requests"}),
    "costs": None,
    "policies": None,
}
"""Keys by kind of table (None: all) that change no queue, thread or step of a scenario whose queues all stay."""
_MOST = 256
"""Templates, and tables of one place in the file, that are remembered."""

once_played = lru_cache(maxsize=32)(play)
"""Most points differ in what the stack does not see: its part of building is then done once."""


class UnlikeError(Exception):
    """A template that cannot be made, or that a scenario does not fit."""


class Template:
    """What the points of one structure have in common.

    Attributes:
        built: the point that it was made of.
        frame: the same, to the engine.
        asked: what has to be known to read runs of so many ns, ns of warm-up and replications.

    Raises:
        InputError, KfdError: the point is refused.
        UnlikeError: no template can be made of it.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._played = once_played(scenario.device, tuple(map(Role.of, scenario.processes)))
        self.built = build(scenario, once_played)
        if self.built.life.calls:
            raise UnlikeError("when queues come and go follows from numbers")
        at = {queue: number for number, queue in enumerate(self.built.queues)}
        actors = iter(self._played.actors)
        self._seats: list[tuple[list[int], list[int]]] = []
        """By kind: the queues behind the streams of its first process, and those that copy."""
        threads: list[int] = []
        for index, kind in enumerate(scenario.processes):
            mine = [next(actors) for _ in range(kind.count)]
            self._seats.append(([at[queue] for queue in mine[0].rings], [at[queue] for queue in mine[0].engines]))
            threads += [index] * sum(len(actor.rings) for actor in mine)
        self._costs = lru_cache(maxsize=64)(self._costs_of)
        asked = Asked.of(scenario, self.built)
        self.asked = lru_cache(maxsize=64)(
            lambda horizon_ns, warmup_ns, replications: replace(
                asked, horizon_ns=horizon_ns, warmup_ns=warmup_ns, replications=replications
            )
        )
        try:
            self.frame = Frame(self.built.spec, threads)
        except ValueError as error:
            raise UnlikeError(str(error)) from None
        words = self.frame.words.copy()
        words[self.frame.targets] = self.numbers(scenario)[self.frame.cells]
        if not np.array_equal(words, self.frame.words):
            raise UnlikeError("its own numbers do not give it back")

    def _costs_of(self, *given: tuple[str, int]) -> Costs:
        return costs_for(f"gfx{self._played.node.part.gfx}", **dict(given))

    def parts(self, scenario: Scenario) -> tuple[Requests, list[tuple[Packet, ...]], list[Source]]:
        """A request and the source of every kind, and who made the packets."""
        requests = Requests(scenario, self._played)
        seats = zip(scenario.processes, self._seats, strict=True)
        packets = [requests.packets(kind, rings, engines, 0) for kind, (rings, engines) in seats]
        return requests, packets, [source(kind, 0) for kind in scenario.processes]

    def numbers(self, scenario: Scenario) -> Array:
        """The numbers of a point.

        Raises:
            InputError: it is refused.
        """
        _, packets, sources = self.parts(scenario)
        costs = self._costs(*scenario.costs.items())
        return self.frame.numbers(scenario.policies, costs, scenario.seed, packets, sources)

    def engine(self, numbers: Array, replication: int) -> Engine:
        """A run of the point with these numbers, at time zero; good until the next is asked for."""
        state = self.frame.state(numbers)
        state.g["seed"] = (int(numbers[SEED]) + replication) & 0xFFFFFFFF
        return Engine(self.built.spec, state=state, addresses=self.frame.addresses)


@dataclass(frozen=True)
class Point:
    """A point ready to run.

    With a ``template``, ``built`` is the point that it was made of, and ``numbers`` are this one's.
    """

    scenario: Scenario
    built: Built
    template: Template | None = None
    numbers: Array | None = None

    @property
    def asked(self) -> Asked:
        """What has to be known to read its runs."""
        scenario = self.scenario
        if self.template is None:
            return Asked.of(scenario, self.built)
        return self.template.asked(scenario.horizon_ns, scenario.warmup_ns, scenario.replications)

    def engine(self, replication: int) -> Engine:
        """At time zero; good until that of the next point or replication."""
        if self.template is not None and self.numbers is not None:
            return self.template.engine(self.numbers, replication)
        seed = (self.scenario.seed + replication) & 0xFFFFFFFF
        return Engine(replace(self.built.spec, seed=seed) if replication else self.built.spec)


class Builder:
    """Builds the points of one sweep.

    Args:
        draft: the file; traces lie relative to ``folder``, and ``times`` reads them.
        axes: what is turned.
    """

    def __init__(self, draft: Draft, axes: tuple[Axis, ...], folder: Path, times: KernelTimes) -> None:
        self.draft, self.axes, self.folder, self.times = draft, axes, folder, times
        self._heads = {axis.key.partition(".")[0] for axis in axes}
        self._tables: dict[tuple[object, ...], Any] = {}
        self._templates: dict[tuple[object, ...], Template | None] = {}
        # A fit looks at the whole file: its tables do not stand for themselves.
        self.calibrated = "calibration" in draft.values
        self._turned: dict[str, bool] = {}

    def changed(self, heads: Set[str]) -> dict[str, Any]:
        """The file's values, those under ``heads`` free to be changed."""
        return {key: deepcopy(value) if key in heads else value for key, value in self.draft.values.items()}

    def scenario(self, values: Iterable[tuple[Axis, Any]]) -> Scenario:
        """The file's scenario with the values of some axes; InputError where they cannot be."""
        changed = self.changed(self._heads)
        marks: dict[tuple[str | int, ...], tuple[object, ...]] = {}
        for axis, value in values:
            try:
                path, key = put(changed, axis.key, axis.written(value))
            except InputError as error:
                raise wrong(axis.text, error.what, error.todo) from None
            marks[path] = (*marks.get(path, ()), axis.key, repr(value))
            known = NUMBERS.get(str(path[0]), frozenset())
            self._turned[axis.key] = known is None or key.partition(".")[0] in known

        def read(table: Table, convert: Callable[[Table], Part]) -> Part:
            key = (table.path, marks.get(table.path, ()))
            if key not in self._tables:
                if len(self._tables) > _MOST:
                    self._tables.clear()
                self._tables[key] = convert(table)
            found: Part = self._tables[key]
            return found

        draft = Draft(changed, self.draft.lines, self.draft.file)
        return draft.scenario(self.folder, self.times, read=read_table if self.calibrated else read)

    def point(self, values: Sequence[tuple[Axis, Any]]) -> Point:
        """The point with these values.

        Raises:
            InputError, KfdError: it is refused.
        """
        scenario = self.scenario(values)
        structure = tuple(repr(value) for axis, value in values if not self._turned[axis.key])
        try:
            template = self._template(structure, scenario)
            numbers = template.numbers(scenario)
            if len(numbers) != template.frame.size:  # distributions of other lengths
                template = self._template((*structure, len(numbers)), scenario)
        except (UnlikeError, RingscopeError):  # what is wrong is said by the build of this one alone
            return Point(scenario, build(scenario, once_played))
        return Point(scenario, template.built, template, numbers)

    def _template(self, structure: tuple[object, ...], scenario: Scenario) -> Template:
        if structure not in self._templates:
            if len(self._templates) > _MOST:
                del self._templates[next(iter(self._templates))]
            try:
                self._templates[structure] = Template(scenario)
            except UnlikeError:
                self._templates[structure] = None
        if (found := self._templates[structure]) is None:
            raise UnlikeError
        return found
