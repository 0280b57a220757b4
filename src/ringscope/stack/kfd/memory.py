"""Where the driver's own buffers lie in GPU memory: MQDs, HIQ ring, fences, runlists.

Two allocators, as in the driver: whole buffer objects (an MQD with its control stack, the HIQ's MQDs) come out of the
GART aperture at page granularity; small things come out of one pool that KFD cuts into 512-byte chunks
(``kfd_gtt_sa``). Both take the first hole that fits, so that addresses are the same on every run; the holes can be
given, so that the addresses of a real capture come out.
"""

from __future__ import annotations

import errno
from bisect import bisect_left, insort

from ringscope.stack.kfd.records import KfdError
from ringscope.stack.machine import PAGE, GartPlan

CHUNK = 512
"""Granularity of the KFD pool (kfd_device.c kfd_gtt_sa_init)."""


class FirstFit:
    """Address ranges handed out lowest first; sizes are rounded up to ``granule`` bytes."""

    def __init__(self, name: str, ranges: tuple[tuple[int, int], ...], granule: int) -> None:
        self._name = name
        self._granule = granule
        self._free = sorted(ranges)
        self._held: dict[int, int] = {}

    def allocate(self, size: int) -> int:
        """Address of the first hole of ``size`` bytes; KfdError ENOMEM when none is large enough."""
        size = -(-size // self._granule) * self._granule
        for i, (start, end) in enumerate(self._free):
            if end - start >= size:
                if end - start == size:
                    del self._free[i]
                else:
                    self._free[i] = (start + size, end)
                self._held[start] = size
                return start
        raise KfdError(errno.ENOMEM, f"no room for {size} bytes in the {self._name}")

    def free(self, address: int) -> None:
        """Give a range back; it joins its neighbours."""
        start, end = address, address + self._held.pop(address)
        at = bisect_left(self._free, (start, end))
        if at < len(self._free) and self._free[at][0] == end:
            end = self._free.pop(at)[1]
        if at and self._free[at - 1][1] == start:
            start = self._free.pop(at - 1)[0]
        insort(self._free, (start, end))

    @property
    def held_bytes(self) -> int:
        """Bytes handed out and not given back."""
        return sum(self._held.values())


class Gart:
    """The GART of one node as KFD uses it."""

    def __init__(self, plan: GartPlan, pool_bytes: int) -> None:
        self.objects = FirstFit("GART", plan.holes, PAGE)
        self.pool = FirstFit("KFD pool", ((plan.pool, plan.pool + pool_bytes),), CHUNK)


def pool_bytes(max_queues: int, map_process_bytes: int) -> int:
    """Size of KFD's pool: MQDs, two runlists, two HIQ/DIQ rings and half a MiB (kfd_device.c kgd2kfd_device_init).

    The driver reckons 768 bytes a queue, less than a 2048-byte MQD: parts that keep MQDs in the pool run out of it
    before they reach ``max_queues``.
    """
    runlist = 512 * map_process_bytes + max_queues * 28 + 16
    return -(-(max_queues * 768 + 2 * runlist + 2 * 2048 + 512 * 1024) // CHUNK) * CHUNK
