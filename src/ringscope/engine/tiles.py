"""What runs on an NVIDIA GPU: a run a thread, 32 runs a tile, a tile a warp.

What is given of a run's state lies tile by tile, word beside word: word ``w`` of lane ``l`` is ``words[start + w, l]``.
Lanes mostly read the same field of their runs at once, and so read neighbouring words. The pools, where every lane is
at a place of its own, lie run after run. The engine's text knows of neither: the records of a tile are declared with
their fields that far apart (:func:`ringscope.engine.batch.cells`).

Imported only where runs go to a GPU, for reading the engine's text once more for it takes a while.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import numba.cuda

from ringscope.engine import core, jit
from ringscope.engine.codes import NEVER
from ringscope.engine.jit import for_cuda, kernel
from ringscope.engine.state import State

cuda: Any = numba.cuda


def _run_for_cuda() -> Any:
    """The engine's text read once more, from :mod:`.core` down; what the CPU has stays as it is."""
    package = core.__name__.rpartition(".")[0]
    rooms = {
        name: module
        for name, module in sys.modules.items()
        if name.startswith(f"{package}.") and module is not jit and vars(module).keys() & {"jit", "hot", "entry"}
    }
    for name in rooms:
        del sys.modules[name]
    try:
        with for_cuda():
            return import_module(core.__name__).run
    finally:
        for name, module in rooms.items():
            sys.modules[name] = module
            setattr(sys.modules[package], name.rpartition(".")[2], module)


run = _run_for_cuda()


@kernel
def run_tiles(
    until, place, short, templates, targets, cells, numbers, template_at, target_at, target_end, number_at, totals,
    words, at, rows, pool_at,
    g, packet, waits, queue, share, pipe, pipe_slot, slot, xcc, se, cu, fresh, mask, engine, process, thread, source,
    times, control, workgroup, ends, spare, heap, log, trace, residence,
):  # fmt: skip
    """Lay out the state of every lane, run it to its end, and copy its global row to row ``place[i]`` of ``totals``.

    ``short[i]`` tells how the run ended, and how many rows its log has.

    Lane ``i`` has its template's words, from ``template_at[i]`` on (-1: the lane is empty), but for its numbers, from
    ``number_at[i]`` on: word ``targets[t]`` is number ``cells[t]``, of ``t`` from ``target_at[i]`` to
    ``target_end[i]``. Array ``k`` of State lies at word ``at[k, tile]``
    and has ``rows[k, tile]`` rows; pool ``k`` is from ``pool_at[k, i]`` to ``pool_at[k, i + 1]``.
    """
    i = cuda.grid(1)
    if i >= len(until) or template_at[i] < 0:
        return
    tile = i >> 5
    lane = i & 31
    first = at[0, tile]
    template = template_at[i]
    for w in range(at[19, tile] - first):
        words[first + w, lane] = templates[template + w]
    for t in range(target_at[i], target_end[i]):
        words[first + targets[t], lane] = numbers[number_at[i] + cells[t]]
    head = g[first, lane, : rows[0, tile]]
    groups = workgroup[pool_at[0, i] : pool_at[0, i + 1]]
    tree = ends[pool_at[1, i] : pool_at[1, i + 1]]
    free = spare[pool_at[2, i] : pool_at[2, i + 1]]
    events = heap[pool_at[3, i] : pool_at[3, i + 1]]
    # As state.build leaves the pools, whatever their size.
    for w in range(groups.size):
        groups[w].packet = -1
        groups[w].cu = -1
        groups[w].next = -1
        free[w] = groups.size - 1 - w
    for w in range(tree.size):
        tree[w] = NEVER
    for w in range(events.size):
        events[w] = NEVER
    head[0].spares = groups.size
    head[0].first_leaf = 3 + (groups.size - 1) // 3
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
            log[pool_at[4, i] : pool_at[4, i + 1]],
            trace,
            residence,
        ),
        until[i],
    )
    short[i, 1] = head[0].log_rows
    for w in range(totals.shape[1]):
        totals[place[i], w] = words[first + w, lane]


@kernel
def gather(pool, pool_at, to, count, found):
    """Copy the first ``count[i]`` words of lane ``i``'s pool to ``found``, from ``to[i]`` on."""
    i = cuda.grid(1)
    if i < len(pool_at):
        for w in range(count[i]):
            found[to[i] + w] = pool[pool_at[i] + w]
