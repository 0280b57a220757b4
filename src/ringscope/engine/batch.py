"""Many small runs at once on one NVIDIA GPU: the engine's own text, a GPU thread a run.

Runs go to the GPU as :class:`Lot` s: of every run the numbers in which it differs from the others of its
:class:`~ringscope.engine.frame.Frame`. Their pools (workgroups, events, log) are laid out there and no larger than they
can fill; a run that had too little is made again with more, which gives the same. What comes back is what
:class:`~ringscope.engine.run.Engine` gives, to the byte. How runs lie on the GPU is :mod:`.tiles`' to say.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ringscope.engine import codes
from ringscope.engine.codes import WORKGROUP_BITS
from ringscope.engine.frame import GIVEN, Frame
from ringscope.engine.run import Totals
from ringscope.engine.spec import Arrival, Machine, Op, Queue, Spec
from ringscope.engine.state import GLOBAL, LOG, RESIDENCE, TRACE, WORKGROUP, Array, State, build
from ringscope.errors import InputError
from ringscope.records import dataclass

LANES = 32
BLOCK = 4 * LANES
MOST_BYTES = 48 << 30
"""What one launch may take, where the GPU has twice that free."""
_STATE = State._fields
_POOLS = {
    "workgroup": (WORKGROUP, ()),
    "ends": (np.dtype("i8"), (4,)),
    "spare": (np.dtype("i4"), ()),
    "heap": (np.dtype("i8"), ()),
}
"""What a tile has of every pool: records, and in what they are laid out."""
_KEPT = (*Totals.__dataclass_fields__, "busy_cus", "slots_used", "log_rows")
TOTALS = np.dtype([(name, "i8") for name in _KEPT])
"""What comes back of a run's global row."""
_BYTES = np.array([dtype.itemsize * math.prod(inner) for dtype, inner in _POOLS.values()])
_KEPT_AT = np.array([(GLOBAL.names or ()).index(name) for name in _KEPT])
_LOG = 2
"""Of the room: the rows of the log."""
_MOST_WORKGROUPS = 1 << WORKGROUP_BITS


def _grid(rows: int) -> int:
    """1, 2, 3, 4, 6, 8, 12 …: runs that differ little then have one shape."""
    power = 1 << (rows - 1).bit_length()
    return power * 3 // 4 if power > 2 and rows <= power * 3 // 4 else power


