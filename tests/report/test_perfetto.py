"""Perfetto traces, read back: by a small reader of our own, and by the definitions that Perfetto itself publishes."""

from __future__ import annotations

import importlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from asking import kernels, recorded, told
from hypothesis import given
from hypothesis import strategies as st

from ringscope.cli import main
from ringscope.errors import InputError
from ringscope.evidence.collect import collect
from ringscope.recording import Clock, Event, Kind
from ringscope.report.perfetto import trace


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of one protobuf message, in order."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(data):
        tag = varint()
        match tag & 7:
            case 0:
                yield tag >> 3, varint()
            case 1:
                at += 8
                yield tag >> 3, int.from_bytes(data[at - 8 : at], "little")
            case 2:
                size = varint()
                at += size
                assert at <= len(data), "a field reaches beyond its message"
                yield tag >> 3, data[at - size : at]
            case kind:
                raise AssertionError(f"wire type {kind} is not used here")


@dataclass
class Track:
    """One track as a reader sees it: (begin, end, name) slices, instants, counter steps."""

    name: str
    parent: int
    slices: list[tuple[int, int, str]] = field(default_factory=list)
    instants: list[tuple[int, str]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)


def read(data: bytes) -> tuple[dict[int, Track], dict[int, list[str]]]:
    """Tracks by uuid, and by flow the kinds of track it passes."""
    tracks: dict[int, Track] = {}
    open_: dict[int, tuple[int, str]] = {}
    flows: dict[int, list[str]] = defaultdict(list)
    for number, packet in fields(data):
        assert number == 1 and isinstance(packet, bytes)
        content: dict[int, Any] = dict(fields(packet))
        assert content[10] == 1
        if 60 in content:
            described: dict[int, Any] = dict(fields(content[60]))
            assert described[1] not in tracks
            assert described.get(5, 0) in {0, *tracks}, "a track stands before its parent"
            tracks[described[1]] = Track(described[2].decode(), described.get(5, 0))
            continue
        event: dict[int, Any] = dict(fields(content[11]))
        track, time = tracks[event[11]], content[8]
        for flow in (event.get(47), event.get(48)):
            if flow:
                flows[flow].append(track.name)
        match event[9]:
            case 1:
                assert event[11] not in open_, f"slices overlap on {track.name}"
                open_[event[11]] = (time, event[23].decode())
            case 2:
                begin, name = open_.pop(event[11])
                assert begin <= time
                assert not track.slices or track.slices[-1][1] <= begin, f"slices overlap on {track.name}"
                track.slices.append((begin, time, name))
            case 3:
                track.instants.append((time, event[23].decode()))
            case 4:
                track.counts.append(event[30] - (1 << 64) if event[30] >> 63 else event[30])
    assert not open_
    return tracks, flows


def named(tracks: dict[int, Track], name: str) -> Track:
    (found,) = (track for track in tracks.values() if track.name == name)
    return found


LIFE = [
    told(Kind.STREAM_CREATE, at=1, pid=7, stream=1 << 20, ring_base=1 << 40),
    told(Kind.QUEUE_CREATE, at=1, pid=7, ring_base=1 << 40),
    told(Kind.RUNLIST, at=2),
    told(Kind.QUEUE_MAP, at=2, pid=7, qid=0, pipe=1, queue=2),
    told(Kind.DISPATCH, at=4, pid=7, queue=0, kernel="k", dispatch=3_000_000, begin=4_000_000, end=6_000_000,
         complete=7_000_000),
    told(Kind.COPY, at=6, pid=7, begin=6_000_000, end=8_000_000, direction="host-to-device"),
    told(Kind.API, at=3, pid=7, tid=9, name="hipLaunchKernel", domain="hip", duration_ns=1000),
    told(Kind.HANG, at=8, pid=7),
    told(Kind.STREAM_DESTROY, at=9, pid=7, stream=1 << 20),
    told(Kind.QUEUE_DESTROY, at=10, pid=7, ring_base=1 << 40, qid=0),
]  # fmt: skip


