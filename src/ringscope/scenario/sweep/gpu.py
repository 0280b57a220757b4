"""Running the shards of a sweep on an NVIDIA GPU: all cores build the points, the GPU runs them.

What comes of it are the rows of a run on the CPU. That is looked at each time: of every launch some points are built
from the file alone and run on the CPU, and a difference ends the sweep. A shard with a point that has no place on the
GPU runs on the core that builds it.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np

from ringscope.engine.batch import Gpu, Lot, digest
from ringscope.engine.frame import SEED, Frame
from ringscope.engine.run import Totals
from ringscope.engine.state import Array
from ringscope.errors import InputError, RingscopeError
from ringscope.records import dataclass, replace
from ringscope.scenario.build import build
from ringscope.scenario.outcome import simulate
from ringscope.scenario.schema import Draft
from ringscope.scenario.sweep.points import Sweep
from ringscope.scenario.sweep.results import Asked, Columns, Runs, read_out
from ringscope.scenario.sweep.shards import Shard, on_all_cores
from ringscope.scenario.sweep.templates import Builder

LAUNCH_RUNS = 1 << 15
"""So many runs keep an H200 busy; what a kill may cost."""
LAUNCHES = 3
"""Under way at once: where the last runs of one leave room, the next one's begin."""
LAUNCH_EVENTS = 4 << 30
"""A launch that has more events takes seconds, and progress is told only after it."""
SAMPLED = 16
"""Of one in so many shards, and of a launch that would have none, the CPU runs a point, too."""


@dataclass(frozen=True)
class Packed:
    """A shard ready for the GPU.

    Attributes:
        number: the shard's.
        head: what its rows begin with.
        asked: of the points that are not refused, in order; each has as many runs as replications.
        lots: their runs, by structure.
        runs, events: how many, and about how many events they have.
        sample: runs that the CPU has made, too: the point, which of the runs it is, its digest.
        whole: the CPU has run the shard: the head is all of its rows.
    """

    number: int
    head: Columns
    asked: tuple[Asked, ...] = ()
    lots: tuple[Lot, ...] = ()
    runs: int = 0
    events: int = 0
    sample: tuple[tuple[int, int, str], ...] = ()
    whole: bool = False

    @property
    def points(self) -> list[int]:
        """Those that are not refused."""
        return [point for point, why in zip(self.head["point"], self.head["refused"], strict=True) if why is None]


def pack(sweep: Sweep, number: int) -> Packed:
    """Build the points of a shard."""
    points = sweep.shard(number)
    values = sweep.columns(points)
    blocks, alone, refused = sweep.built(points, values)
    asked: dict[int, Asked] = {}
    parts: dict[int, tuple[Frame, list[tuple[Array, Array]]]] = {}
    """By frame: which of the points, and their numbers."""
    for block in blocks:
        asked |= zip(block.members.tolist(), block.asked, strict=True)
        parts.setdefault(id(block.template.frame), (block.template.frame, []))[1].append((block.members, block.numbers))
    try:
        for member, point in alone:
            asked[member] = point.asked
            if point.template is not None and point.numbers is not None:
                frame, numbers = point.template.frame, point.numbers
            else:  # a structure of its own
                frame = Frame(point.built.spec, range(len(point.built.spec.threads)))
                numbers = frame.own
            parts.setdefault(id(frame), (frame, []))[1].append((np.array([member]), numbers[None]))
    except ValueError:
        return Packed(number, sweep.rows(points), whole=True)
    members = sorted(asked)
    replications, until = np.zeros((2, len(points)), np.int64)
    for member, one in asked.items():
        replications[member], until[member] = one.replications, one.horizon_ns
    first = np.cumsum(replications) - replications
    lots = []
    for frame, mine in parts.values():
        whose = np.concatenate([part for part, _ in mine])
        rows = np.concatenate([part for _, part in mine])
        each = np.repeat(np.arange(len(whose)), replications[whose])
        turn = np.arange(len(each)) - (np.cumsum(replications[whose]) - replications[whose])[each]
        runs, whose = rows[each], whose[each]
        runs[:, SEED] = runs[:, SEED] + turn & 0xFFFFFFFF
        lots.append(Lot.of(frame, runs, until[whose], first[whose] + turn))
    packed = Packed(
        number,
        sweep.head(points, values, refused),
        tuple(asked[member] for member in members),
        tuple(lots),
        int(replications.sum()),
        sum(int(lot.cost.sum()) for lot in lots),
    )
    return packed if number % SAMPLED else replace(packed, sample=_sample(sweep, packed))


