"""States of runs that differ in numbers alone: built once, the numbers put in their places.

Building a state reads a whole spec. Runs with the same machine, queues, host threads and steps differ in a few hundred
words of it: costs, policies, the seed, what the packets and the sources say. A :class:`Frame` is made of one such run;
of any other it takes the :meth:`~Frame.numbers`, a row of words, and lays out a state that equals the built one.

Use it for sweeps. Where the threads, queues or changes differ, another frame is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ringscope.engine.codes import NEVER
from ringscope.engine.native import addresses
from ringscope.engine.policies import Policies
from ringscope.engine.spec import Costs, Op, Packet, Source, Spec, check_packet
from ringscope.engine.state import (
    GLOBAL,
    PACKET,
    SOURCE,
    Array,
    Distributions,
    State,
    build,
    fill_packet,
    fill_source,
)
from ringscope.records import fields, replace

GIVEN = State._fields[: State._fields.index("workgroup")]
"""The arrays that hold what is given of a run; the others have room for what happens."""

SEED = list(GLOBAL.names or ()).index("seed")
"""The number that is the seed."""

# What of a row the frame knows: the queue and the thread of a packet, when a source starts.
_PACKET_WORDS = [at for at, name in enumerate(PACKET.names or ()) if name not in ("queue", "thread")]
_SOURCE_WORDS = [at for at, name in enumerate(SOURCE.names or ()) if name not in ("start", "next_at")]


class Frame:
    """What runs of one structure have in common.

    Attributes:
        spec: of the run that it was made of.
        shape: rows and columns of the given arrays, in the order of :data:`GIVEN`.
        words: those arrays of that run, one after another.
        events: rows of its heap.
        steps: by kind, the steps at which its request has another packet than before.
        with_policies: gives the spec with other policies.
        targets, cells: word ``targets[i]`` of a run is its number ``cells[i]``.
        size: how many numbers a run has; it differs where distributions have other lengths. They are the global row,
            rows of packets (``packet_rows`` says which of these each packet of the state has), a row of a source for
            every kind (``source_rows``: which each host thread has), and from ``times_at`` on the distributions.

    Args:
        spec: one run.
        kinds: of every host thread, which kind it is of, counted from 0: threads of a kind have alike sources, and
            alike requests but for the queues, which have the same CU mask.

    Raises:
        ValueError: whether the spec is right depends on its numbers.
    """

    def __init__(self, spec: Spec, kinds: Sequence[int]) -> None:
        self.spec = spec
        state = build(spec)
        self.with_policies = lru_cache(maxsize=64)(lambda policies: replace(spec, policies=policies))
        self.shape = tuple(
            (len(array), array.shape[1] if array.ndim > 1 else 1) for array in (getattr(state, name) for name in GIVEN)
        )
        parts = [getattr(state, name).view(np.int64).ravel() for name in GIVEN]
        starts = dict(zip(GIVEN, np.cumsum([0, *map(len, parts)]).tolist(), strict=False))
        self.words: Array = np.concatenate(parts)
        self._own = self.words.copy()
        arrays = {}
        for name, part in zip(GIVEN, parts, strict=True):
            array = getattr(state, name)
            arrays[name] = self._own[starts[name] :][: len(part)].view(array.dtype).reshape(array.shape)
        self._state = state._replace(**arrays)
        self.steps: list[list[int]] = []
        row_of: list[list[int]] = []
        for kind in range(1 + max(kinds)):
            packets = spec.threads[kinds.index(kind)].packets
            if all(packet.op is not Op.DISPATCH for packet in packets):
                raise ValueError("whether the requests last any time depends on their numbers")
            first: dict[int, int] = {}
            for step, packet in enumerate(packets):
                first.setdefault(id(packet), step)
            before = sum(map(len, self.steps))
            self.steps.append(list(first.values()))
            row_of.append([before + self.steps[-1].index(first[id(packet)]) for packet in packets])
        packet_rows = [row for kind in kinds for row in row_of[kind]]
        kind_of = {spec.threads[thread].source: kind for thread, kind in enumerate(kinds)}
        size = 0
        targets: list[Array] = []
        cells: list[Array] = []
        # Rows of an array, the rows of numbers that they have, and which columns.
        for name, dtype, rows, given, columns in (
            ("g", GLOBAL, [0], [0], range(len(GLOBAL.names or ()))),
            ("packet", PACKET, range(len(packet_rows)), packet_rows, _PACKET_WORDS),
            ("source", SOURCE, list(kind_of), list(kind_of.values()), _SOURCE_WORDS),
        ):
            width = len(dtype.names or ())
            targets.append((starts[name] + np.array(rows)[:, None] * width + np.array(columns)).ravel())
            cells.append((size + np.array(given)[:, None] * width + np.array(columns)).ravel())
            size += width * (1 + max(given))
        self.times_at = size
        targets.append(starts["times"] + np.arange(len(state.times)))
        cells.append(size + np.arange(len(state.times)))
        self.size = size + len(state.times)
        self.targets: Array = np.concatenate(targets)
        self.cells: Array = np.concatenate(cells)
        self.packet_rows: Array = np.array(packet_rows)
        self.source_rows: Array = np.array([kind_of[thread.source] for thread in spec.threads])
        self._spare = state.spare.copy()
        self._free = state.workgroup.view(np.int64).copy()
        self.events = len(state.heap)

    @cached_property
    def addresses(self) -> Any:
        """Of the arrays of every :meth:`state`."""
        return addresses(self._state)

    @property
    def own(self) -> Array:
        """The numbers of the run that it was made of."""
        found = np.zeros(self.size, np.int64)
        found[self.cells] = self.words[self.targets]
        return found

    def numbers(
        self,
        policies: Policies,
        costs: Costs,
        seed: int,
        requests: Sequence[Sequence[Packet]],
        sources: Sequence[Source],
    ) -> Array:
        """The numbers of a run; ``requests`` and ``sources`` by kind. See :attr:`size`.

        Raises:
            SpecError: a packet cannot be run.
        """
        spec = self.with_policies(policies)
        times = Distributions()
        g = self.words[: len(GLOBAL.names or ())].copy()
        rows = np.zeros(sum(map(len, self.steps)), PACKET)
        filled = iter(rows)
        for request, steps in zip(requests, self.steps, strict=True):
            for step in steps:
                packet, row = request[step], next(filled)
                check_packet(f"step {step}", packet, spec, len(request))
                fill_packet(row, spec, packet)
                row["times_at"], row["times_n"] = times.place(packet.time.quantiles)
        source_rows = np.zeros(len(sources), SOURCE)
        for row, source in zip(source_rows, sources, strict=True):
            fill_source(row, source, times)
        head = g.view(GLOBAL)[0]
        head["seed"] = seed & 0xFFFFFFFF
        head["bandwidth"] = int(rows["bandwidth"].any())
        for given in (costs, policies):
            for one in fields(given):
                head[one.name] = getattr(given, one.name)
        return np.concatenate(
            [g, rows.view(np.int64).ravel(), source_rows.view(np.int64).ravel(), np.array(times.values or [0])]
        )

    def rows(self, numbers: Array) -> tuple[Array, Array]:
        """The rows of packets and of sources in the numbers of many runs."""
        begin, width = len(GLOBAL.names or ()), len(SOURCE.names or ())
        end = self.times_at - width * (1 + int(self.source_rows.max()))

        def view(words: Array, dtype: np.dtype[np.void]) -> Array:
            return np.ascontiguousarray(words).view(dtype)

        return view(numbers[:, begin:end], PACKET), view(numbers[:, end : self.times_at], SOURCE)

    def state(self, numbers: Array) -> State:
        """The state of a run at time zero. It is good until the next is asked for: they share their memory."""
        self._own[:] = self.words
        self._own[self.targets] = numbers[self.cells]
        state = self._state
        state.workgroup.view(np.int64)[:] = self._free
        state.ends[:] = NEVER
        state.spare[:] = self._spare
        state.heap[:] = NEVER
        state.log.view(np.int64)[:] = 0
        return state