def test_every_kind_of_track_and_the_flow_of_a_dispatch() -> None:
    tracks, flows = read(trace([recorded(*LIFE)]))
    ms = 1_000_000
    assert named(tracks, "stream 0x100000").slices == [(1 * ms, 9 * ms, "stream 0x100000")]
    assert named(tracks, "queue 0x10000000000").slices == [(1 * ms, 10 * ms, "queue 0x10000000000")]
    assert named(tracks, "pipe 1 queue 2").slices == [(2 * ms, 10 * ms, "qid 0 of 7")]
    assert named(tracks, "queue 0").slices == [(4 * ms, 6 * ms, "k")]
    assert named(tracks, "copies").slices == [(6 * ms, 8 * ms, "host-to-device")]
    assert named(tracks, "hip calls of thread 9").slices == [(3 * ms, 3 * ms + 1000, "hipLaunchKernel")]
    assert named(tracks, "HIQ").instants == [(2 * ms, "runlist")]
    assert named(tracks, "trouble").instants == [(8 * ms, "hang")]
    assert named(tracks, "kernels running").counts == [1, 0]
    assert named(tracks, "runlists sent").counts == [1]
    assert named(tracks, "submitted to queue 0").instants == [(3 * ms, "k")]
    assert flows == {1: ["queue 0", "submitted to queue 0", "completed on queue 0"]}
    home = next(uuid for uuid, track in tracks.items() if track.name == "process 7")
    assert named(tracks, "queue 0").parent == named(tracks, "stream 0x100000").parent == home


RUNS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20), st.integers(0, 2)), max_size=40)


@given(RUNS)
def test_nothing_overlaps_and_nothing_is_lost(made: list[tuple[int, int, int]]) -> None:
    events = [told(Kind.DISPATCH, queue=q, begin=b, end=b + n, kernel=f"k{i}") for i, (b, n, q) in enumerate(made)]
    events.append(told(Kind.RUNLIST))
    tracks, _ = read(trace([recorded(*events)]))
    found = Counter(piece for track in tracks.values() for piece in track.slices)
    assert found == Counter((b, b + n, f"k{i}") for i, (b, n, _) in enumerate(made))
    for track in tracks.values():
        if track.name == "kernels running":
            assert track.counts[-1] == 0 <= min(track.counts)


def test_a_counter_has_one_value_at_a_time() -> None:
    events = [told(Kind.DISPATCH, queue=0, begin=b, end=b + 5, kernel="k") for b in (0, 5, 10)]
    tracks, _ = read(trace([recorded(*events)]))
    assert named(tracks, "kernels running").counts == [1, 1, 1, 0]


def test_kernels_of_one_queue_share_a_track_unless_they_overlap() -> None:
    tracks, _ = read(trace([recorded(*kernels(1, 0, 9, 50))]))
    assert [len(track.slices) for track in tracks.values() if track.slices] == [50]
    events = [told(Kind.DISPATCH, queue=0, begin=b, end=b + 9, kernel="k") for b in (0, 3, 6, 9)]
    tracks, _ = read(trace([recorded(*events)]))
    assert {track.name: len(track.slices) for track in tracks.values() if track.slices} == {
        "queue 0": 2,
        "queue 0 · 2": 1,
        "queue 0 · 3": 1,
    }


