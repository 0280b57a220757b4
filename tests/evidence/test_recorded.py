"""Recordings of our own: read back as they were written, refused in one line when damaged."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.evidence.collect import collect
from ringscope.evidence.recorded import SCHEMA, read
from ringscope.recording import Clock, Kind
from ringscope.virtual import record

HEAD = {"schema": SCHEMA, "origin": "virtual", "clock": "monotonic"}
EVENT = [17, "queue-create", 42, {"qid": 3}]
TAIL = {"counters": {"ioctls": 9}, "facts": {"gpu": "mi308x"}}


def lines(*values: object) -> bytes:
    return b"".join(json.dumps(value, separators=(",", ":")).encode() + b"\n" for value in values)


def test_written_and_read_formats_are_one() -> None:
    assert record.SCHEMA == SCHEMA


def test_events_counters_and_facts_come_back(tmp_path: Path) -> None:
    (tmp_path / "recording.jsonl").write_bytes(lines(HEAD, EVENT, TAIL))
    (found,) = collect([tmp_path]).recordings
    (event,) = found.events
    assert (event.time_ns, event.kind, event.pid, event.attrs) == (17, Kind.QUEUE_CREATE, 42, {"qid": 3})
    assert (event.clock, event.source.line) == (Clock.MONOTONIC, 2)
    assert (found.counters, found.facts) == (TAIL["counters"], TAIL["facts"])


@pytest.mark.parametrize(
    "content",
    [
        lines(HEAD, EVENT),
        lines(HEAD, EVENT, TAIL, EVENT),
        lines({**HEAD, "schema": "ringscope.recording/9"}, TAIL),
        lines({**HEAD, "clock": "sundial"}, TAIL),
        lines(HEAD, [1, "queue-create", "pid", {}], TAIL),
        lines(HEAD, [1, "queue-create", 1, {"a": [1]}], TAIL),
        lines(HEAD, {"counters": {"a": "b"}, "facts": {}}),
        lines(HEAD) + b"[" * 100_000 + b"\n",
        b"",
    ],
)
def test_what_is_no_complete_recording_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read(path, "recording.jsonl")
    assert "\n" not in str(refused.value)


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_changed_byte_never_ends_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, at: int, byte: int) -> None:
    content = bytearray(lines(HEAD, EVENT, TAIL))
    content[at % len(content)] = byte
    path = tmp_path_factory.mktemp("recorded") / "recording.jsonl"
    path.write_bytes(content)
    try:
        read(path, "recording.jsonl")
    except InputError as error:
        assert "\n" not in str(error)
