"""The Pareto front: the points that no other point beats in one objective without losing in the other."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that none dominates, smaller being better in both; best in the first objective first.

    Of points equal in both objectives the first stands for all.
    """
    found: list[int] = []
    for index in sorted(range(len(points)), key=points.__getitem__):
        if not found or points[index][1] < points[found[-1]][1]:
            found.append(index)
    return found
