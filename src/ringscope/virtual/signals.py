"""HSA signals and the AMD queue structure in memory: the few words that completion touches.

Offsets are those of ``amd_signal_t`` and ``amd_queue_t`` (ROCR inc/amd_hsa_signal.h, amd_hsa_queue.h; facts §12).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ringscope.virtual.client import Client

VALUE, MAILBOX, EVENT, START, END = 8, 16, 24, 32, 40
INACTIVE_SIGNAL = 0xC0
WRITE_DISPATCH_ID, READ_DISPATCH_ID = 0x38, 0x80
_MASK = 0xFFFFFFFFFFFFFFFF
GPU_CLOCK_HZ = 100_000_000
"""The reference clock that timestamps are taken from, on every part here."""


def gpu_clock() -> int:
    """The GPU's timestamp counter: 100 MHz, running with the host's raw monotonic clock."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) // (1_000_000_000 // GPU_CLOCK_HZ)


def gpu_clock_at(monotonic_ns: int) -> int:
    """What that counter showed at a time of the monotonic clock."""
    return gpu_clock() - (time.monotonic_ns() - monotonic_ns) // (1_000_000_000 // GPU_CLOCK_HZ)


def value(client: Client, signal: int) -> int:
    """The signed value of a signal."""
    word = client.space.read64(signal + VALUE)
    return word - (1 << 64) if word >> 63 else word


def notify(client: Client, signal: int) -> int:
    """Wake whoever sleeps on a signal: its mailbox gets the event's id, then the interrupt comes; returns the id."""
    space = client.space
    mailbox = space.read64(signal + MAILBOX)
    event = space.read32(signal + EVENT)
    if mailbox:
        space.write64(mailbox, event)
    if event:
        client.events.signal(event)
    return event


def complete(client: Client, signal: int, start: int, end: int | None = None) -> int:
    """A packet is done: stamp its times, decrement its signal, wake waiters; returns the event signalled.

    The packet ended now unless ``end`` says when, on the GPU's clock.
    The decrement is atomic, so that a program may count in the same signal meanwhile (:meth:`.memory.Store.decrement`).
    """
    space = client.space
    here = space.here(signal)
    end = gpu_clock() if end is None else end
    if here:
        words = space.store.words
        at = here >> 3
        words[at + 4] = start
        words[at + 5] = end
        space.store.decrement(here + VALUE)
        event = words[at + 3] & 0xFFFFFFFF
        mailbox = words[at + 2]
        if mailbox:
            space.write64(mailbox, event)
        if event:
            client.events.signal(event)
        return event
    space.write64(signal + START, start)
    space.write64(signal + END, end)
    space.decrement64(signal + VALUE)
    return notify(client, signal)


def set_error(client: Client, queue_structure: int, code: int) -> None:
    """Put an error code into the queue's inactive signal, as the microcode does, and wake its handler."""
    signal = client.space.read64(queue_structure + INACTIVE_SIGNAL)
    if signal:
        client.space.write64(signal + VALUE, code)
        notify(client, signal)
