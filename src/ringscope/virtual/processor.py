"""The command processor: looks at doorbells, takes packets, and lets queues take turns.

Which queues may run, and in which order, is the driver's and the firmware's business (:mod:`ringscope.stack`); here
is only the loop. One turn looks at every mapped queue once, the higher priority first, and among equals the one that
waited longest.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from ringscope.stack.kfd.records import IoctlQueueType
from ringscope.virtual import aql, pm4, sdma, signals
from ringscope.virtual.events import HW_EXCEPTION, MEMORY
from ringscope.virtual.faults import Fault
from ringscope.virtual.memory import MemoryFault
from ringscope.virtual.ring import UNRUNG, Ring

if TYPE_CHECKING:
    from ringscope.virtual.kernels import Kernels
    from ringscope.virtual.record import Recorder

_RUN = {IoctlQueueType.COMPUTE_AQL: aql.run, IoctlQueueType.COMPUTE: pm4.run}
FAULT_ERROR = 1 << 4
"""Code put into the inactive signal of a queue whose memory access faulted; ROCr reports it as a general error."""


class Processor:
    """Every ring of the device. ``record`` gets each packet when a recording is made."""

    def __init__(self, kernels: Kernels, record: Recorder | None) -> None:
        self.kernels = kernels
        self.record = record
        self.rings: list[Ring] = []
        self.began = 0
        self.refused = 0

    def add(self, ring: Ring) -> None:
        """A queue was made: its doorbell starts unrung, whatever its slot held before."""
        ring.locate()
        ring.last = UNRUNG if ring.type is IoctlQueueType.COMPUTE_AQL else 0
        ring.client.doorbells[ring.slot] = ring.last
        self.rings.append(ring)
        self.sort()

    def remove(self, ring: Ring) -> None:
        """A queue ended."""
        self.rings.remove(ring)

    def sort(self) -> None:
        """Priorities changed."""
        self.rings.sort(key=lambda ring: -ring.priority)

    def turn(self) -> int:
        """One look at every queue; returns how much was done (0: nothing to do)."""
        done = 0
        for ring in self.rings:
            if ring.client.doorbells[ring.slot] == ring.last and not ring.waiting:
                continue
            if not ring.mapped or not ring.runnable:
                continue
            done += self._serve(ring)
        return done

    def _serve(self, ring: Ring) -> int:
        retired = aql.retire(ring, time.monotonic_ns()) if ring.busy else 0
        try:
            return retired + _RUN.get(ring.type, sdma.run)(self, ring)
        except Fault as fault:
            self.stop(ring, str(fault), fault.code)
        except MemoryFault as fault:
            self.stop(ring, f"touched GPU address {fault.va:#x}, which is not mapped", FAULT_ERROR)
            ring.client.events.signal_type(MEMORY, _memory_exception(fault.va, ring.gpu_id))
        except OSError:
            # The process is going away under us: its pidfd says so next.
            ring.waiting = False
        return 1

    def stop(self, ring: Ring, why: str, code: int) -> None:
        """A fault: the queue stops for good, the runtime and the user are told."""
        ring.fault, ring.waiting = why, False
        self.refused += 1
        print(f"ringscope: {ring.label}: {why}", file=sys.stderr)
        if self.record:
            self.record.fault(ring, why)
        if ring.type is IoctlQueueType.COMPUTE_AQL:
            try:
                signals.set_error(ring.client, ring.read_va & ~0xFFF | (ring.read_va & 0xFFF) - 0x80, code)
            except OSError:
                pass
        else:
            ring.client.events.signal_type(HW_EXCEPTION, _hardware_exception(ring.gpu_id))


def _memory_exception(va: int, gpu_id: int) -> bytes:
    """``kfd_hsa_memory_exception_data``: not present, at that address."""
    return (
        b"".join(n.to_bytes(4, "little") for n in (1, 0, 0, 0))
        + va.to_bytes(8, "little")
        + gpu_id.to_bytes(4, "little")
    )


def _hardware_exception(gpu_id: int) -> bytes:
    """``kfd_hsa_hw_exception_data``: type, cause (a hang), memory not lost, gpu_id."""
    return b"".join(n.to_bytes(4, "little") for n in (0, 0, 0, gpu_id))
