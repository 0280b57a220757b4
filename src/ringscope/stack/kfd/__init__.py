"""The kernel driver (amdkfd): processes, queues, doorbells, MQDs, and the three ways it has them scheduled.

``Kfd(machine)`` is the driver of one machine. Its methods are the ioctls and the kernel-side events (process death,
eviction); each checks what the driver checks and raises :class:`.records.KfdError` with the driver's errno, or gives
back the steps that were done to the hardware. ``snapshot()`` gives the state with real MQD bytes and slot registers;
``events`` is what the driver would have logged.

How it hangs together: a :class:`.process.Process` has, on each node, a :class:`.process.ProcessDevice` with a slice of
doorbells and its queues. A :class:`.node.Node` has the node's memory, doorbell BAR, SDMA queues and HIQ, and the
firmware below (:class:`~ringscope.stack.firmware.Mec`) that owns the slots. A :class:`.scheduler.Scheduler` stands
between the two. Bytes (MQDs, runlists) are made when somebody looks; until then a queue is a record and a slot a
reference, which is why thousands of queues cost little.

Left out: the debugger's own queue (DIQ) with its limit of 12 queues, checkpoint and restore (CRIU), SR-IOV, and RAS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ringscope.stack.kfd.driver import Kfd

__all__ = ["Kfd"]


def __getattr__(name: str) -> object:
    """``Kfd``, imported when asked for: its records and the topology are wanted without the driver, too."""
    if name != "Kfd":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ringscope.stack.kfd.driver import Kfd  # noqa: PLC0415

    return Kfd
