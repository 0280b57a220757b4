"""Recordings that ringscope wrote itself: ``recording.jsonl`` of ``ringscope exec --record``.

The first line is the head (schema, origin, clock), the last one the counters and facts; each line between is one event
``[time_ns, kind, pid, attrs]``. A run that was killed has no last line and is refused: half a run misleads.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from ringscope.errors import InputError, printable
from ringscope.evidence.drift import Drift, Held
from ringscope.evidence.lines import BLOCK_BYTES, Blocks, PathOrStream, opened
from ringscope.recording import Clock, Event, Kind, Recording, Source, Value

HELD = Held("ringscope.recording/1", "recordings of this version")

SCHEMA = "ringscope.recording/1"
KEPT_PER_KIND = 1 << 16
"""Events of a kind that are kept; a long run has millions of packets, and the rest is only counted."""


def read(source: PathOrStream, name: str, block_bytes: int = BLOCK_BYTES, drift: Drift | None = None) -> Recording:
    """The Recording; InputError with the line when it is cut off or none of ours.

    An event of a kind that this version does not know is told to ``drift`` and counted as ``unknown:KIND``.
    """
    drift = drift or Drift()
    strange: Counter[str] = Counter()
    events: list[Event] = []
    kinds: Counter[Kind] = Counter()
    head: dict[str, Any] | None = None
    tail: dict[str, Any] | None = None
    clock = Clock.UNKNOWN
    with opened(source, name) as stream:
        blocks = Blocks(stream, block_bytes)
        for first, data in blocks:
            for number, line in enumerate(data.splitlines(), first):
                at = Source(name, number)
                if tail is not None:
                    raise _bad(at)
                value = _parsed(line, at)
                if head is None:
                    head, clock = _head(value, at)
                    drift.names("key", head, ("schema", "origin", "clock"), at)
                elif isinstance(value, dict):
                    tail = value
                    drift.names("key", tail, ("counters", "facts"), at)
                else:
                    event = _event(value, clock, at)
                    if isinstance(event, str):
                        drift.add("event", line.decode("utf-8", "replace"), at)
                        strange[f"unknown:{printable(event[:64])}"] += 1
                        continue
                    kinds[event.kind] += 1
                    if kinds[event.kind] <= KEPT_PER_KIND:
                        events.append(event)
        if head is None or tail is None or blocks.dropped:
            raise InputError("is no complete recording", name, "let the recorded run end, and copy the file whole")
    counters, facts = tail.get("counters"), tail.get("facts")
    if not _plain(counters, int) or not _plain(facts, (int, str)):
        raise InputError("its last line is no summary", name, "record the run again")
    more = {kind.value: count for kind, count in kinds.items() if count > KEPT_PER_KIND}
    notes = tuple(
        f"{name}: the first {KEPT_PER_KIND} of {count} {kind} events are kept" for kind, count in more.items()
    )
    return Recording(name, tuple(events), (counters or {}) | dict(strange), facts or {}, notes)


def _bad(at: Source) -> InputError:
    return InputError("no line of a recording", str(at), "record the run again")


def _parsed(line: bytes, at: Source) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise _bad(at) from None


def _head(value: Any, at: Source) -> tuple[dict[str, Any], Clock]:
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise InputError(f"a recording that is not {SCHEMA}", str(at), "record the run again with this version")
    try:
        return value, Clock(value.get("clock"))
    except ValueError:
        raise _bad(at) from None


def _event(value: Any, clock: Clock, at: Source) -> Event | str:
    """The event, or the name of a kind that is not known."""
    if not isinstance(value, list) or len(value) != 4:
        raise _bad(at)
    time_ns, kind, pid, attrs = value
    if not isinstance(time_ns, int) or not isinstance(pid, int | None) or not _plain(attrs, (int, str)):
        raise _bad(at)
    if not isinstance(kind, str):
        raise _bad(at)
    return Event(time_ns, Kind(kind), attrs, at, clock, pid) if kind in _KINDS else kind


_KINDS = frozenset(kind.value for kind in Kind)


def _plain(value: object, types: type[Value] | tuple[type, ...]) -> bool:
    """Whether this is a dictionary of plain values."""
    return isinstance(value, dict) and all(isinstance(item, types) for item in value.values())