def test_a_slot_shows_mapping_stay_and_save_one_after_the_other() -> None:
    slot: dict[str, Any] = {"gpu_id": 0xA9C3, "pipe": 1, "queue": 2}
    events = [
        told(Kind.QUEUE_MAP, at=1, pid=7, qid=0, duration_ns=1000, **slot),
        told(Kind.RUNLIST, at=1, gpu_id=0xA9C3),
        told(Kind.QUEUE_UNMAP, at=2, pid=7, qid=0, duration_ns=3000, **slot),
        told(Kind.QUEUE_MAP, at=3, pid=8, qid=5, **slot),
        told(Kind.COPY, at=3, pid=8, qid=6, gpu_id=0xA9C3, engine=1, begin=3_000_000, end=4_000_000),
        told(Kind.OCCUPANCY, at=3, gpu_id=0xA9C3, xcc=0, cus=7, waves=70),
        told(Kind.OCCUPANCY, at=4, gpu_id=0xA9C3, xcc=0, cus=2, waves=20),
    ]
    tracks, _ = read(trace([recorded(*events)]))
    ms = 1_000_000
    assert named(tracks, "pipe 1 queue 2").slices == [
        (ms, ms + 1000, "map qid 0 of 7"),
        (ms + 1000, 2 * ms, "qid 0 of 7"),
        (2 * ms, 2 * ms + 3000, "save qid 0 of 7"),
        (3 * ms, 4 * ms, "qid 5 of 8"),
    ]
    assert named(tracks, "slots held").counts == [1, 0, 1, 0]
    assert (named(tracks, "XCC 0 CUs busy").counts, named(tracks, "XCC 0 waves").counts) == ([7, 2], [70, 20])
    assert named(tracks, "SDMA engine 1").slices == [(3 * ms, 4 * ms, "copy")]
    assert {tracks[track.parent].name for track in tracks.values() if track.name in {"HIQ", "slots held"}} == {
        "gpu a9c3"
    }


def test_what_was_never_destroyed_lasts_to_the_end() -> None:
    events = [
        told(Kind.STREAM_CREATE, at=1, stream=1),
        told(Kind.STREAM_CREATE, at=2, stream=1),
        told(Kind.RUNLIST, at=5),
    ]
    tracks, _ = read(trace([recorded(*events)]))
    assert [piece[:2] for piece in named(tracks, "stream 1").slices] == [(10**6, 2 * 10**6), (2 * 10**6, 5 * 10**6)]


def test_impossible_times_are_left_out() -> None:
    odd: list[tuple[int | str, int | str]] = [(9, 3), (-5, 3), (0, 1 << 64), ("a", "b")]
    events = [told(Kind.DISPATCH, begin=b, end=e, kernel="k") for b, e in odd]
    tracks, _ = read(trace([recorded(*events, told(Kind.RUNLIST))]))
    assert not any(track.slices for track in tracks.values())


def test_what_a_virtual_gpu_saw_stands_as_moments() -> None:
    events = [
        told(Kind.IOCTL, at=1, pid=7, name="CREATE_QUEUE", errno=0),
        told(Kind.PACKET, at=2, pid=7, qid=1, index=0, type="kernel dispatch"),
        told(Kind.DISPATCH, at=2, pid=7, qid=1, index=0, kernel="k"),
        told(Kind.INTERRUPT, at=3, pid=7, qid=1, event=4),
    ]
    tracks, _ = read(trace([recorded(*events)]))
    assert {track.name: [name for _, name in track.instants] for track in tracks.values() if track.instants} == {
        "ioctls": ["CREATE_QUEUE"],
        "packets": ["kernel dispatch"],
        "qid 1": ["k"],
        "interrupts": ["interrupt"],
    }


def test_clocks_are_not_mixed() -> None:
    with pytest.raises(InputError, match=r"monotonic: a\.log; gpu: b\.csv: times of different clocks"):
        trace(
            [
                replace(recorded(told(Kind.RUNLIST)), origin="a.log"),
                replace(recorded(told(Kind.RUNLIST, clock=Clock.GPU)), origin="b.csv"),
            ]
        )


def test_nothing_with_a_time_is_said_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mqds").write_bytes(b"")
    assert main(["explain", str(tmp_path / "mqds"), "--perfetto", str(tmp_path / "x")]) == 2
    assert "nothing here has a time" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


