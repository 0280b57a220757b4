"""The numbers that the arrays hold for names: kinds of events, states, and how keys are packed."""

from __future__ import annotations

from typing import Any

State = Any  # ringscope.engine.state.State, as Numba sees it: a tuple of record arrays

NEVER = (1 << 63) - 1

# The key of a workgroup's end is ``time << WORKGROUP_BITS | workgroup``, that of any other event
# ``time << TIME_SHIFT | kind << ID_BITS | id``.
WORKGROUP_BITS = 18
ID_BITS = 16
KIND_BITS = 3
TIME_SHIFT = KIND_BITS + ID_BITS
LIMIT_NS = 1 << (62 - TIME_SHIFT)
"""No event may lie later than this: 2 h 26 min."""

# Kinds of events, in the order in which those of one instant happen; ends of workgroups come before all of them.
PACKET_TAKEN = 1
COPY_END = 2
HOST = 3
DOORBELL = 4
QUEUE_STEP = 5  # id: 2 x queue, + 1 when it is mapped, + 0 when it is saved
QUANTUM = 6
DEVICE = 7
SAVED, MAPPED_ALL, TICK, CONTROL = 0, 1, 2, 3  # ids of DEVICE

# Schedulers and policies, as in policies.py.
CPSCH, NOCPSCH, MES = 0, 1, 2
FREE_SLOT, IN_ORDER, KERNEL, EQUAL_SHARE = 0, 1, 2, 3
SE_STRICT = 0
PIPE_PRIORITY, FULL_PRIORITY = 1, 2
LIST_END = 1
BUSY_FIRST = 1
REMAPPED = 1
PROCESS_HOLDS = 1

# A queue: unmapped, on its way into or out of a slot, or mapped.
UNMAPPED, SAVING, MAPPING, MAPPED = 0, 1, 2, 3
# A pipe: without work, taking up a packet, placing workgroups, loading another queue whose workgroups wait.
IDLE, TAKING, PLACING, SWITCHING = 0, 1, 2, 3
# The device, while a runlist is loaded or replaced.
STEADY, DEVICE_SAVING, DEVICE_MAPPING = 0, 1, 2
# A packet: not sent, in the ring, complete.
SENT, COMPLETE = 1, 2
DISPATCH, BARRIER_AND, BARRIER_OR, COPY, SYNC, HOST_TIME = 0, 1, 2, 3, 4, 5
CLOSED, OPEN, TRACE = 0, 1, 2
CREATE, DESTROY, UPDATE, EVICT, RESTORE = 0, 1, 2, 3, 4
# A host thread: between requests, sending, waiting within a request, waiting for its end, without further requests,
# waiting for a place in a full ring.
ASLEEP, SENDING, WAITING, ENDING, OVER, RING_FULL = 0, 1, 2, 3, 4, 5

# Why the engine stopped; anything but DONE asks for more room and is then continued.
DONE, MORE_EVENTS, MORE_WORKGROUPS, MORE_LOG, MORE_TRACE, MORE_RESIDENCE = 0, 1, 2, 3, 4, 5
