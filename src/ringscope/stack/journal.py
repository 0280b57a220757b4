"""What the layers above the kernel did, in order: they tell an observer, and a :class:`Journal` keeps it as Events."""

from __future__ import annotations

from typing import Protocol

from ringscope.recording import Clock, Event, Kind, Recording, Source, Value

TICK_NS = 1000
"""A journal without a clock stamps its events this far apart: logs count microseconds."""


class Observer(Protocol):
    """Is told what a layer does, at the moment it does it."""

    def __call__(self, kind: Kind, **attrs: Value) -> None:
        """Take note of one happening; attribute names are those of :class:`~ringscope.recording.Kind`."""


def nobody(kind: Kind, **attrs: Value) -> None:
    """The observer that does not look."""


class Journal:
    """Keeps what the layers of one process tell, each under its name (``hip``, ``rocr``, ``thunk``).

    The layers have no clock: an event's time is its place in the journal, in ticks of a microsecond, and its clock is
    UNKNOWN.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.events: list[Event] = []

    def of(self, layer: str) -> Observer:
        """The observer that files under ``layer``."""

        def observe(kind: Kind, **attrs: Value) -> None:
            at = len(self.events)
            self.events.append(Event(at * TICK_NS, kind, attrs, Source(layer, at + 1), Clock.UNKNOWN, self.pid))

        return observe

    def layer(self, name: str) -> list[Event]:
        """The events of one layer; HIP's are those that its log would hold."""
        return [event for event in self.events if event.source.file == name]

    def recording(self, layer: str) -> Recording:
        """The events of one layer as a Recording."""
        return Recording(layer, tuple(self.layer(layer)), facts={"pid": self.pid})
