"""Written and read: what HIP's layer did is what the log reader says it did."""

from __future__ import annotations

import io

import pytest

from ringscope.evidence.amd_log import read
from ringscope.recording import Clock, Event, Kind, Recording, Source
from ringscope.stack.rocm import RocmVersion
from ringscope.stack.text import amd_log

RING, QUEUE = 0x7F3660C00000, 0x7F36633CA000
ROCM_7_0, ROCM_6_1 = RocmVersion((7, 0)), RocmVersion((6, 1))


def event(at: int, kind: Kind, **attrs: int | str) -> Event:
    return Event(at * 1000, kind, attrs, Source("hip", at), Clock.UNKNOWN, 85406)


EVENTS = (
    event(1, Kind.API, name="hipStreamCreateWithPriority", priority=-1),
    event(2, Kind.POOL_COUNTS, low=0, normal=0, high=0, maximum=4),
    event(3, Kind.QUEUE_CREATE, ring_base=RING, hsa_queue=QUEUE, packets=16384, priority=2, cooperative=0),
    event(4, Kind.QUEUE_ACQUIRE, ring_base=RING, hsa_queue=QUEUE, refs=1, reused=0),
    event(5, Kind.STREAM_CREATE, stream=1, ring_base=RING, priority=2),
    event(6, Kind.API, name="hipExtStreamCreateWithCUMask", mask="ff"),
    event(7, Kind.CU_MASK, ring_base=RING, hsa_queue=QUEUE, mask="0xff"),
    event(8, Kind.STREAM_CREATE, stream=2, ring_base=RING, priority=1),
    event(9, Kind.STREAM_CREATE, stream=0, ring_base=RING, priority=1),
    event(10, Kind.QUEUE_ACQUIRE, ring_base=RING, hsa_queue=QUEUE, refs=2, reused=1),
    event(11, Kind.STREAM_DESTROY, stream=1),
    event(12, Kind.QUEUE_RELEASE, ring_base=RING, hsa_queue=QUEUE, refs=1),
    event(13, Kind.QUEUE_DESTROY, ring_base=RING, hsa_queue=QUEUE, cooperative=0),
    event(14, Kind.QUEUE_DESTROY, ring_base=RING, hsa_queue=QUEUE, cooperative=1),
)


def back(text: str) -> Recording:
    return read(io.BytesIO(text.encode()), "log")


def test_the_lines_are_those_of_a_real_log() -> None:
    lines = amd_log(EVENTS, ROCM_7_0).splitlines()
    stamp = "us: [pid:85406 tid: 0x14d9e] "
    assert lines[1] == (
        f":3:rocdevice.cpp           :2967: 2 {stamp}Number of allocated hardware queues with low priority: 0, "
        "with normal priority: 0, with high priority: 0, maximum per priority is: 4"
    )
    assert lines[2] == (
        f":3:rocdevice.cpp           :3048: 3 {stamp}Created SWq=0x7f36633ca000 to map on HWq=0x7f3660c00000 "
        "with size 16384 with priority 2, cooperative: 0"
    )


@pytest.mark.parametrize(
    ("rocm", "named"), [(ROCM_7_0, "ring_base"), (ROCM_6_1, "hsa_queue"), (RocmVersion((5, 2)), "hsa_queue")]
)
def test_reading_gives_the_events_back(rocm: RocmVersion, named: str) -> None:
    read_back = back(amd_log(EVENTS, rocm)).events
    silent = (Kind.API,)
    expected = [e for e in EVENTS if e.kind not in silent and e.attrs.get("stream") != 0]
    assert [e.kind for e in read_back] == [e.kind for e in expected]
    for ours, theirs in zip(expected, read_back, strict=True):
        assert theirs.time_ns == ours.time_ns
        assert theirs.pid == 85406
        common = {key: value for key, value in ours.attrs.items() if key in theirs.attrs}
        assert {key: theirs.attrs[key] for key in common} == common
        if "ring_base" in ours.attrs and "hsa_queue" in ours.attrs:
            assert theirs.attrs[named] == ours.attrs[named]
