"""What a profiler recorded: kernels, copies and API calls, whatever file they come from.

The readers of rocprofv3, rocpd and rocprof v1 files put what they find into one :class:`Timeline`. ROCr converts GPU
times to its system clock, CLOCK_BOOTTIME (``os::ReadSystemClock``), and the profilers stamp the host's calls with the
same; a profiler told otherwise does not say so in its files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from ringscope.recording import Clock, Event, Kind, Recording, Source, Value

# Events of a kind are kept up to this many and counted beyond; so many different names are counted.
KEPT_PER_KIND = 1 << 16
_NAMES = 4096
_TEXT_CHARS = 1000
_PLACE = ("agent", "queue", "stream")

_INTEGER = re.compile(r"\s*-?\d{1,19}\s*", re.ASCII)
_AGENT = re.compile(r"Agent (\d{1,9})")

Field = object
"""A value as a file holds it: a number, a text, or nothing."""


def integer(value: Field) -> int | None:
    """The integer that a field holds, as a number or as digits; None when it holds none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < 1 << 64 else None
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return None


def label(value: Field) -> Value | None:
    """What a file calls a queue, stream or agent: a number where it is one (``Agent 4`` is 4), else its text."""
    number = integer(value)
    if number is not None or not isinstance(value, str) or not value:
        return number
    agent = _AGENT.fullmatch(value)
    return int(agent[1]) if agent else text(value)


def text(value: Field) -> str:
    """A printable text of bounded length; empty when the field holds none."""
    shown = value[:_TEXT_CHARS] if isinstance(value, str) else ""
    return shown if shown.isprintable() else "".join(char if char.isprintable() else " " for char in shown)


def extent(sizes: Iterable[Field]) -> str | None:
    """A grid or workgroup as ``1024x1024x1``; None when a size is missing."""
    numbers = [integer(size) for size in sizes]
    return None if not numbers or None in numbers else "x".join(map(str, numbers))


def kept(row: Mapping[str, Field], names: Iterable[str]) -> dict[str, Value | None]:
    """The fields that no table knows, as attributes that cannot be taken for others: ``unknown:NAME``."""
    return {f"unknown:{text(name)}": label(row.get(name)) for name in names}


class Timeline:
    """Collects records in their order.

    Args:
        name: what the file is called.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.facts: dict[str, Value] = {}
        self.notes: list[str] = []
        self._events: list[Event] = []
        self._kinds: Counter[Kind] = Counter()
        self._counters: Counter[str] = Counter()
        self._first: int | None = None
        self._last: int | None = None
        self._bad = 0
        self._first_bad = Source(name)

    def add(
        self,
        kind: Kind,
        times: tuple[Field, Field],
        attrs: Mapping[str, Value | None],
        details: Callable[[], Mapping[str, Value | None]] = dict,
        pid: Field = None,
        line: int = 0,
    ) -> None:
        """Adds a dispatch, copy or API call; attributes that are None are left out.

        Args:
            kind: DISPATCH, COPY or API.
            times: begin and end, in nanoseconds. Without both the record is counted as unreadable.
            attrs: what is counted by: ``agent``, ``queue`` and ``stream``, or an API call's ``domain`` and ``name``.
            details: gives further attributes; asked only when the event is kept.
            pid: the process, as far as known.
            line: where it was read.
        """
        begin, end = integer(times[0]), integer(times[1])
        if begin is None or end is None or begin < 0 or end < 0:
            self.bad(Source(self.name, line))
            return
        self._first = begin if self._first is None else min(begin, self._first)
        self._last = end if self._last is None else max(end, self._last)
        self._counted(kind, attrs)
        self._kinds[kind] += 1
        if self._kinds[kind] <= KEPT_PER_KIND:
            own: dict[str, Value] = {"duration_ns": end - begin} if kind is Kind.API else {"begin": begin, "end": end}
            given = {name: value for name, value in {**attrs, **details(), **own}.items() if value is not None}
            source = Source(self.name, line)
            self._events.append(Event(begin, kind, given, source, Clock.BOOTTIME, integer(pid)))

    def bad(self, source: Source) -> None:
        """Counts a record that cannot be read."""
        if not self._bad:
            self._first_bad = source
        self._bad += 1

    def _counted(self, kind: Kind, attrs: Mapping[str, Value | None]) -> None:
        if kind is Kind.API:
            self._count(f"{attrs.get('domain', 'other')}_calls")
            self._count(f"calls:{attrs.get('name', '')}")
            return
        word = "dispatches" if kind is Kind.DISPATCH else "copies"
        self._count(word)
        where = " ".join(f"{name} {attrs[name]}" for name in _PLACE if attrs.get(name) is not None)
        if where and kind is Kind.DISPATCH:
            self._count(f"{word}:{where}")

    def _count(self, name: str) -> None:
        if name in self._counters or len(self._counters) < _NAMES:
            self._counters[name] += 1

    def recording(self) -> Recording:
        """Everything added."""
        notes = list(self.notes)
        if self._bad:
            what = "1 record" if self._bad == 1 else f"{self._bad} records"
            notes.append(f"{what} could not be read (the first at {self._first_bad})")
        for kind, count in self._kinds.items():
            if count > KEPT_PER_KIND:
                notes.append(f"{count} {kind.value} events: the first {KEPT_PER_KIND} are kept")
        facts = dict(self.facts)
        if self._first is not None and self._last is not None:
            facts |= {"first_time_ns": self._first, "last_time_ns": self._last}
        return Recording(self.name, tuple(self._events), dict(self._counters), facts, tuple(notes))
