"""What the layers above the kernel did, in order: they tell an observer, and a :class:`Journal` keeps it as Events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ringscope.recording import Clock, Event, Kind, Recording, Source, Value


class Observer(Protocol):
    """Is told what a layer does, at the moment it does it."""

    def __call__(self, kind: Kind, **attrs: Value) -> None:
        """Take note of one happening; attribute names are those of :class:`~ringscope.recording.Kind`."""


def nobody(kind: Kind, **attrs: Value) -> None:
    """The observer that does not look."""


class Journal:
    """An observer that keeps everything, for one process.

    The layers have no clock: ``time_ns`` counts happenings from 0 and the clock is UNKNOWN.
    """

    def __init__(self, pid: int, origin: str = "stack") -> None:
        self.pid = pid
        self.origin = origin
        self.events: list[Event] = []

    def __call__(self, kind: Kind, **attrs: Value) -> None:
        """Keep one happening."""
        at = len(self.events)
        self.events.append(Event(at, kind, attrs, Source(self.origin, at + 1), Clock.UNKNOWN, self.pid))

    def recording(self, notes: Iterable[str] = ()) -> Recording:
        """What was kept so far."""
        return Recording(self.origin, tuple(self.events), notes=tuple(notes))