def _sample(sweep: Sweep, packed: Packed) -> tuple[tuple[int, int, str], ...]:
    """The runs of a point of the shard, built from the file by itself and run on the CPU."""
    if not packed.asked:
        return ()
    at = random.Random(packed.number).randrange(len(packed.asked))  # noqa: S311 - a sample, no secret
    point, place = packed.points[at], sum(asked.replications for asked in packed.asked[:at])
    alone = Builder(Draft.of(sweep.text, sweep.file), sweep.axes, sweep.folder, sweep.times)
    try:
        outcome = simulate(build(alone.scenario(sweep.values(point))))
    except RingscopeError:  # larger than the engine can hold: there or here, somebody will say so
        return ()
    digests = map(digest, outcome.logs, outcome.totals)
    return tuple((point, place + replication, one) for replication, one in enumerate(digests))


def run_shards(sweep: Sweep, numbers: Iterable[int], workers: int) -> Iterator[Shard]:
    """Run the shards and give them as they finish, launch by launch; the rows are those of a run on the CPU.

    Raises:
        InputError: no GPU can be used, a worker died, or the GPU's runs are not the CPU's.
    """
    packs = map(partial(pack, sweep), numbers) if workers == 1 else on_all_cores(pack, sweep, numbers, workers)
    with ThreadPoolExecutor(LAUNCHES) as threads:  # the GPU's: packs come in and rows go out meanwhile
        gpu = threads.submit(Gpu).result()
        launched: deque[tuple[list[Packed], Future[Launched]]] = deque()
        waiting: list[Packed] = []
        first = True
        for packed in packs:
            waiting.append(packed)
            full = sum(one.runs for one in waiting) >= LAUNCH_RUNS or sum(one.events for one in waiting) > LAUNCH_EVENTS
            if first or full:  # the first is small: compiling is done with it
                launched.append((waiting, threads.submit(_launch, gpu, sweep, waiting)))
                waiting, first = [], False
            while launched and (launched[0][1].done() or len(launched) > LAUNCHES + 1):
                yield from _shards(sweep, *launched.popleft())
        if waiting:
            launched.append((waiting, threads.submit(_launch, gpu, sweep, waiting)))
        while launched:
            yield from _shards(sweep, *launched.popleft())


class Launched(NamedTuple):
    """What a launch gave: the results of its points in order, and those that the engine could not hold.

    And the seconds that it took; the first has a compilation in it and tells none.
    """

    found: dict[str, Array]
    beyond: set[int]
    seconds: float | None


def _launch(gpu: Gpu, sweep: Sweep, packs: Sequence[Packed]) -> Launched:
    """Run the packs; InputError where the GPU runs otherwise than the CPU."""
    begun, compiled = time.perf_counter(), gpu.seconds > 0
    lots, firsts, at = [], [], 0
    for packed in packs:
        lots += [replace(lot, places=lot.places + at) for lot in packed.lots]
        firsts.append(at)
        at += packed.runs
    ran = gpu.run(lots)
    gone = set(ran.beyond.tolist())
    samples = [packed.sample for packed in packs]
    if not any(samples):
        samples[0] = _sample(sweep, packs[0])
    for first, sample in zip(firsts, samples, strict=True):
        for point, place, there in sample:
            run = first + place
            if run not in gone and digest(ran.log_of(run), Totals.of(ran.g[run])) != there:
                raise InputError(f"the GPU runs point {point} otherwise than the CPU", todo="leave out --cuda")
    asked = [point for packed in packs for point in packed.asked]
    found = read_out(asked, Runs.of(ran.g, ran.log, ran.ends), sweep.kinds) if asked else {}
    ends = np.cumsum([point.replications for point in asked])
    beyond = set(np.searchsorted(ends, ran.beyond, "right").tolist())
    return Launched(found, beyond, time.perf_counter() - begun if compiled else None)


def _shards(sweep: Sweep, packs: Sequence[Packed], running: Future[Launched]) -> Iterator[Shard]:
    found, beyond, seconds = running.result()
    begun = 0
    for packed in packs:
        mine = range(begun, begun + len(packed.asked))
        begun = mine.stop
        rows = packed.head
        if beyond.intersection(mine):
            rows = sweep.rows(sweep.shard(packed.number))  # the CPU says what of it is refused, and why
        elif not packed.whole:
            rows = sweep.completed(rows, {name: values[mine.start : mine.stop] for name, values in found.items()})
        yield Shard(packed.number, rows, None if seconds is None else seconds / len(packs))
