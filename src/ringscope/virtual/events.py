"""KFD events of one process, and waits that are answered later.

A signal event is a slot of the process's event page; interrupts of the GPU signal it. A wait that nothing has
satisfied yet keeps its unanswered call and is answered by the signal, the deadline, or a signal to the thread.
Source: amdkfd kfd_events.c (facts §3.1 for the ioctls).
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable

from ringscope.records import dataclass, field

SIGNAL, HW_EXCEPTION, MEMORY = 0, 3, 8
TYPES = range(9)
SLOTS = 4096
"""Signal events a process may have (KFD_SIGNAL_EVENT_LIMIT); their ids are slots of the event page."""
FIRST_OTHER = 1 << 30
"""Id of the first event of another type (kfd_events.h: the upper half of the positive ids)."""
COMPLETE, TIMEOUT, FAIL = 0, 1, 2
RECORD = 48
"""Bytes of one ``kfd_event_data``: 32 of payload, a pointer, the id, padding."""
_ID_AT = 40
FOREVER = 0xFFFFFFFF


@dataclass(slots=True, eq=False)
class Event:
    """One event. ``age`` counts its signals from 1, so that a waiter can tell that it missed one."""

    number: int
    type: int
    auto_reset: bool
    signaled: bool = False
    age: int = 1
    payload: bytes = b""
    waits: list[Wait] = field(default_factory=list)
    destroyed: bool = False

    def set(self) -> None:
        """Signal it, and answer the waits that this settles."""
        self.age += 1
        # An auto-reset event that finds a waiter is consumed by it.
        self.signaled = not self.auto_reset or not self.waits
        for wait in tuple(self.waits):
            wait.seen = [seen or event is self for seen, event in zip(wait.seen, wait.events, strict=True)]
            wait.settled()


@dataclass(slots=True, eq=False)
class Wait:
    """One WAIT_EVENTS that has not been answered.

    ``seen`` says event by event whether it was signalled since the wait began; ``deadline_ns`` is monotonic, None for
    ever; ``answer`` is called once with (result, errno).
    """

    tid: int
    call: int
    events: list[Event]
    ages: list[bool]
    all: bool
    deadline_ns: int | None
    answer: Callable[[Wait, int, int], None]
    seen: list[bool] = field(default_factory=list)
    done: bool = False

    def finish(self, result: int, error: int = 0) -> None:
        """Answer, once."""
        if self.done:
            return
        self.leave(give_back=error == errno.EINTR)
        self.answer(self, result, error)

    def leave(self, give_back: bool) -> None:
        """Wait no longer; ``give_back`` for an interrupted one: what it took of auto-reset events is there again."""
        self.done = True
        for event in self.events:
            if self in event.waits:
                event.waits.remove(self)
        if give_back:
            for event, seen in zip(self.events, self.seen, strict=True):
                if seen and event.auto_reset:
                    event.set()

    def settled(self) -> bool:
        """Answer when what was waited for has come; says whether it had."""
        if any(event.destroyed for event in self.events):
            self.finish(FAIL, errno.EIO)
        elif all(self.seen) if self.all or not self.seen else any(self.seen):
            self.finish(COMPLETE)
        return self.done

    def results(self, records: bytes) -> bytes:
        """The caller's event records with what the driver copies back into those that came."""
        out = bytearray(records)
        for index, event in enumerate(self.events):
            if not self.seen[index]:
                continue
            if event.type == SIGNAL and self.ages[index]:
                struct.pack_into("<Q", out, RECORD * index, event.age)
            elif event.payload:
                out[RECORD * index : RECORD * index + len(event.payload)] = event.payload
        return bytes(out)


class Events:
    """The events of one process. Numbers are positive; errors are OSError with the driver's errno."""

    def __init__(self) -> None:
        self._events: dict[int, Event] = {}
        # Slot 0 is kept: a signal of no event carries 0, and waking the first event for it would hide an error.
        self._next_slot = 1

    def create(self, type_: int, auto_reset: bool, signaled: bool = False) -> Event:
        """A new event; ENOSPC when the process has no slot left."""
        if type_ not in TYPES:
            raise OSError(errno.EINVAL, "no such event type")
        if type_ == SIGNAL:
            number = next((n for n in range(1, SLOTS) if n not in self._events), 0)
            if not number:
                raise OSError(errno.ENOSPC, "no event slot is left")
        else:
            number = FIRST_OTHER
            while number in self._events:
                number += 1
        event = self._events[number] = Event(number, type_, auto_reset, signaled)
        return event

    def get(self, number: int) -> Event:
        """The event of that id; EINVAL when there is none."""
        try:
            return self._events[number]
        except KeyError:
            raise OSError(errno.EINVAL, f"no event {number}") from None

    def destroy(self, number: int) -> None:
        """Take an event away; waits for it fail."""
        event = self.get(number)
        del self._events[number]
        event.destroyed = True
        for wait in tuple(event.waits):
            wait.settled()

    def signal(self, number: int) -> None:
        """An interrupt names an event; one that names none is ignored, as the driver does."""
        event = self._events.get(number)
        if event is not None:
            event.set()

    def signal_type(self, type_: int, payload: bytes) -> None:
        """Signal every event of a type (memory or hardware exception) with its payload."""
        for event in tuple(self._events.values()):
            if event.type == type_:
                event.payload = payload
                event.set()

    def wait(self, wait: Wait, ages: list[int]) -> bool:
        """Start a wait; says whether it was answered at once. ``ages`` are the callers' last seen ages, 0 for none."""
        wait.seen = []
        for event, age in zip(wait.events, ages, strict=True):
            wait.seen.append(event.signaled or (event.type == SIGNAL and age not in (0, event.age)))
            if event.auto_reset:
                event.signaled = False
        if wait.settled():
            return True
        if wait.deadline_ns == 0:
            wait.finish(TIMEOUT)
            return True
        for event, seen in zip(wait.events, wait.seen, strict=True):
            if not seen and wait not in event.waits:
                event.waits.append(wait)
        return False

    def clear(self) -> None:
        """The process has gone: nobody waits any more."""
        for event in self._events.values():
            event.waits.clear()
        self._events.clear()


def ids_and_ages(records: bytes) -> list[tuple[int, int]]:
    """Event id and last seen age of each ``kfd_event_data`` record."""
    return [
        (struct.unpack_from("<I", records, at + _ID_AT)[0], struct.unpack_from("<Q", records, at)[0])
        for at in range(0, len(records), RECORD)
    ]
