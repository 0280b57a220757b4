"""Kernels in modelled time: the event engine, kept in step with the clock.

A kernel that ``--kernels time`` lets run is a packet of :mod:`ringscope.engine`, whose time is the host's monotonic
clock since it began. Workgroups of all programs compete there for CUs, pipes and shader engines by the rules of a
simulation, its default policies and costs; what a workgroup needs is read from the kernel's descriptor, what it lasts
is the user's to say. Who sits in a slot stays the answer of the driver and the firmware (:mod:`ringscope.stack`): a
queue that they take off its slot is evicted in the engine, its workgroups saved, and goes on when it is back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ringscope.engine.codes import LIMIT_NS
from ringscope.engine.costs import costs_for
from ringscope.engine.run import Engine
from ringscope.engine.spec import Change, Control, Op, Packet, Queue, Spec, SpecError, constant
from ringscope.parts.mqd import PIPE_PRIORITY
from ringscope.scenario.build import cu_mask, engine_machine, room
from ringscope.stack.machine import NodeSpec
from ringscope.virtual.faults import ERROR_DIMENSIONS, Fault, Stall
from ringscope.virtual.ring import Dispatch, Flight, Ring

if TYPE_CHECKING:
    from ringscope.virtual.codeobject import Needs

_QUEUES = 256
"""Queues that can run kernels at once; a queue beyond them waits for one to go."""
_CHANGES = 2_000
"""Changes after which an idle engine is begun anew: it keeps them all."""


Seat = tuple[tuple[int, int] | None, int, tuple[tuple[int, ...], ...]]
"""A compute queue of the driver's: its slot ``(pipe, queue)``, None off the device; its priority; the CU masks that the
driver wrote, 16 bits a shader array, empty for all CUs."""


class Timed:
    """The engine of one device, from the first queue to the last.

    Args:
        node: the device.
        slots: its slots ``(pipe, queue)`` in the order in which the firmware fills them.
        workgroup_ns: what one workgroup lasts.

    Raises:
        InputError: Numba or NumPy are missing.
    """

    def __init__(self, node: NodeSpec, slots: tuple[tuple[int, int], ...], workgroup_ns: int) -> None:
        self._node = node
        self._rank = {slot: rank for rank, slot in enumerate(slots)}
        self._time = constant(workgroup_ns)
        self._spec = Spec(
            engine_machine(node, slots),
            tuple(Queue(process=row, active=False) for row in range(_QUEUES)),
            costs=costs_for(f"gfx{node.part.gfx}"),
        )
        self._flights: list[Flight] = []
        self._seats: Mapping[Ring, Seat] = {}
        self._begin()

    def _begin(self) -> None:
        self._engine = Engine(self._spec)
        self._origin = time.monotonic_ns()
        self._rows: dict[Ring, int] = {}
        self._free = list(range(_QUEUES))
        self._leaving: list[int] = []
        self._changes = 0

    def _renew(self) -> bool:
        """Begin anew with an engine that has seen enough, when nothing is under way; whether that was done."""
        due = not self._flights and (self._changes > _CHANGES or self._now() > LIMIT_NS // 2)
        if due:
            self._seats = {}
            self._begin()
        return due

    def _now(self) -> int:
        return max(time.monotonic_ns() - self._origin, self._engine.now)

    # Queues

    def follow(self, seats: Mapping[Ring, Seat]) -> None:
        """Have the engine's queues where the driver's are: those that are new, gone, moved or changed."""
        self._renew()
        self._engine.run(self._now())
        if self._leaving and self._engine.settled:
            self._free += self._leaving
            self._leaving.clear()
        changes = [(Change.DESTROY, self._leave(ring), 7) for ring in [*self._rows] if ring not in seats]
        for ring, seat in seats.items():
            slot, priority, _ = seat
            before = self._seats.get(ring, seat)
            row = self._rows.get(ring)
            if row is None:
                if slot is None or not self._free:
                    continue
                row = self._rows[ring] = self._free.pop(0)
                changes.append((Change.CREATE, row, priority))
            elif (before[0] is None) != (slot is None):
                changes.append((Change.EVICT if slot is None else Change.RESTORE, row, priority))
            if before[1:] != seat[1:]:
                changes.append((Change.UPDATE, row, priority))
            if slot is not None:
                self._engine.assign(row, self._queue(ring, slot, seat))
        self._seats = dict(seats)
        at = self._now()
        for position, (change, row, priority) in enumerate(changes):
            control = Control(at, change, row, PIPE_PRIORITY[priority], priority, joins=position > 0)
            self._engine.change(control)
        self._changes += len(changes)

    def _leave(self, ring: Ring) -> int:
        row = self._rows.pop(ring)
        self._leaving.append(row)
        self._flights = [flight for flight in self._flights if flight.ring is not ring]
        return row

    def _queue(self, ring: Ring, slot: tuple[int, int], seat: Seat) -> Queue:
        """What the engine is to know of a queue in a slot."""
        _, priority, masks = seat
        return Queue(
            ring.client.number % _QUEUES,  # only to count VMIDs, which the driver's side has done already
            self._rank[slot],
            PIPE_PRIORITY[priority],
            priority,
            cu_mask=cu_mask(masks, self._node.arrays),
        )

    # Kernels

    def dispatch(self, ring: Ring, name: str, job: Dispatch, needs: Needs, barrier: bool) -> Flight:
        """Start a kernel on a ring that has a slot. Stall: the engine has no room for its queue yet.

        Raises:
            Fault: no CU of the device holds one of its workgroups.
        """
        seats = self._seats
        if self._renew():
            self.follow(seats)
        row = self._rows.get(ring)
        at = self._now()
        if row is None or at > LIMIT_NS * 3 // 4:
            raise Stall
        part = self._node.part
        items = job.workgroup[0] * job.workgroup[1] * job.workgroup[2]
        try:
            vgprs = needs.vgprs * max(1, needs.wave_size // part.wave_size)  # a wave64 of RDNA takes two rows of each
            need = room(part, -(-items // needs.wave_size), vgprs, job.group_bytes)
            packet = Packet(Op.DISPATCH, row, job.workgroups, self._time, need=need, barrier=barrier)
            number = self._engine.doorbell(packet, at)
        except SpecError as error:
            raise Fault(ERROR_DIMENSIONS, f"kernel {name}: {error}") from error
        flight = Flight(ring, number, name, ring.index, job, self._origin + at)
        self._flights.append(flight)
        return flight

    @property
    def next_event_ns(self) -> int | None:
        """When something happens to a kernel under way, on the host's monotonic clock; None when none is."""
        due = self._engine.next_event if self._flights else None
        return None if due is None else self._origin + due

    def finished(self) -> list[Flight]:
        """The kernels that have ended by now and were not told yet, in the order of their ends."""
        due, now = self.next_event_ns, self._now()
        if due is None or due > self._origin + now:
            return []
        self._engine.run(now)
        done, under_way = [], []
        for flight in self._flights:
            ended = self._engine.done_at(flight.number)
            if ended is None:
                under_way.append(flight)
                continue
            flight.ended = self._origin + ended
            flight.began = self._origin + self._engine.began_at(flight.number)
            self._engine.forget(flight.number)
            done.append(flight)
        self._flights = under_way
        return sorted(done, key=lambda flight: flight.ended)
