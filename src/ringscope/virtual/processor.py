"""The command processor: looks at doorbells, takes packets, and lets queues take turns.

Which queues may run, and in which order, is the driver's and the firmware's business (:mod:`ringscope.stack`); here
is only the loop. One turn looks at every mapped queue once, the higher priority first, and among equals the one that
waited longest.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from ringscope import log
from ringscope.parts.queue_types import IoctlQueueType
from ringscope.virtual import signals
from ringscope.virtual.events import HW_EXCEPTION, MEMORY
from ringscope.virtual.faults import ERROR_NONE, Fault, hardware_exception, memory_exception
from ringscope.virtual.front import Front
from ringscope.virtual.memory import MemoryFault
from ringscope.virtual.ring import UNRUNG, Flight, Ring

if TYPE_CHECKING:
    from ringscope.virtual.client import Client
    from ringscope.virtual.kernels import Kernels
    from ringscope.virtual.record import Recorder


@cache
def _taker(type_: IoctlQueueType) -> Callable[[Front, Ring], int]:
    """What takes the packets of such a queue; loaded with the first one, as many programs only look at the device."""
    if type_ is IoctlQueueType.COMPUTE_AQL:
        from ringscope.virtual.aql import run  # noqa: PLC0415
    elif type_ is IoctlQueueType.COMPUTE:
        from ringscope.virtual.pm4 import run  # noqa: PLC0415
    else:
        from ringscope.virtual.sdma import run  # noqa: PLC0415
    return run


class Processor(Front):
    """Every ring of the device.

    ``starved`` says that a ring has work and no slot; whoever rotates the queues resets it.
    """

    def __init__(self, kernels: Kernels, record: Recorder | None) -> None:
        super().__init__(kernels, record)
        self.rings: list[Ring] = []
        self.refused = 0
        self.halted = False
        self.starved = False
        self.on_packet: Callable[[Ring], None] | None = None
        self.on_memory_fault: Callable[[Ring], None] | None = None

    def add(self, ring: Ring) -> None:
        """A queue was made: its doorbell starts unrung, whatever its slot held before."""
        _taker(ring.type)
        ring.locate()
        ring.last = UNRUNG if ring.type is IoctlQueueType.COMPUTE_AQL else 0
        ring.client.doorbells[ring.slot] = ring.last
        self.rings.append(ring)
        self.sort()

    def remove(self, ring: Ring) -> None:
        """A queue ended."""
        self.rings.remove(ring)

    def of(self, client: Client) -> dict[int, Ring]:
        """The rings of one process, by the number of the queue."""
        return {ring.number: ring for ring in self.rings if ring.client is client}

    def sort(self) -> None:
        """Priorities changed."""
        self.rings.sort(key=lambda ring: -ring.priority)

    def turn(self) -> int:
        """One look at every queue; returns how much was done (0: nothing to do)."""
        done = 0
        if self.halted:
            return 0
        if self.kernels.timed:
            for flight in self.kernels.timed.finished():
                self._retire(flight)
                done += 1
        for ring in self.rings:
            if ring.client.doorbells[ring.slot] == ring.last and not ring.waiting:
                continue
            if not ring.runnable:
                continue
            if not ring.mapped:
                self.starved = True
                continue
            done += self._serve(ring)
        return done

    def _serve(self, ring: Ring) -> int:
        try:
            taken = _taker(ring.type)(self, ring)
            if taken and self.on_packet:
                self.on_packet(ring)
            return taken
        except Fault as fault:
            self.stop(ring, str(fault), fault.code)
        except MemoryFault as fault:
            self._memory_fault(ring, f"touched GPU address {fault.va:#x}, which is not mapped", fault.va)
        except OSError as error:
            ring.waiting = False
            # A process that is going away says so next, through its pidfd; one that lives has unmapped what it shared.
            if error.errno != errno.ESRCH:
                self._memory_fault(ring, f"touched memory that the program no longer has ({error.strerror})", 0)
        return 1

    def _retire(self, flight: Flight) -> None:
        """A kernel's modelled time is over."""
        ring = flight.ring
        ring.busy.remove(flight)
        if self.record:
            self.record.dispatch(ring, flight.name, "timed", flight.job, flight)
        if flight.signal and not ring.fault:
            with suppress(OSError):  # the signal may be gone with the process
                began, ended = signals.gpu_clock_at(flight.began), signals.gpu_clock_at(flight.ended)
                event = signals.complete(ring.client, flight.signal, began, ended)
                if event and self.record:
                    self.record.interrupt(ring.client, ring, event)

    def _memory_fault(self, ring: Ring, why: str, va: int) -> None:
        self.stop(ring, why, ERROR_NONE)
        ring.client.events.signal_type(MEMORY, memory_exception(va, ring.gpu_id))
        if self.on_memory_fault:
            self.on_memory_fault(ring)

    def stop(self, ring: Ring, why: str, code: int) -> None:
        """A fault: the queue stops for good, the runtime and the user are told."""
        if ring.fault:
            return
        ring.fault, ring.waiting = why, False
        self.refused += 1
        log.warning(f"{ring.label}: {why}")
        if self.record:
            self.record.fault(ring, why)
        if ring.type is IoctlQueueType.COMPUTE_AQL:
            if code:
                with suppress(OSError):  # the queue structure may be gone with the process
                    signals.set_error(ring.client, ring.read_va - signals.READ_DISPATCH_ID, code)
        elif code:
            ring.client.events.signal_type(HW_EXCEPTION, hardware_exception(ring.gpu_id))
