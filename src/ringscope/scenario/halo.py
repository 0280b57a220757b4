"""A halo exchange as AMD's example program makes it: what its ranks send in an iteration, and who waits for whom.

The program is ``GhostExchange_ArrayAssign_HIP`` of amd/HPCTrainingExamples; three of its versions differ in where the
halos lie, and so in who has to be mapped for an exchange to go on (:class:`Exchange`). Ranks stand on a grid and wait
for their neighbours, not for all; that is what decides the cost of over-subscription, for a rank that is not mapped
holds up its neighbours first and the others later.

Nothing here was fitted to a run. What the source does not say is assumed: the grid is as square as the number of ranks
allows, a kernel beside the stencil is short, and the order in which ranks came to the driver, which is that of the
runlist, is a race: several orders are played.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from ringscope.engine.spec import HostThread, Op, Packet
from ringscope.records import replace
from ringscope.scenario.schema import DeviceChoice, Does, Kernel, KernelTime, ProcessKind, Step
from ringscope.scenario.studies.study import MS, Desk

if TYPE_CHECKING:
    from ringscope.scenario.build import Built

ITERATIONS = 25
ORDERS = 3
STREAMS = 8
"""More than any cap, so that a rank holds cap + 1 queues, as AMD's runs do under Open MPI."""
KERNELS = (
    Kernel("stencil", 228, KernelTime((600_000,)), vgprs=32),
    Kernel("small", 8, KernelTime((10_000,))),
)
SIDES = 4
MI300A = DeviceChoice(gpu="mi300a")


class Exchange(Enum):
    """Where halos lie while they travel."""

    HOST = "host"  # Ver1: kernels pack into host memory, hosts exchange it, kernels unpack it
    DEVICE = "device"  # Ver6: the MPI library copies between device buffers; whoever sent waits until it was read
    BARRIER = "barrier"  # Ver8: hosts pack while the inner cells run; then all ranks meet in MPI_Barrier


def grid(ranks: int) -> tuple[int, int]:
    """Columns and rows, as square as it goes; a prime number of ranks stands in a line."""
    columns = max(n for n in range(1, int(ranks**0.5) + 1) if ranks % n == 0)
    return columns, ranks // columns


def neighbours(rank: int, columns: int, rows: int) -> tuple[list[int], list[int]]:
    """Those to the left and right, and those below and above."""
    x, y = rank % columns, rank // columns
    sideways = [rank + step for step in (-1, 1) if 0 <= x + step < columns]
    return sideways, [rank + step * columns for step in (-1, 1) if 0 <= y + step < rows]


def iteration_ns(
    desk: Desk, exchange: Exchange, ranks: int, cap: int, device: DeviceChoice = MI300A, **policies: Any
) -> float:
    """Mean time of an iteration, over several orders in which the ranks came to the driver."""
    built = launch(desk, ranks, cap, device, **policies)
    total = 0.0
    for order in range(ORDERS):
        draw = random.Random(f"{order} {ranks}").random  # noqa: S311 - a sample, no secret
        drawn = [draw() for _ in range(ranks)]
        total += _iteration_ns(desk, built, exchange, sorted(range(ranks), key=drawn.__getitem__))
    return total / ORDERS


def launch(desk: Desk, ranks: int, cap: int, device: DeviceChoice = MI300A, **policies: Any) -> Built:
    """The ranks with their queues on one logical GPU."""
    steps = (Step(Does.KERNEL, "stencil"), Step(Does.KERNEL, "small"))
    kind = ProcessKind("rank", steps, count=ranks, streams=(0,) * STREAMS, hw_queues=cap, limit=1)
    return desk.build(KERNELS, kind, device=device, horizon_ns=30_000 * MS, warmup_ns=0, **policies)


def _iteration_ns(desk: Desk, built: Built, exchange: Exchange, order: list[int]) -> float:
    streams = [[built.spec.threads[n].packets for n in built.members[place].threads] for place in order]
    # The null stream's queue came first, those of the MPI library later.
    own, theirs = [mine[0] for mine in streams], [mine[-1] for mine in streams]
    program = Program(exchange, [one[0] for one in own], [one[1] for one in own], [one[1] for one in theirs])
    for _ in range(ITERATIONS):
        program.iteration()
    thread = HostThread(0, tuple(program.packets))
    spec = replace(built.spec, threads=(thread,), sources=built.spec.sources[:1])
    return desk.latencies(replace(built, spec=spec)).mean(0) / ITERATIONS


class Program:
    """The packets of all ranks, in the order of their rings; waits for other ranks are barrier packets.

    In the program a host waits and then sends on. A barrier packet in the ring waits alike: its queue must be mapped
    for either to go on.

    Args:
        exchange: where halos lie.
        stencils, smalls: each rank's kernel, and a short one beside it.
        copies: what each rank's MPI library sends on a queue of its own to copy a halo.
    """

    def __init__(
        self, exchange: Exchange, stencils: Sequence[Packet], smalls: Sequence[Packet], copies: Sequence[Packet]
    ) -> None:
        self.exchange = exchange
        self.packets: list[Packet] = []
        self.ranks = range(len(stencils))
        columns, rows = grid(len(stencils))
        self.sides = [neighbours(rank, columns, rows) for rank in self.ranks]
        self.stencils, self.smalls, self.copies = stencils, smalls, copies

    def _add(self, packet: Packet) -> int:
        self.packets.append(packet)
        return len(self.packets) - 1

    def _kernels(self, rank: int, count: int, last: int) -> int:
        """So many small kernels of a rank; the index of the last packet that it has sent."""
        for _ in range(count):
            last = self._add(self.smalls[rank])
        return last

    def _wait(self, queue: int, after: list[int]) -> None:
        for at in range(0, len(after), 5):
            self._add(Packet(Op.BARRIER_AND, queue, after=tuple(after[at : at + 5])))

    def iteration(self) -> None:
        """Stencil, boundary conditions, and the exchange."""
        sent = [self._add(packet) for packet in self.stencils]
        if self.exchange is Exchange.BARRIER:
            self._add(Packet(Op.SYNC))
            for rank in self.ranks:
                self._kernels(rank, 4 + SIDES - sum(map(len, self.sides[rank])), sent[rank])
            return
        for rank in self.ranks:
            sideways, upright = self.sides[rank]
            packing, borders = len(sideways), SIDES - len(sideways) - len(upright)
            sent[rank] = self._kernels(rank, borders + packing, sent[rank])
        self._exchange(0, sent)
        unpacked = [self._kernels(rank, len(self.sides[rank][0]), sent[rank]) for rank in self.ranks]
        self._exchange(1, unpacked)

    def _exchange(self, which: int, sent: list[int]) -> None:
        """Every rank waits for its neighbours on two of its sides; ``sent`` is where the halos of each are ready."""
        if self.exchange is Exchange.HOST:
            for rank in self.ranks:
                self._wait(self.stencils[rank].queue, [sent[other] for other in self.sides[rank][which]])
            return
        read = {}
        for rank in self.ranks:
            for other in self.sides[rank][which]:
                self._wait(self.copies[rank].queue, [sent[other], sent[rank]])
                read[rank, other] = self._add(self.copies[rank])
        for rank in self.ranks:
            others = self.sides[rank][which]
            both = [read[pair] for other in others for pair in ((rank, other), (other, rank))]
            self._wait(self.stencils[rank].queue, both)
