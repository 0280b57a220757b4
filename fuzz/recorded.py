"""``recording.jsonl``, which may come from a stranger as any file may."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

from fuzz import held
from ringscope.evidence import recorded
from ringscope.join import case_of
from ringscope.recording import Clock, Kind, Recording
from ringscope.report import explain
from ringscope.verdicts import answers

_HEAD = {"schema": recorded.SCHEMA, "origin": "virtual", "clock": Clock.MONOTONIC.value}
_TAIL = {"counters": {"dispatch": 1}, "facts": {"gpu": "mi210"}}


def seeds() -> Iterator[bytes]:
    """A run with an event of every kind, as the events' page lists their attributes."""
    attrs = {"qid": 1, "ring_base": 4096, "ring_bytes": 4096, "priority": 7, "gpu_id": 5, "name": "CREATE_QUEUE"}
    more = {"errno": 0, "begin": 1, "end": 2, "queue": 1, "scope": "gpu", "limit": "queues", "index": 3, "type": "x"}
    events = [[number, kind.value, 7, attrs | more] for number, kind in enumerate(Kind)]
    yield "".join(json.dumps(row) + "\n" for row in (_HEAD, *events, _TAIL)).encode()
    for event in events:
        yield "".join(json.dumps(row) + "\n" for row in (_HEAD, event, _TAIL)).encode()


def one(data: bytes) -> None:
    """Read, and answer every question from it."""
    recording = held(lambda: recorded.read(io.BytesIO(data), "recording.jsonl"))
    if isinstance(recording, Recording):
        case = case_of((), (recording,))
        json.dumps(explain.data(case, answers(case), ()))
