"""Many small runs at once on one NVIDIA GPU: the engine's own text, a GPU thread a run.

A run goes to the GPU as a :class:`Job`: what its state holds at time zero, as far as it differs from another run's of
the same shape. Its pools (workgroups, events, log) are laid out there and no larger than it can fill; where that was
too little the run is made again with more, which gives the same. What comes back is what
:class:`~ringscope.engine.run.Engine` gives, to the byte. How runs lie on the GPU is :mod:`.tiles`' to say.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ringscope.engine import codes
from ringscope.engine.codes import WORKGROUP_BITS
from ringscope.engine.jit import numba
from ringscope.engine.run import Totals
from ringscope.engine.spec import Machine, Op, Queue, Spec, SpecError
from ringscope.engine.state import GLOBAL, LOG, Array, State, build, tournament
from ringscope.errors import InputError
from ringscope.records import dataclass, replace

LANES = 32
BLOCK = 4 * LANES
LOG_ROWS = 32
"""Requests that a run may finish before it is made again with a larger log."""
MOST_BYTES = 48 << 30
"""What one launch may take, where the GPU has twice that free."""
_STATE = State._fields
_GIVEN = _STATE[: _STATE.index("workgroup")]
_POOLS = _STATE[len(_GIVEN) : _STATE.index("trace")]


def _grid(rows: int) -> int:
    """1, 2, 3, 4, 6, 8, 12 …: runs that differ little then have one shape."""
    power = 1 << (rows - 1).bit_length()
    return power * 3 // 4 if power > 2 and rows <= power * 3 // 4 else power


@dataclass(frozen=True)
class Job:
    """One run, ready for the GPU.

    Attributes:
        shape: rows and columns of the given arrays, in the order of State's fields.
        template: the words of those arrays, of this run or of one of the same shape.
        changed: which words of this run are others, ``values``: what they are.
        pools: rows of every pool.
        until_ns: where it ends.
        cost: about how many events it has.
    """

    shape: tuple[tuple[int, int], ...]
    template: Array
    changed: Array
    values: Array
    pools: tuple[int, ...]
    until_ns: int
    cost: int

    def larger(self, short: int) -> Job:
        """With more room for what there was too little of."""
        workgroups, _, _, events, log = self.pools
        most = 1 << WORKGROUP_BITS
        if short == codes.MORE_WORKGROUPS and workgroups >= most:
            raise SpecError(f"more than {most} workgroups are running or saved at once")
        workgroups = min(most, 4 * workgroups) if short == codes.MORE_WORKGROUPS else workgroups
        events *= 4 if short == codes.MORE_EVENTS else 1
        log *= 4 if short == codes.MORE_LOG else 1
        return replace(self, pools=_pools(workgroups, events, log))


def _pools(workgroups: int, events: int, log: int) -> tuple[int, ...]:
    """Rows of the pools where so many workgroups may run or be saved at once."""
    inner, leaves = tournament(workgroups)
    # Four nodes of the tree lie in one sector of memory when it begins at one.
    return leaves, -(-(3 + inner + leaves) // 4) * 4, leaves, events, log


class Jobs:
    """Makes jobs that share their templates: one for each shape."""

    def __init__(self) -> None:
        self._templates: dict[tuple[tuple[int, int], ...], Array] = {}

    def of(self, spec: Spec, until_ns: int) -> Job:
        """The run of ``spec`` up to ``until_ns``."""
        state = build(spec, log_rows=LOG_ROWS)
        g = state.g[0]
        resident = min(int(g["resident"]), max(1, _outstanding(spec)))
        g["resident"] = resident
        # Saved ones need records of their own; where nobody is ever preempted there are none.
        compute = [queue for queue in spec.queues if queue.sdma_engine is None]
        slots, vmids = len(spec.machine.slots), spec.machine.processes
        fits = len(compute) <= slots and len({queue.process for queue in compute}) <= vmids and not spec.controls
        groups = resident if fits else 2 * resident
        g["first_leaf"] = 3 + tournament(groups)[0]
        parts, shape = [], []
        for name in _GIVEN:
            array: Array = getattr(state, name)
            words = array.view(np.int64).reshape(len(array), -1)
            rows = _grid(len(array))
            shape.append((rows, array.shape[1] if array.ndim > 1 else 1))
            parts += [words.ravel(), np.zeros((rows - len(array)) * words.shape[1], np.int64)]
        words = np.concatenate(parts)
        template = self._templates.setdefault(tuple(shape), words)
        changed = np.flatnonzero(words != template).astype(np.int32)
        pools = _pools(groups, state.heap.size, state.log.size)
        return Job(tuple(shape), template, changed, words[changed], pools, until_ns, _events(state, until_ns))


def _outstanding(spec: Spec) -> int:
    """The most workgroups that run or are saved at once, were there room for all.

    A host thread has one request under way. Packets of a queue overlap unless all have the barrier bit.
    """
    largest: dict[int, int] = {}
    total: dict[int, int] = {}
    overlap = set()
    for thread in spec.threads:
        for packet in thread.packets:
            if packet.op is Op.DISPATCH:
                queue, groups = packet.queue, packet.workgroups
                largest[queue] = max(largest.get(queue, 0), groups)
                total[queue] = total.get(queue, 0) + groups
                if not packet.barrier:
                    overlap.add(queue)
    return sum(total[queue] if queue in overlap else groups for queue, groups in largest.items())


def _events(state: State, until_ns: int) -> int:
    """About how many workgroups end in a run: what each thread would do were it alone."""
    packet = state.packet
    middle = state.times[np.minimum(packet["times_at"] + packet["times_n"] // 2, len(state.times) - 1)]
    busy = np.bincount(packet["thread"], packet["rounds"] * middle + packet["host_ns"])
    groups = np.bincount(packet["thread"], packet["workgroups"] + 4)
    return int((until_ns * groups / np.maximum(busy, 1)).sum())


class Ran(NamedTuple):
    """What a run gave: its global row, and a row a finished request."""

    g: Array
    log: Array

    @property
    def totals(self) -> Totals:
        """What it counted."""
        return Totals.of(self.g)

    @property
    def digest(self) -> str:
        """Equal for equal completions and counters."""
        return hashlib.sha256(self.log.tobytes() + repr(self.totals).encode()).hexdigest()


def cells(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """``dtype`` as a lane of a tile has it: 8-byte fields, each :data:`LANES` words after the other."""
    if dtype.names is None:
        return dtype
    count = len(dtype.names)
    fields: Any = {
        "names": list(dtype.names),
        "formats": ["i8"] * count,
        "offsets": [8 * LANES * field for field in range(count)],
        "itemsize": 8 * LANES * count,
    }
    whole: np.dtype[Any] = np.dtype(fields, align=True)
    return whole


class Gpu:
    """An NVIDIA GPU with the engine on it.

    Attributes:
        bytes_per_run: what the state of a run took there, in the last launch.
        seconds: in kernels, of all launches.

    Raises:
        InputError: there is none, or numba-cuda is missing.
    """

    def __init__(self) -> None:
        try:
            import numba.cuda  # noqa: PLC0415

            self._cuda: Any = numba.cuda
            found = self._cuda.is_available()
        except ImportError as error:
            raise InputError(f"no CUDA here ({error})", todo="pip install 'ringscope[cuda]'") from error
        if not found:
            raise InputError("no NVIDIA GPU can be used", todo="leave out --cuda, or pip install 'ringscope[cuda]'")
        from ringscope.engine import tiles  # noqa: PLC0415 - reads the engine's text for the GPU

        self._kernels: Any = tiles
        # One tiny state tells what every array holds.
        self._arrays = build(Spec(Machine(), (Queue(),)))
        self.bytes_per_run = 0.0
        self.seconds = 0.0

    @property
    def name(self) -> str:
        """The GPU's."""
        name = getattr(self._cuda.current_context().device, "name", "Numba's simulator")
        return name.decode() if isinstance(name, bytes) else str(name)

    def run(self, jobs: Sequence[Job]) -> list[Ran]:
        """Run all; their results in the order given."""
        found: list[Ran | None] = [None] * len(jobs)
        left = dict(enumerate(jobs))
        while left:
            again = {}
            for numbers in self._launches(left):
                lanes = [None if number < 0 else left[number] for number in numbers]
                stopped, runs = self._launch(lanes)
                for number, code, ran in zip(numbers, stopped, runs, strict=True):
                    if number < 0:
                        continue
                    if code == codes.DONE:
                        found[number] = ran
                    else:
                        again[number] = left[number].larger(code)
            left = again
        return [ran for ran in found if ran is not None]

    def _launches(self, jobs: dict[int, Job]) -> Iterator[list[int]]:
        """Numbers of jobs, lane by lane; -1 for a lane left empty where the runs of a shape fill no tile.

        A tile's runs have one shape and are about equally long; the longest tiles come first. A launch's runs agree in
        their columns.
        """
        most = min(MOST_BYTES, self._cuda.current_context().get_memory_info()[0] // 2)
        alike: dict[tuple[tuple[int, int], ...], list[int]] = {}
        for number, job in jobs.items():
            alike.setdefault(job.shape, []).append(number)
        launches: dict[tuple[int, ...], list[list[int]]] = {}
        for shape, numbers in alike.items():
            numbers.sort(key=lambda number: -jobs[number].cost)
            lanes = numbers + [-1] * (-len(numbers) % LANES)
            tiles = launches.setdefault(tuple(columns for _, columns in shape), [])
            tiles += [lanes[at : at + LANES] for at in range(0, len(lanes), LANES)]
        widths = [getattr(self._arrays, name).itemsize for name in _POOLS]
        for tiles in launches.values():
            tiles.sort(key=lambda tile: -jobs[tile[0]].cost)
            launch: list[int] = []
            held = 0
            for tile in tiles:
                some = [jobs[number] for number in tile if number >= 0]
                bytes_ = 8 * LANES * len(some[0].template) + int((np.array([job.pools for job in some]) @ widths).sum())
                if launch and held + bytes_ > most:
                    yield launch
                    launch, held = [], 0
                launch += tile
                held += bytes_
            yield launch

    def _width(self, name: str) -> int:
        """Words of a row's column."""
        dtype = getattr(self._arrays, name).dtype
        return 1 if dtype.names is None else len(dtype.names)

    def _launch(self, lanes: Sequence[Job | None]) -> tuple[list[int], list[Ran]]:
        """Return code and result of every lane."""
        cuda = self._cuda
        jobs = [job for job in lanes if job is not None]
        places = np.array([job is not None for job in lanes])

        def laid(values: Iterable[Any], empty: int) -> Array:
            """By lane."""
            found = np.full(len(lanes), empty, np.int64)
            found[places] = np.fromiter(values, np.int64, len(jobs))
            return found

        templates: dict[int, int] = {}
        template_words = []
        end = 0
        for job in jobs:
            if id(job.template) not in templates:
                templates[id(job.template)] = end
                template_words.append(job.template)
                end += len(job.template)
        firsts = [lanes[at] for at in range(0, len(lanes), LANES)]
        shapes = np.array([job.shape for job in firsts if job is not None], np.int64)  # tile, array, rows and columns
        widths = np.array([self._width(name) for name in _GIVEN])
        starts = np.concatenate([[0], np.cumsum(shapes[:, :, 0] * shapes[:, :, 1] * widths)])
        # Each tile's arrays, and where the last ends: that is where the next tile begins.
        at = np.stack(
            [starts[k : k + 1 + (len(firsts) - 1) * len(_GIVEN) : len(_GIVEN)] for k in range(len(_GIVEN) + 1)]
        )
        words = cuda.device_array((int(starts[-1]) + 1, LANES), np.int64)
        pools = np.zeros((len(_POOLS), len(lanes) + 1), np.int64)
        for k, sizes in enumerate(zip(*(job.pools for job in jobs), strict=True)):
            np.cumsum(laid(sizes, 0), out=pools[k, 1:])
        columns = shapes[0, :, 1]
        views = [self._view(words, name, int(across)) for name, across in zip(_GIVEN, columns, strict=True)]
        lengths = dict(zip(_POOLS, pools[:, -1].tolist(), strict=True))
        views += [
            cuda.device_array(lengths.get(name, 1), getattr(self._arrays, name).dtype) for name in _STATE[len(_GIVEN) :]
        ]
        changes = laid((len(job.changed) for job in jobs), 0)
        short = cuda.device_array(len(lanes), np.int64)
        totals = cuda.device_array((len(lanes), self._width("g")), np.int64)
        arguments: list[Any] = [
            laid((job.until_ns for job in jobs), 0),
            short,
            np.concatenate(template_words),
            laid((templates[id(job.template)] for job in jobs), -1),
            np.concatenate([job.changed for job in jobs]),
            np.concatenate([job.values for job in jobs]),
            np.concatenate([[0], np.cumsum(changes)]),
            totals,
            words,
            at,
            np.ascontiguousarray(shapes[:, :, 0].T),
            pools,
        ]
        arguments = [cuda.to_device(one) if isinstance(one, np.ndarray) else one for one in arguments]
        blocks = -(-len(lanes) // BLOCK)
        cuda.synchronize()
        begun = time.perf_counter()
        self._kernels.run_tiles[blocks, BLOCK](*arguments, *views)
        cuda.synchronize()
        self.seconds += time.perf_counter() - begun
        self.bytes_per_run = sum(one.nbytes for one in (words, *views[len(_GIVEN) :])) / len(jobs)
        stopped = short.copy_to_host().tolist()
        rows = totals.copy_to_host().view(GLOBAL)[:, 0]
        used = np.where(places, rows["log_rows"], 0)
        ends = np.concatenate([[0], np.cumsum(used)])
        logs = cuda.device_array(int(ends[-1]) + 1, LOG)
        width = len(LOG.names or ())
        self._kernels.gather[blocks, BLOCK](
            views[_STATE.index("log")].view(np.int64),
            cuda.to_device(pools[_POOLS.index("log"), :-1] * width),
            cuda.to_device(ends * width),
            logs.view(np.int64),
        )
        log = logs.copy_to_host()
        cuts = ends.tolist()
        found = [Ran(row, log[start:stop]) for row, start, stop in zip(rows, cuts, cuts[1:], strict=False)]
        return stopped, found

    def _view(self, words: Any, name: str, columns: int) -> Any:
        """``words`` as arrays like State's of that name, by the word at which they start, the lane and the row."""
        array: Array = getattr(self._arrays, name)
        dtype = cells(array.dtype)
        step = 8 * LANES * self._width(name)
        shape = (words.shape[0], LANES, words.shape[0], *((columns,) if array.ndim > 1 else ()))
        strides = (8 * LANES, 8, step * columns, *((step,) if array.ndim > 1 else ()))
        if numba.config.ENABLE_CUDASIM:
            from numba.cuda.simulator.cudadrv import devicearray  # noqa: PLC0415

            fake: Any = devicearray.FakeCUDAArray
            start = np.ndarray((1,), dtype, words._ary)
            return fake(np.lib.stride_tricks.as_strided(start, shape, strides))
        from numba.cuda.cudadrv import devicearray as real  # noqa: PLC0415

        make: Any = real.DeviceNDArray
        return make(shape, strides, dtype, gpu_data=words.gpu_data)
