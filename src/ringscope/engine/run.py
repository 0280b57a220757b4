"""Runs a spec: gives the compiled engine its arrays, more room when it asks, and reads the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ringscope.engine import codes, events, native
from ringscope.engine.codes import ID_BITS, LIMIT_NS, TIME_SHIFT, WORKGROUP_BITS
from ringscope.engine.spec import Control, Op, Packet, Queue, Room, Spec, SpecError, check_packet
from ringscope.engine.state import Array, State, build, fill_packet, more_workgroups, pack, unpack
from ringscope.records import dataclass

if TYPE_CHECKING:
    from ringscope.engine.rules import Rules

_GROWN = {
    codes.MORE_EVENTS: "heap",
    codes.MORE_LOG: "log",
    codes.MORE_TRACE: "trace",
    codes.MORE_RESIDENCE: "residence",
}


@dataclass(frozen=True)
class Totals:
    """What one run counted; times in nanoseconds.

    ``busy_cu_ns`` is the time integral of CUs with at least one workgroup, ``slot_ns`` that of occupied slots (of one
    XCC).
    """

    now: int
    events: int
    packets: int
    workgroups: int
    preemptions: int
    saved_waves: int
    runlists: int
    rotations: int
    dropped: int
    busy_cu_ns: int
    slot_ns: int

    @classmethod
    def of(cls, g: Array) -> Totals:
        """The counters of a run, from its global row."""
        values = {name: int(g[name]) for name in cls.__dataclass_fields__}
        values["busy_cu_ns"] += int(g["busy_cus"] * g["now"])
        values["slot_ns"] += int(g["slots_used"] * g["now"])
        return cls(**values)


class Engine:
    """One run, from its spec to any instant.

    The same spec and the same outside events give the same bytes, however often the run is interrupted. ``trace``
    keeps a row for every packet (:data:`ringscope.engine.state.TRACE`) and for every change of a queue's state
    (:data:`ringscope.engine.state.RESIDENCE`).

    ``rules`` are a user's own in place of the spec's policies (:mod:`.rules`). ``state`` is one at time zero in place
    of that which would be built, and ``addresses`` are those of its arrays where they are known (:mod:`.frame`).

    Besides the spec's own host threads, packets, signals and changes may come from outside, at any time that is not
    past (:meth:`doorbell`, :meth:`signal`, :meth:`fire`, :meth:`change`): so a virtual GPU drives it. Queues that are
    created later stand in the spec from the start, not ``active``.
    """

    rules: Rules | None = None
    _placed: tuple[State, Any] | None = None

    def __init__(
        self,
        spec: Spec,
        trace: bool = False,
        rules: Rules | None = None,
        state: State | None = None,
        addresses: Any = None,
    ) -> None:
        self.spec = spec
        self.rules = rules
        self.state = build(spec, trace) if state is None else state
        self._free: list[int] = []
        self._sent = 0
        if addresses is not None:
            self._placed = self.state, addresses
        self.run(0)

    @property
    def now(self) -> int:
        """Simulated nanoseconds since the start."""
        return int(self.state.g[0]["now"])

    def run(self, until_ns: int) -> None:
        """Let everything up to and including ``until_ns`` happen."""
        if not self.now <= until_ns < LIMIT_NS:
            raise SpecError(f"a run goes from {self.now} to at most {LIMIT_NS} ns; {until_ns} is outside")
        run = native.engine() if self.rules is None else self.rules.run
        while (short := run(self.state, self._addresses(), until_ns)) != codes.DONE:
            self._grow(short)

    def _addresses(self) -> Any:
        """Of the state's arrays; asked for anew when one of them was replaced."""
        if self._placed is None or self._placed[0] is not self.state:
            self._placed = self.state, native.addresses(self.state)
        return self._placed[1]

    def _grow(self, short: int) -> None:
        if short == codes.MORE_WORKGROUPS:
            most = 1 << WORKGROUP_BITS
            if self.state.workgroup.size == most:
                raise SpecError(f"more than {most} workgroups are running or saved at once")
            self.state = more_workgroups(self.state, min(most, 2 * self.state.workgroup.size))
            return
        name = _GROWN[short]
        old: Array = getattr(self.state, name)
        new = np.zeros(2 * old.size, old.dtype)
        if name == "heap":
            new[:] = codes.NEVER
        new[: old.size] = old
        self.state = self.state._replace(**{name: new})

    # From outside

    def doorbell(self, packet: Packet, at_ns: int | None = None, signals: Sequence[int] = ()) -> int:
        """Ring the doorbell of a queue for one more packet; returns the packet's number.

        Args:
            packet: what is in the ring; its ``after`` must be empty.
            at_ns: when, default now.
            signals: numbers of signals and of earlier packets that a barrier packet or a copy waits for.
        """
        check_packet("packet from outside", packet, self.spec, 0)
        if len(signals) > 5 or (signals and packet.op is Op.DISPATCH):
            raise SpecError("a barrier packet or a copy waits for at most 5 signals, a dispatch for none")
        number = self._row()
        row = self.state.packet[number]
        fill_packet(row, self.spec, packet)
        quantiles = packet.time.quantiles
        self._sent += 1
        basis = events.basis(self.spec.seed & 0xFFFFFFFF, -1, self._sent)
        drawn = events.draw(basis, 2)
        self.state.times[row["times_at"]] = quantiles[drawn * len(quantiles) >> 32]
        row["waits"] = len(signals)
        self.state.waits[number, : len(signals)] = signals
        if signals:
            self.state.g[0]["waits"] = 1
        if packet.bandwidth_ppm:
            self.state.g[0]["bandwidth"] = 1
        if packet.op is Op.DISPATCH:
            self._admit(packet)
        self._post(at_ns, codes.DOORBELL, number)
        return number

    def signal(self) -> int:
        """A signal of the host's own, not fired yet."""
        number = self._row()
        self.state.packet[number]["queue"] = -1
        return number

    def fire(self, signal: int, at_ns: int | None = None) -> None:
        """Let a signal fall to zero."""
        self._post(at_ns, codes.DOORBELL, signal)

    def done_at(self, number: int) -> int | None:
        """When a packet or signal from outside was complete, None as long as it is not."""
        row = self.state.packet[number]
        return int(row["done_at"]) if row["state"] == codes.COMPLETE else None

    def began_at(self, number: int) -> int:
        """When the first workgroup of a dispatch was placed, -1 before."""
        return int(self.state.packet[number]["first_at"])

    def forget(self, number: int) -> None:
        """Give up a complete packet or signal from outside; its number may be used again."""
        if self.done_at(number) is None:
            raise SpecError(f"packet {number} is not complete")
        self._free.append(number)

    def change(self, control: Control) -> None:
        """Have the driver create, destroy, update, evict or restore a queue, not before now."""
        if not 0 <= control.queue < len(self.spec.queues):
            raise SpecError(f"no queue {control.queue}")
        at = max(control.at_ns, self.now, 1)
        g = self.state.g[0]
        rows = self.state.control[: int(g["controls"])]
        place = max(int(np.searchsorted(rows["at"], at, side="right")), int(g["control_next"]))
        priorities = control.pipe_priority, control.queue_priority
        values = (at, control.change, control.queue, *priorities, control.joins, control.fenced)
        row = np.array([values], self.state.control.dtype)
        self.state = self.state._replace(control=np.concatenate([rows[:place], row, rows[place:]]))
        self.state.g[0]["controls"] += 1
        self._post(at, codes.DEVICE, codes.CONTROL)

    def assign(self, queue: int, wanted: Queue) -> None:
        """Have a queue of the spec stand for another: its process (while it is not active), rank, priorities, CU mask.

        What has been placed by then stays where it is.
        """
        row = self.state.queue[queue]
        row["process"], row["rank"] = wanted.process, wanted.rank
        row["pipe_priority"], row["queue_priority"] = wanted.pipe_priority, wanted.queue_priority
        machine = self.spec.machine
        everything = [(1 << cus) - 1 for _ in range(machine.xccs) for cus in machine.cus]
        mask = np.array([m & e for m, e in zip(wanted.cu_mask or everything, everything, strict=True)], np.int64)
        same = np.flatnonzero((self.state.mask == mask).all(axis=1))
        if not same.size:
            self.state = self.state._replace(mask=np.vstack([self.state.mask, mask]))
        row["mask"] = same[0] if same.size else len(self.state.mask) - 1

    @property
    def settled(self) -> bool:
        """Whether every change so far has been carried out."""
        g = self.state.g[0]
        return bool(g["control_next"] == g["controls"] and g["in_control"] < 0)

    def _row(self) -> int:
        """A packet row for the outside, with a time of its own."""
        if self._free:
            number = self._free.pop()
            self.state.packet[number]["state"] = 0
            return number
        state = self.state
        number = state.packet.size
        if number >= 1 << ID_BITS:
            raise SpecError(f"more than {1 << ID_BITS} packets at once")
        packet = np.concatenate([state.packet, np.zeros(1 + number // 2, state.packet.dtype)])
        waits = np.concatenate([state.waits, np.full((packet.size - number, 5), -1, np.int64)])
        times = np.concatenate([state.times, np.zeros(packet.size - number, np.int64)])
        new = packet[number:]
        new["thread"] = -1
        new["times_at"] = np.arange(state.times.size, times.size)
        new["times_n"] = 1
        self.state = state._replace(packet=packet, waits=waits, times=times)
        self._free.extend(range(packet.size - 1, number, -1))
        return number

    def _admit(self, packet: Packet) -> None:
        """A smaller workgroup than any before: more may be resident, and fewer CUs count as full."""
        g = self.state.g[0]
        least = unpack(int(g["least_need"]))
        need = packet.need
        if all(a <= b for a, b in zip(least, (need.waves, need.vgprs, need.lds), strict=True)):
            return
        waves, vgprs, lds = (min(a, b) for a, b in zip(least, (need.waves, need.vgprs, need.lds), strict=True))
        room = Room(waves, vgprs, lds)
        g["least_need"] = pack(room)
        g["resident"] = self.spec.machine.compute_units * self.spec.machine.cu.holds(room)
        for e in range(self.state.se.size):
            cus = self.spec.machine.cus[e % len(self.spec.machine.cus)]
            self.state.se[e]["available"] = (1 << cus) - 1

    def _post(self, at_ns: int | None, kind: int, index: int) -> None:
        at = self.now if at_ns is None else at_ns
        if not self.now <= at < LIMIT_NS:
            raise SpecError(f"{at} ns is past or too far away")
        held = int(self.state.g[0]["events_held"])
        if held + 2 > self.state.heap.size:
            self._grow(codes.MORE_EVENTS)
        events.sift_up(self.state.heap, held, at << TIME_SHIFT | kind << ID_BITS | index)
        self.state.g[0]["events_held"] = held + 1

    # What can be read

    @property
    def next_event(self) -> int | None:
        """When something happens next, None if never."""
        at = min(int(self.state.heap[0]) >> TIME_SHIFT, int(self.state.ends[events.ROOT]) >> WORKGROUP_BITS)
        return at if at < LIMIT_NS else None

    @property
    def totals(self) -> Totals:
        """The counters up to now."""
        return Totals.of(self.state.g[0])

    @property
    def log(self) -> Array:
        """One row a finished request, in the order in which they finished."""
        return self.state.log[: int(self.state.g[0]["log_rows"])]

    @property
    def trace(self) -> Array:
        """One row a finished packet, in the order in which they finished."""
        return self.state.trace[: int(self.state.g[0]["trace_rows"])]

    @property
    def residence(self) -> Array:
        """One row a change of a compute queue's state, with its slot, in order of time; kept with ``trace``."""
        return self.state.residence[: int(self.state.g[0]["residence_rows"])]