HOSTILE = st.text(max_size=8) | st.integers(-(1 << 70), 1 << 70)


KINDS = (Kind.DISPATCH, Kind.STREAM_CREATE, Kind.API, Kind.QUEUE_MAP, Kind.QUEUE_UNMAP, Kind.OCCUPANCY)
NAMES = ("begin", "end", "stream", "queue", "pipe", "gpu_id", "xcc", "cus", "duration_ns", "name", "tid", "pid")


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(NAMES), HOSTILE), st.integers(-(1 << 70), 1 << 70))
def test_any_event_gives_a_trace_that_can_be_read(kind: Kind, attrs: dict[str, Any], time: int) -> None:
    event = Event(time, kind, attrs, told(Kind.RUNLIST).source, Clock.MONOTONIC, 1 << 40)
    read(trace([recorded(event, told(Kind.RUNLIST))]))


def schema() -> Any:
    """Perfetto's own protobuf definitions; absent, the test says so (and fails in CI)."""
    try:
        return importlib.import_module("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    except ImportError:
        if os.environ.get("CI"):
            pytest.fail("Perfetto's definitions are absent: pip install perfetto")
        pytest.skip("Perfetto's definitions are absent: pip install perfetto")


def known(message: Any) -> None:
    """No field of the message, or of any in it, is unknown to the schema."""
    unknown = importlib.import_module("google.protobuf.unknown_fields").UnknownFieldSet
    assert len(unknown(message)) == 0, message
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            for one in value if descriptor.is_repeated else [value]:
                known(one)


def test_perfettos_own_definitions_read_it() -> None:
    found = schema().Trace()
    found.ParseFromString(trace([recorded(*LIFE)]))
    known(found)
    names = {packet.track_descriptor.uuid: packet.track_descriptor for packet in found.packet}
    assert next(t for t in names.values() if t.name == "process 7").process.pid == 7
    assert next(t for t in names.values() if t.name == "kernels running").counter.unit == 2
    (kernel,) = (packet for packet in found.packet if packet.track_event.name == "k" and packet.track_event.type == 1)
    assert kernel.timestamp == 4_000_000
    assert list(kernel.track_event.flow_ids) == [1]
    said = {note.name: note.uint_value or note.string_value for note in kernel.track_event.debug_annotations}
    assert said["complete"] == 7_000_000 and said["read at"] == "app.log:1"
    ends = [list(packet.track_event.terminating_flow_ids) for packet in found.packet]
    assert ends.count([1]) == 1


@pytest.mark.parametrize("suffix", ["csv", "json", "db"])
def test_the_real_trace_row_by_row(shared: Path, tmp_path: Path, suffix: str) -> None:
    file = shared / "mi308x" / "rocprof-v1" / f"trace_rocprof.{suffix}"
    (recording,) = collect([file], None).recordings
    assert main(["explain", str(file), "--perfetto", str(tmp_path / "out.pftrace")]) in (0, 1, 3)
    tracks, flows = read((tmp_path / "out.pftrace").read_bytes())
    rows = Counter(piece[2] for track in tracks.values() for piece in track.slices)
    want = Counter(
        str(event.attrs.get({Kind.DISPATCH: "kernel", Kind.COPY: "direction", Kind.API: "name"}[event.kind]))
        for event in recording.events
    )
    assert rows == want
    assert len(flows) == 1


def test_the_real_log_has_its_streams_and_queues(shared: Path) -> None:
    recordings = collect([shared / "mi308x" / "amd-log-level-3.log"], None).recordings
    tracks, _ = read(trace(recordings))
    names = Counter(track.name.split()[0] for track in tracks.values() if track.slices)
    assert (names["stream"], names["queue"]) == (16, 4)
    assert max(named(tracks, "streams alive").counts) == 16
    assert named(tracks, "streams alive").counts[-1] == 0
    assert trace(recordings) == trace(recordings)
