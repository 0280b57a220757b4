"""The kernel driver (amdkfd): processes, queues, doorbells, MQDs, and the three ways it has them scheduled.

``Kfd(machine)`` is the driver of one machine. Its methods are the ioctls and the kernel-side events (process death,
eviction); each checks what the driver checks and raises :class:`.records.KfdError` with the driver's errno.
``snapshot()`` gives the state with real MQD bytes and slot registers; ``events`` is what the driver would have logged.
"""

from ringscope.stack.kfd.driver import Kfd

__all__ = ["Kfd"]
