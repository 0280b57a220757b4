"""What runs on an NVIDIA GPU: a run a thread, 32 runs a tile, a tile a warp.

What is given of a run's state lies tile by tile, word beside word: word ``w`` of lane ``l`` is ``words[start + w, l]``.
Lanes mostly read the same field of their runs at once, and so read neighbouring words. The pools lie record beside
record: of a tree of ends the four children of a node are one record, 32 bytes like that of a workgroup, which is what
memory hands out at once. The engine's text knows of none of it but in the functions that touch the tree: the
fields of a tile's records are declared that far apart (:func:`ringscope.engine.batch.cells`).

Imported only where runs go to a GPU, for reading the engine's text once more for it takes a while.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import numba.cuda
import numpy as np

from ringscope.engine import core, events, jit
from ringscope.engine.codes import NEVER, WORKGROUP_BITS
from ringscope.engine.events import ONE, ROOT, THREE, TWO
from ringscope.engine.jit import for_cuda, kernel
from ringscope.engine.state import State

cuda: Any = numba.cuda
device: Any = cuda.jit(device=True)


@device
def lowest(mask):
    """The place of the lowest bit set in ``mask``, which is positive."""
    return cuda.ffs(mask) - 1


@device
def above(i):
    """The node above node ``i``; above the root is the root."""
    return max((i >> TWO) + TWO, ROOT)


@device
def beside(ends, i):
    """The least of the three beside node ``i``; beside the root nothing ever ends."""
    four = i >> TWO
    return min(ends[four, (i ^ ONE) & THREE], ends[four, (i ^ TWO) & THREE], ends[four, (i ^ THREE) & THREE])


@device
def set_end(s, w, key):
    """As :func:`ringscope.engine.events.set_end`; five nodes above are asked for before any is waited for."""
    ends = s.ends
    i = np.uint64(s.g[0].first_leaf + w)
    ends[i >> TWO, i & THREE] = key
    while i > ROOT:
        a = above(i)
        b = above(a)
        c = above(b)
        d = above(c)
        i = above(d)
        at_a = ends[a >> TWO, a & THREE]
        at_b = ends[b >> TWO, b & THREE]
        at_c = ends[c >> TWO, c & THREE]
        at_d = ends[d >> TWO, d & THREE]
        at_i = ends[i >> TWO, i & THREE]
        if at_a <= key:
            return
        ends[a >> TWO, a & THREE] = key
        if at_b <= key:
            return
        ends[b >> TWO, b & THREE] = key
        if at_c <= key:
            return
        ends[c >> TWO, c & THREE] = key
        if at_d <= key:
            return
        ends[d >> TWO, d & THREE] = key
        if at_i <= key:
            return
        ends[i >> TWO, i & THREE] = key


@device
def drop_end(s, w):
    """As :func:`ringscope.engine.events.drop_end`; what is beside five nodes is asked for before any is waited for."""
    ends = s.ends
    i = np.uint64(s.g[0].first_leaf + w)
    key = NEVER
    ends[i >> TWO, i & THREE] = key
    while i > ROOT:
        a = above(i)
        b = above(a)
        c = above(b)
        d = above(c)
        beside_i = beside(ends, i)
        beside_a = beside(ends, a)
        beside_b = beside(ends, b)
        beside_c = beside(ends, c)
        beside_d = beside(ends, d)
        key = min(key, beside_i)
        ends[a >> TWO, a & THREE] = key
        key = min(key, beside_a)
        ends[b >> TWO, b & THREE] = key
        key = min(key, beside_b)
        ends[c >> TWO, c & THREE] = key
        key = min(key, beside_c)
        ends[d >> TWO, d & THREE] = key
        key = min(key, beside_d)
        i = above(d)
        ends[i >> TWO, i & THREE] = key


@device
def leaf(s, w):
    """The leaf of workgroup ``w``."""
    i = np.uint64(s.g[0].first_leaf + w)
    return s.ends[i >> TWO, i & THREE]


@device
def end_of(s, w):
    """When workgroup ``w`` ends."""
    return leaf(s, w) >> WORKGROUP_BITS


@device
def is_running(s, w):
    """Whether workgroup ``w`` has an end to come."""
    return leaf(s, w) != NEVER


@device
def next_end(s):
    """The key of the next end of a workgroup."""
    return s.ends[ROOT >> TWO, ROOT & THREE]


def _run_for_cuda() -> Any:
    """The engine's text read once more, from :mod:`.core` down; what the CPU has stays as it is."""
    package = core.__name__.rpartition(".")[0]
    rooms = {
        name: module
        for name, module in sys.modules.items()
        if name.startswith(f"{package}.") and module is not jit and vars(module).keys() & {"jit", "hot"}
    }
    for name in rooms:
        del sys.modules[name]
    try:
        with for_cuda():
            text = import_module(events.__name__)
            for own in (lowest, set_end, drop_end, end_of, is_running, next_end):
                setattr(text, own.__name__, own)
            return import_module(core.__name__).run
    finally:
        for name, module in rooms.items():
            sys.modules[name] = module
            setattr(sys.modules[package], name.rpartition(".")[2], module)