def _pools(room: Array) -> Array:
    """Records of every pool, of runs whose ``room`` is for so many workgroups, events and rows of the log."""
    inner = -(-(room[:, 0] - 1) // 3)  # as state.tournament has it
    leaves = 3 * inner + 1
    return np.stack([leaves, (3 + inner + leaves + 3) // 4, leaves, room[:, 1]], axis=1)


@dataclass(frozen=True)
class Lot:
    """Runs of one frame, ready for the GPU.

    Attributes:
        shape: rows and columns of the given arrays, in the order of State's fields.
        words: those arrays.
        words_key: equal for equal words.
        targets, cells: word ``targets[i]`` of a run is its number ``cells[i]``.
        numbers: in which runs differ, a row each.
        room: of each run, for how many workgroups, events and finished requests.
        until_ns: where each ends.
        cost: about how many events each has.
        places: where each stands among the results.
    """

    shape: tuple[tuple[int, int], ...]
    words: Array
    words_key: bytes
    targets: Array
    cells: Array
    numbers: Array
    room: Array
    until_ns: Array
    cost: Array
    places: Array

    @classmethod
    def of(cls, frame: Frame, numbers: Array, until_ns: Array, places: Array) -> Lot:
        """Runs of ``frame``, a row of numbers each."""
        numbers = numbers.copy()
        g = numbers[:, : len(GLOBAL.names or ())].view(GLOBAL)[:, 0]
        packets, sources = frame.rows(numbers)
        g["resident"] = np.minimum(g["resident"], np.maximum(1, _outstanding(frame, packets["workgroups"])))
        # Saved ones need records of their own; where nobody is ever preempted there are none.
        groups = g["resident"] * (1 if _fits(frame.spec) else 2)
        # What each thread would do were it alone.
        steps = [len(thread.packets) for thread in frame.spec.threads]
        sent = _counts(np.repeat(np.arange(len(steps)), steps), frame.packet_rows)
        busy = (packets["rounds"] * _middle(frame, numbers, packets) + packets["host_ns"]) @ sent
        pause = np.where(sources["arrival"] == Arrival.CLOSED, _middle(frame, numbers, sources), 0)[
            :, frame.source_rows
        ]
        requests = until_ns[:, None] / np.maximum(busy + pause, 1)
        cost = (requests * ((packets["workgroups"] + 4) @ sent)).sum(axis=1)
        rows = np.minimum(requests.sum(axis=1) * 1.1, 1 << 16) + len(steps) + 4
        room = np.stack([groups, np.full(len(groups), frame.events), rows.astype(np.int64)], axis=1)

        differs = (numbers != numbers[0]).any(axis=0)
        words = frame.words.copy()
        words[frame.targets] = np.where(differs, 0, numbers[0])[frame.cells]
        turned = differs[frame.cells]
        targets, cells = frame.targets[turned], (np.cumsum(differs) - 1)[frame.cells[turned]]
        # Every array is as long as those of runs that differ little.
        shape: list[tuple[int, int]] = []
        parts: list[Array] = []
        moved = np.zeros(len(words), np.int64)
        at = 0
        for (rows_, columns), name in zip(frame.shape, GIVEN, strict=True):
            width = columns * _width(name)
            part = words[at : at + rows_ * width]
            moved[at : at + len(part)] = np.arange(len(part)) + sum(map(len, parts))
            at += len(part)
            shape.append((_grid(rows_), columns))
            parts.append(np.concatenate([part, np.zeros((_grid(rows_) - rows_) * width, np.int64)]))
        words = np.concatenate(parts)
        return cls(
            tuple(shape),
            words,
            hashlib.sha256(words.tobytes()).digest(),
            moved[targets],
            cells,
            numbers[:, differs],
            room,
            until_ns,
            cost.astype(np.int64),
            places,
        )


def _width(name: str) -> int:
    """Words of a row's column."""
    dtype = getattr(_TINY, name).dtype
    return 1 if dtype.names is None else len(dtype.names)


_TINY = build(Spec(Machine(), (Queue(),)))
"""One tiny state tells what every array holds."""


def _middle(frame: Frame, numbers: Array, rows: Array) -> Array:
    """How long the middle one of each row's times is."""
    middle = np.minimum(rows["times_at"] + rows["times_n"] // 2, frame.size - frame.times_at - 1)
    found: Array = np.take_along_axis(numbers[:, frame.times_at :], middle, axis=1)
    return found


def _counts(groups: Array, rows: Array) -> Array:
    """How often each row comes in each group: row by group."""
    shape = 1 + int(rows.max()), 1 + int(groups.max())
    counts: Array = np.bincount(rows * shape[1] + groups, minlength=shape[0] * shape[1]).reshape(shape)
    return counts


def _fits(spec: Spec) -> bool:
    """Whether every queue has a slot all the time."""
    compute = [queue for queue in spec.queues if queue.sdma_engine is None]
    slots, vmids = len(spec.machine.slots), spec.machine.processes
    return len(compute) <= slots and len({queue.process for queue in compute}) <= vmids and not spec.controls


def _outstanding(frame: Frame, workgroups: Array) -> Array:
    """The most workgroups that run or are saved at once, were there room for all; ``workgroups`` by run and packet row.

    A host thread has one request under way. Packets of a queue overlap unless all have the barrier bit.
    """
    packets = [packet for thread in frame.spec.threads for packet in thread.packets]
    dispatches = [at for at, packet in enumerate(packets) if packet.op is Op.DISPATCH]
    queues = np.array([packets[at].queue for at in dispatches])
    sent = _counts(queues, frame.packet_rows[dispatches])
    found = np.zeros(len(workgroups), np.int64)
    overlap = {packets[at].queue for at in dispatches if not packets[at].barrier}
    for queue in dict.fromkeys(queues.tolist()):
        rows = np.flatnonzero(sent[:, queue])
        mine = workgroups[:, rows]
        found += mine @ sent[rows, queue] if queue in overlap else mine.max(axis=1)
    return found


def digest(log: Array, totals: Totals) -> str:
    """Of a run; equal for equal completions and counters."""
    return hashlib.sha256(log.tobytes() + repr(totals).encode()).hexdigest()


class Ran(NamedTuple):
    """What runs gave: a global row each, their finished requests run after run, and where those of each end.

    ``beyond`` are runs that are larger than the engine can hold, and have given nothing.
    """

    g: Array
    log: Array
    ends: Array
    beyond: Array

    def log_of(self, run: int) -> Array:
        """The finished requests of one."""
        return self.log[self.ends[run - 1] if run else 0 : self.ends[run]]


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
        self._cuda = found_cuda()
        from ringscope.engine import tiles  # noqa: PLC0415 - reads the engine's text for the GPU

        self._kernels: Any = tiles
        # Numba loads a kernel at its first launch, and is confused by two threads that want the same one.
        self._launching = threading.Lock()
        self.bytes_per_run = 0.0
        self.seconds = 0.0

    @property
    def name(self) -> str:
        """The GPU's."""
        name = getattr(self._cuda.current_context().device, "name", "Numba's simulator")
        return name.decode() if isinstance(name, bytes) else str(name)

    def run(self, lots: Sequence[Lot]) -> Ran:
        """Run all; every run's results are at its place, and the places are all from 0 on.

        Several threads may do so at once: where one's runs leave room, those of another begin.

        Raises:
            InputError: a run takes more memory than the GPU has.
        """
        if not lots:
            return Ran(np.zeros(0, TOTALS), np.zeros(0, LOG), np.zeros(0, np.int64), np.zeros(0, np.int64))
        runs = _Runs(lots)
        count = len(runs.until)
        stream = self._cuda.stream()
        totals = self._cuda.device_array((count, len(_KEPT)), np.int64)
        logs: list[tuple[Array, Array]] = []
        sent = [self._cuda.to_device(one, stream) for one in runs.shared]
        left, beyond = np.arange(count), np.zeros(0, np.int64)
        while len(left):
            again = []
            for lanes in self._launches(runs, left):
                stopped, log = self._launch(runs, sent, lanes, totals, stream)
                done, short = stopped == codes.DONE, stopped > codes.DONE
                logs.append((runs.places[lanes[done]], log))
                again.append(runs.enlarge(lanes[short], stopped[short]))
            left = np.concatenate(again)
            beyond = np.concatenate([beyond, left[runs.too_large[left]]])
            left = left[~runs.too_large[left]]
        found = _home(totals, stream).view(TOTALS)[:, 0]
        found[runs.places[beyond]] = 0
        ends = np.cumsum(found["log_rows"])
        return Ran(found, _in_order(logs, found["log_rows"], ends), ends, runs.places[beyond])

    def _launches(self, runs: _Runs, left: Array) -> Iterator[Array]:
        """Numbers of runs, lane by lane; -1 for a lane left empty where the runs of a shape fill no tile.

        A tile's runs have one shape and are about equally long; the longest tiles come first. A launch's runs agree in
        their columns.
        """
        most = min(MOST_BYTES, self._cuda.current_context().get_memory_info()[0] // 2)
        tiles = []
        order = left[np.lexsort((-runs.cost[left], runs.shape_of[left]))]
        for same in np.split(order, np.flatnonzero(np.diff(runs.shape_of[order])) + 1):
            padded = np.concatenate([same, np.full(-len(same) % LANES, -1)])
            tiles.append(padded.reshape(-1, LANES))
        every = np.concatenate(tiles)
        first = every[:, 0]
        every = every[np.lexsort((-runs.cost[first], runs.columns_of[first]))]
        first = every[:, 0]
        held = LANES * (8 * runs.words_of[first] + _pools(runs.most_room(every)) @ _BYTES)
        held += LOG.itemsize * np.where(every < 0, 0, runs.room[every, _LOG]).sum(axis=1)
        if held.max() > most:
            what = f"32 runs take {held.max() / (1 << 30):.1f} GiB, and the GPU has {most / (1 << 30):.1f} for them"
            raise InputError(what, todo="leave out --cuda")
        begin, full = 0, 0
        for tile, bytes_here in enumerate(held.tolist()):
            other = runs.columns_of[first[tile]] != runs.columns_of[first[begin]]
            if tile > begin and (full + bytes_here > most or other):
                yield every[begin:tile].ravel()
                begin, full = tile, 0
            full += bytes_here
        yield every[begin:].ravel()

    def _launch(self, runs: _Runs, sent: Sequence[Any], lanes: Array, totals: Any, stream: Any) -> tuple[Array, Array]:
        """Return code of every lane (-1: it is empty), and the logs in order of place; global rows go to ``totals``."""
        cuda = self._cuda
        taken = lanes >= 0
        firsts = lanes[::LANES]
        shapes = runs.shapes[runs.shape_of[firsts]]  # tile, array, rows and columns
        widths = np.array([_width(name) for name in GIVEN])
        starts = np.concatenate([[0], np.cumsum(shapes[:, :, 0] * shapes[:, :, 1] * widths)])
        # Each tile's arrays, and where the last ends: that is where the next tile begins.
        at = np.stack([starts[k : k + 1 + (len(firsts) - 1) * len(GIVEN) : len(GIVEN)] for k in range(len(GIVEN) + 1)])
        words = cuda.device_array((int(starts[-1]) + 1, LANES), np.int64)
        sizes = _pools(runs.most_room(lanes.reshape(-1, LANES))).T
        pools = np.concatenate([np.zeros((len(_POOLS), 1), np.int64), np.cumsum(sizes, axis=1)], axis=1)
        log_rows = np.where(taken, runs.room[lanes, _LOG], 0)
        logs_at = np.concatenate([[0], np.cumsum(log_rows)])
        views = [self._view(words, name, int(columns)) for name, columns in zip(GIVEN, shapes[0, :, 1], strict=True)]
        for (dtype, inner), rows in zip(_POOLS.values(), pools[:, -1].tolist(), strict=True):
            views.append(cuda.device_array((rows, LANES, *inner), dtype))
        views += [
            cuda.device_array(rows, dtype) for rows, dtype in ((int(logs_at[-1]), LOG), (1, TRACE), (1, RESIDENCE))
        ]
        short = cuda.device_array((len(lanes), 2), np.int64)
        lot = runs.lot_of[lanes]
        by_lane = (
            runs.until[lanes],
            runs.places[lanes],
            np.where(taken, runs.words_at[lot], -1),
            runs.targets_at[lot],
            runs.targets_at[lot + 1],
            runs.numbers_at[lanes],
            _KEPT_AT,
        )
        until, place, *rest = (cuda.to_device(one, stream) for one in by_lane)
        given = [cuda.to_device(one, stream) for one in (at, np.ascontiguousarray(shapes[:, :, 0].T), pools, logs_at)]
        blocks = -(-len(lanes) // BLOCK)
        stream.synchronize()
        begun = time.perf_counter()
        with self._launching:
            self._kernels.run_tiles[blocks, BLOCK, stream](
                until, place, short, *sent, *rest, totals, words, *given, *views
            )
        stream.synchronize()
        self.seconds += time.perf_counter() - begun
        self.bytes_per_run = sum(one.nbytes for one in (words, *views[len(GIVEN) :])) / int(taken.sum())
        stopped, rows = _home(short, stream).T
        stopped = np.where(taken, stopped, -1)
        counts = np.where(stopped == codes.DONE, rows, 0)
        # The GPU puts the logs in order: here that takes longer than most of the runs.
        order = np.argsort(runs.places[lanes], kind="stable")
        to = np.empty(len(lanes), np.int64)
        to[order] = np.cumsum(counts[order]) - counts[order]
        logs = cuda.device_array(int(counts.sum()) + 1, LOG)
        width = len(LOG.names or ())
        with self._launching:
            self._kernels.gather[blocks, BLOCK, stream](
                views[_STATE.index("log")].view(np.int64),
                cuda.to_device(logs_at[:-1] * width, stream),
                cuda.to_device(to * width, stream),
                cuda.to_device(counts * width, stream),
                logs.view(np.int64),
            )
        return stopped, _home(logs, stream)[:-1]

    def _view(self, words: Any, name: str, columns: int) -> Any:
        """``words`` as arrays like State's of that name, by the word at which they start, the lane and the row."""
        array: Array = getattr(_TINY, name)
        dtype = cells(array.dtype)
        step = 8 * LANES * _width(name)
        shape = (words.shape[0], LANES, words.shape[0], *((columns,) if array.ndim > 1 else ()))
        strides = (8 * LANES, 8, step * columns, *((step,) if array.ndim > 1 else ()))
        import numba  # noqa: PLC0415

        config: Any = numba.config
        if config.ENABLE_CUDASIM:
            from numba.cuda.simulator.cudadrv import devicearray  # noqa: PLC0415

            fake: Any = devicearray.FakeCUDAArray
            start = np.ndarray((1,), dtype, words._ary)
            return fake(np.lib.stride_tricks.as_strided(start, shape, strides))
        from numba.cuda.cudadrv import devicearray as real  # noqa: PLC0415

        make: Any = real.DeviceNDArray
        return make(shape, strides, dtype, gpu_data=words.gpu_data)


def _home(array: Any, stream: Any) -> Array:
    """What is in an array of the GPU once all that is under way in the stream is done."""
    found: Array = array.copy_to_host(stream=stream)
    stream.synchronize()
    return found


def _in_order(logs: Sequence[tuple[Array, Array]], rows: Array, ends: Array) -> Array:
    """The logs of several launches, each with the places of its runs, as one."""
    if len(logs) == 1:
        return logs[0][1]
    log = np.zeros(int(ends[-1]), LOG)
    width = len(LOG.names or ())
    words = log.view(np.int64).reshape(-1, width)
    for whose, mine in logs:
        places = np.sort(whose)
        each = rows[places]
        to = np.repeat(ends[places] - np.cumsum(each), each) + np.arange(len(mine))
        words[to] = mine.view(np.int64).reshape(-1, width)
    return log


def found_cuda() -> Any:
    """Numba's module for CUDA; InputError where that or a GPU is missing."""
    try:
        import numba.cuda  # noqa: PLC0415

        cuda: Any = numba.cuda
        found = cuda.is_available()
    except ImportError as error:
        raise InputError(f"no CUDA here ({error})", todo="pip install 'ringscope[cuda]'") from error
    if not found:
        raise InputError("no NVIDIA GPU can be used", todo="leave out --cuda, or pip install 'ringscope[cuda]'")
    return cuda


class _Runs:
    """The runs of some lots, end to end.

    Attributes:
        shared: what all launches read: the words of the lots, their targets and cells, and the numbers of the runs.
    """

    def __init__(self, lots: Sequence[Lot]) -> None:
        counts = [len(lot.until_ns) for lot in lots]
        self.lot_of = np.repeat(np.arange(len(lots)), counts)
        self.until = np.concatenate([lot.until_ns for lot in lots])
        self.cost = np.concatenate([lot.cost for lot in lots])
        self.places = np.concatenate([lot.places for lot in lots])
        self.room = np.concatenate([lot.room for lot in lots])
        self.too_large = np.zeros(len(self.until), np.bool_)
        shapes = {shape: number for number, shape in enumerate(dict.fromkeys(lot.shape for lot in lots))}
        self.shapes = np.array(list(shapes), np.int64)
        self.shape_of = np.array([shapes[lot.shape] for lot in lots])[self.lot_of]
        columns = {tuple(one): number for number, one in enumerate(self.shapes[:, :, 1].tolist())}
        self.columns_of = np.array([columns[tuple(one)] for one in self.shapes[:, :, 1].tolist()])[self.shape_of]
        self.words_of = np.array([len(lot.words) for lot in lots])[self.lot_of]
        # Lots of one structure, made by several workers, mostly have the same words.
        words: dict[bytes, int] = {}
        distinct: list[Array] = []
        end, words_at = 0, []
        for lot in lots:
            if lot.words_key not in words:
                words[lot.words_key] = end
                distinct.append(lot.words)
                end += len(lot.words)
            words_at.append(words[lot.words_key])
        self.words_at = np.array(words_at)
        self.targets_at = np.cumsum([0, *(len(lot.targets) for lot in lots)])
        each = np.array([lot.numbers.shape[1] for lot in lots])[self.lot_of]
        self.numbers_at = np.cumsum(each) - each
        self.shared = (
            np.concatenate(distinct),
            np.concatenate([lot.targets for lot in lots]),
            np.concatenate([lot.cells for lot in lots]),
            np.concatenate([*(lot.numbers.ravel() for lot in lots), np.zeros(1, np.int64)]),
        )

    def most_room(self, tiles: Array) -> Array:
        """The most room of the runs of each tile; -1 for a lane left empty."""
        most: Array = np.where(tiles[:, :, None] < 0, 0, self.room[tiles]).max(axis=1)
        return most

    def enlarge(self, who: Array, why: Array) -> Array:
        """Give runs more room for what there was too little of; returns them."""
        for code, column in ((codes.MORE_WORKGROUPS, 0), (codes.MORE_EVENTS, 1), (codes.MORE_LOG, 2)):
            short = who[why == code]
            if column == 0:
                self.too_large[short] = self.room[short, 0] >= _MOST_WORKGROUPS
            self.room[short, column] *= 4
        self.room[:, 0] = np.minimum(self.room[:, 0], _MOST_WORKGROUPS)
        return who
