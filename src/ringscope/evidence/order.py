"""The time order of snapshots, told by evidence, and the names that tell them apart.

The write pointer of the HIQ counts dwords since the driver came up and never falls, unless the device was reset. Names
are asked only where pointers are equal or absent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePosixPath

from ringscope.evidence.draft import Draft
from ringscope.evidence.files import natural
from ringscope.parts import mqd
from ringscope.parts.layout import Generation, Image

# Words that people name moments by, in the order of the moments. Asked last.
_MOMENTS = ({"baseline", "before", "idle", "pre", "start"}, {"after", "post", "end", "exit"})


def _moment(place: PurePosixPath) -> int:
    words = set(re.split(r"[^a-z]+", place.name.lower()))
    return 0 if words & _MOMENTS[0] else 2 if words & _MOMENTS[1] else 1


def in_order(drafts: Sequence[Draft], generations: dict[int, Generation]) -> tuple[list[Draft], tuple[str, ...]]:
    """The snapshots in time order, and what ordered them."""

    def by_name(draft: Draft) -> tuple[object, ...]:
        return draft.given, _moment(draft.place), natural(str(draft.place))

    named = sorted(drafts, key=by_name)
    if len(named) < 2:
        return named, ()
    pointers = [_hiq_pointers(draft, generations) for draft in named]
    common = set.intersection(*(set(pointer) for pointer in pointers))
    if not common:
        return named, ("snapshots are in the order of their names: they have no HIQ write pointer in common",)
    rows = sorted(zip(pointers, named, strict=True), key=lambda row: sum(row[0][gpu_id] for gpu_id in common))
    for (before, _), (after, draft) in pairwise(rows):
        if any(before[gpu_id] > after[gpu_id] for gpu_id in common):
            return named, (
                f"snapshots are in the order of their names: at {draft.place.name} the HIQ write pointers rise on one "
                "device and fall on another, so they are of several machines or boots",
            )
    ordered = [draft for _, draft in rows]
    note = "snapshots are in the order of the HIQ's write pointer"
    if any(_moment(before.place) > _moment(after.place) for before, after in pairwise(ordered)):
        note += ", against their names: right if several runs follow each other, wrong if the device was reset between"
    return ordered, (note,)


def _hiq_pointers(draft: Draft, generations: dict[int, Generation]) -> dict[int, int]:
    """Write pointer of the HIQ of each device's first XCC, in dwords since the driver came up, by gpu_id."""
    pointers = {}
    for device in draft.hqds or ():
        # VI counts within the ring, so its pointer orders nothing.
        if device.hiqs and generations[device.gpu_id] is not Generation.VI:
            slot = min(device.hiqs, key=lambda slot: slot.xcc)
            image = Image(mqd.hiq(generations[device.gpu_id]), slot.registers.data, mqd.HQD_FIRST_DWORD)
            pointers[device.gpu_id] = image.get64("cp_hqd_pq_wptr_lo", "cp_hqd_pq_wptr_hi")
    return pointers


def labels_of(places: Sequence[PurePosixPath]) -> list[str]:
    """The shortest end of each place that no other has."""
    depth = 1
    while len(labels := [str(PurePosixPath(*place.parts[-depth:])) for place in places]) != len(set(labels)):
        depth += 1
    return labels