run = _run_for_cuda()


@kernel
def run_tiles(
    until, place, short, templates, targets, cells, numbers, template_at, target_at, target_end, number_at, kept,
    totals, words, at, rows, pool_at, log_at,
    g, packet, waits, queue, share, pipe, pipe_slot, slot, xcc, se, cu, fresh, mask, engine, process, thread, source,
    times, control, workgroup, ends, spare, heap, log, trace, residence,
):  # fmt: skip
    """Lay out the state of every lane, run it to its end, and copy words ``kept`` to row ``place[i]`` of ``totals``.

    ``short[i]`` tells how the run ended, and how many rows its log has.

    Lane ``i`` has its template's words, from ``template_at[i]`` on (-1: the lane is empty), but for its numbers, from
    ``number_at[i]`` on: word ``targets[t]`` is number ``cells[t]``, of ``t`` from ``target_at[i]`` to
    ``target_end[i]``. Array ``k`` of State lies at word ``at[k, tile]`` and has ``rows[k, tile]`` rows; pool ``k`` is
    from ``pool_at[k, tile]`` to ``pool_at[k, tile + 1]``, the log of a run from ``log_at[i]`` to ``log_at[i + 1]``.
    """
    i = cuda.grid(1)
    if i >= len(until) or template_at[i] < 0:
        return
    tile = i >> 5
    lane = i & 31
    first = at[0, tile]
    template = template_at[i]
    size = at[19, tile] - first
    for w in range(0, size - 3, 4):  # four loads at a time
        a = templates[template + w]
        b = templates[template + w + 1]
        c = templates[template + w + 2]
        d = templates[template + w + 3]
        words[first + w, lane] = a
        words[first + w + 1, lane] = b
        words[first + w + 2, lane] = c
        words[first + w + 3, lane] = d
    for w in range(size & ~3, size):
        words[first + w, lane] = templates[template + w]
    for t in range(target_at[i], target_end[i]):
        words[first + targets[t], lane] = numbers[number_at[i] + cells[t]]
    head = g[first, lane, : rows[0, tile]]
    groups = workgroup[pool_at[0, tile] : pool_at[0, tile + 1], lane]
    tree = ends[pool_at[1, tile] : pool_at[1, tile + 1], lane]
    free = spare[pool_at[2, tile] : pool_at[2, tile + 1], lane]
    events = heap[pool_at[3, tile] : pool_at[3, tile + 1], lane]
    # As state.build leaves the pools, whatever their size.
    for w in range(len(groups)):
        groups[w].packet = -1
        groups[w].cu = -1
        groups[w].next = -1
        free[w] = len(groups) - 1 - w
    for four in range(len(tree)):
        for w in range(4):
            tree[four, w] = NEVER
    for w in range(len(events)):
        events[w] = NEVER
    head[0].spares = len(groups)
    head[0].first_leaf = 3 + (len(groups) - 1) // 3
    short[i, 0] = run(
        State(
            head,
            packet[at[1, tile], lane, : rows[1, tile]],
            waits[at[2, tile], lane, : rows[2, tile]],
            queue[at[3, tile], lane, : rows[3, tile]],
            share[at[4, tile], lane, : rows[4, tile]],
            pipe[at[5, tile], lane, : rows[5, tile]],
            pipe_slot[at[6, tile], lane, : rows[6, tile]],
            slot[at[7, tile], lane, : rows[7, tile]],
            xcc[at[8, tile], lane, : rows[8, tile]],
            se[at[9, tile], lane, : rows[9, tile]],
            cu[at[10, tile], lane, : rows[10, tile]],
            fresh[at[11, tile], lane, : rows[11, tile]],
            mask[at[12, tile], lane, : rows[12, tile]],
            engine[at[13, tile], lane, : rows[13, tile]],
            process[at[14, tile], lane, : rows[14, tile]],
            thread[at[15, tile], lane, : rows[15, tile]],
            source[at[16, tile], lane, : rows[16, tile]],
            times[at[17, tile], lane, : rows[17, tile]],
            control[at[18, tile], lane, : rows[18, tile]],
            groups,
            tree,
            free,
            events,
            log[log_at[i] : log_at[i + 1]],
            trace,
            residence,
        ),
        until[i],
    )
    short[i, 1] = head[0].log_rows
    for k in range(len(kept)):
        totals[place[i], k] = words[first + kept[k], lane]


@kernel
def gather(pool, pool_at, to, count, found):
    """Copy the first ``count[i]`` words of lane ``i``'s pool to ``found``, from ``to[i]`` on."""
    i = cuda.grid(1)
    if i < len(pool_at):
        for w in range(count[i]):
            found[to[i] + w] = pool[pool_at[i] + w]
