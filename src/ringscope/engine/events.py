"""What happens next: a tournament of running workgroups, a heap of everything else, and drawn times.

Nearly all events are ends of workgroups. Each running workgroup owns a leaf of a tree in which every node holds the
least of its four children, so the root is the next end. To empty a leaf means to walk a path that the leaf alone
decides: no branch to guess, no load that waits for another, and a preempted workgroup leaves no event behind. To fill
one means to walk as far as its end is the least, which is hardly ever far.
"""

# Numba types the engine; to mypy its records are Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Any

import numpy as np

from ringscope.engine.codes import ID_BITS, LIMIT_NS, NEVER, TIME_SHIFT, WORKGROUP_BITS, State
from ringscope.engine.jit import hot, jit, one_instruction

ROOT = np.uint64(3)
ONE, TWO, THREE = np.uint64(1), np.uint64(2), np.uint64(3)

BIT_OF = np.zeros(67, np.int64)
"""The place of the only bit set in ``x``, at ``x % 67``."""
for _bit in range(63):
    BIT_OF[(1 << _bit) % 67] = _bit


@one_instruction
def lowest(mask: int) -> int:
    """The place of the lowest bit set in ``mask``, which is positive."""
    return BIT_OF[(mask & -mask) % 67]


@one_instruction
def at(place: int) -> Any:
    """``place``, never negative, as an index: unsigned, it is not looked at for counting from the end."""
    return np.uint64(place)


@hot
def set_end(s: State, w: int, key: int) -> None:
    """Put ``key`` into the empty leaf of workgroup ``w``.

    The children of node ``i`` are ``4 i - 8`` and the next three, the root is node 3: the four lie in one cache line.
    """
    ends = s.ends
    i = at(s.g[0].first_leaf + w)
    ends[i] = key
    while i > ROOT:
        i = (i >> TWO) + TWO
        if ends[i] <= key:
            return
        ends[i] = key


@hot
def drop_end(s: State, w: int) -> None:
    """Empty the leaf of workgroup ``w``."""
    ends = s.ends
    i = at(s.g[0].first_leaf + w)
    key = NEVER
    ends[i] = key
    while i > ROOT:
        key = min(ends[i ^ ONE], ends[i ^ TWO], ends[i ^ THREE], key)
        i = (i >> TWO) + TWO
        ends[i] = key


@hot
def next_end(s: State) -> int:
    """The key of the next end of a workgroup."""
    return s.ends[ROOT]


@hot
def end_of(s: State, w: int) -> int:
    """When workgroup ``w`` ends."""
    return s.ends[at(s.g[0].first_leaf + w)] >> WORKGROUP_BITS


@hot
def is_running(s: State, w: int) -> bool:
    """Whether workgroup ``w`` has an end to come."""
    return s.ends[at(s.g[0].first_leaf + w)] != NEVER


@jit
def sift_up(heap: State, i: int, key: int) -> None:
    """Put ``key`` where the hole at ``i`` of a 4-ary heap is, or above it."""
    while i > 0:
        up = (i - 1) >> 2
        if heap[up] <= key:
            break
        heap[i] = heap[up]
        i = up
    heap[i] = key


@jit
def drop_first(heap: State, n: int) -> None:
    """Take the first of ``n + 1`` keys out; with none left the first is NEVER."""
    key = heap[at(n)]
    heap[at(n)] = NEVER
    i = 0
    while 4 * i + 1 < n:
        least = 4 * i + 1
        for k in range(least + 1, min(least + 4, n)):
            if heap[at(k)] < heap[at(least)]:
                least = k
        if key <= heap[at(least)]:
            break
        heap[at(i)] = heap[at(least)]
        i = least
    if n > 0:
        heap[at(i)] = key


@hot
def post(s: State, at: int, kind: int, index: int) -> None:
    """Add an event; one beyond LIMIT_NS never comes."""
    g = s.g[0]
    n = g.events_held
    g.events_held = n + 1
    sift_up(s.heap, n, min(at, LIMIT_NS) << TIME_SHIFT | kind << ID_BITS | index)


@hot
def basis(seed: int, a: int, b: int) -> int:
    """What the draws of one thing, such as a packet sent for the ``b``-th time, have in common."""
    return seed * 73856093 + a * 19349663 + b * 83492791


@hot
def draw(basis: int, c: int) -> int:
    """32 bits that depend on the arguments alone, so that a drawn time is the same whatever the schedule."""
    h = (basis + c * 2654435761) & 0xFFFFFFFF
    h ^= h >> 16
    h = (h * 0x45D9F3B) & 0xFFFFFFFF
    h ^= h >> 15
    h = (h * 0x2C1B3C6D) & 0xFFFFFFFF
    return h ^ (h >> 16)
