"""Where the time went: bounded, without overlap, and adding up."""

from __future__ import annotations

from itertools import pairwise

from asking import kernels, recorded, told
from hypothesis import given
from hypothesis import strategies as st

from ringscope.recording import Event, Kind
from ringscope.report.timeline import COLUMNS, KERNELS, LANES, SLOTS, timeline

RUNS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**5), st.integers(0, 3)), min_size=1, max_size=60)


def runs(made: list[tuple[int, int, int]]) -> list[Event]:
    return [
        told(Kind.DISPATCH, queue=queue, begin=begin, end=begin + length, kernel=f"k{queue}")
        for begin, length, queue in made
    ]


def test_a_recording_without_kernels_has_none() -> None:
    assert timeline(recorded(told(Kind.STREAM_CREATE, stream=1))) is None
    assert timeline(recorded(told(Kind.DISPATCH, begin=9, end=3), told(Kind.DISPATCH, kernel="k"))) is None


@given(RUNS)
def test_spans_do_not_overlap_and_keep_every_run(made: list[tuple[int, int, int]]) -> None:
    found = timeline(recorded(*runs(made)))
    assert found is not None
    assert found["begin_ns"] == min(begin for begin, _, _ in made)
    assert found["shown_ns"] == max(begin + length for begin, length, _ in made) - found["begin_ns"]
    for lane in found["lanes"]:
        spans = lane["spans"]
        assert sum(span["count"] for span in spans) == lane["runs"]
        assert all(a["end_ns"] <= b["begin_ns"] for a, b in pairwise(spans))
    assert sum(cost["total_ns"] for cost in found["kernels"]) == sum(length for _, length, _ in made)


def test_long_traces_stay_small() -> None:
    found = timeline(recorded(*kernels(1, 0, 1000, 20_000, busy=0.5)))
    assert found is not None
    (lane,) = found["lanes"]
    assert lane["runs"] == 20_000
    assert len(lane["spans"]) <= COLUMNS + 1


def test_what_is_left_out_is_counted() -> None:
    found = timeline(
        recorded(*(told(Kind.DISPATCH, queue=n, begin=n, end=2 * n, kernel=f"k{n}") for n in range(LANES + 3)))
    )
    assert found is not None
    assert (len(found["lanes"]), found["more_lanes"]) == (LANES, 3)
    assert (len(found["kernels"]), found["more_kernels"]) == (KERNELS, LANES + 3 - KERNELS)
    assert found["kernels"][0]["name"] == f"k{LANES + 2}", "what took longest comes first"
    named = sum(cost["total_ns"] for cost in found["kernels"])
    assert named + found["more_total_ns"] == sum(range(LANES + 3))


def test_copies_have_a_lane_of_their_own() -> None:
    found = timeline(
        recorded(
            told(Kind.COPY, pid=7, begin=0, end=5, direction="host-to-device"),
            told(Kind.DISPATCH, pid=7, agent=9, queue=0, begin=5, end=9, kernel="k"),
        )
    )
    assert found is not None
    assert [lane["name"] for lane in found["lanes"]] == ["process 7, copies", "process 7, agent 9, queue 0"]
    assert (found["busy_ns"], found["span_ns"], found["shown_ns"]) == (4, 4, 9)


def test_slots_have_whom_they_held_and_xccs_how_full_they_were() -> None:
    found = timeline(
        recorded(
            told(Kind.OCCUPANCY, at=0, xcc=1, cus=3, waves=9),
            told(Kind.QUEUE_MAP, at=1, pid=7, qid=0, pipe=1, queue=2),
            told(Kind.QUEUE_MAP, at=1, pid=7, qid=1, pipe=0, queue=3),
            told(Kind.QUEUE_MAP, at=1, pid=7, qid=2, pipe=0, queue=2),
            told(Kind.QUEUE_UNMAP, at=5, pid=7, qid=0, pipe=1, queue=2),
            told(Kind.QUEUE_MAP, at=6, pid=8, qid=0, pipe=1, queue=2),
            told(Kind.OCCUPANCY, at=9, xcc=1, cus=8, waves=9),
        )
    )
    assert found is not None
    assert [slot["name"] for slot in found["slots"]] == ["pipe 0 queue 2", "pipe 1 queue 2", "pipe 0 queue 3"]
    spans = [(span["name"], span["begin_ns"], span["end_ns"]) for span in found["slots"][1]["spans"]]
    assert spans == [("qid 0 of 7", 0, 4_000_000), ("qid 0 of 8", 5_000_000, 8_000_000)]
    assert found["occupancy"] == [{"name": "XCC 1", "most": 8, "points": [[-1_000_000, 3], [8_000_000, 8]]}]
    assert found["kernels"] == found["lanes"] == []


def test_slots_beyond_what_is_drawn_are_counted() -> None:
    found = timeline(recorded(*(told(Kind.QUEUE_MAP, qid=n, pipe=n, queue=0) for n in range(SLOTS + 2))))
    assert found is not None
    assert (len(found["slots"]), found["more_slots"]) == (SLOTS, 2)


def test_the_only_device_is_not_named_in_every_lane() -> None:
    events = [told(Kind.DISPATCH, gpu_id=9, qid=q, begin=0, end=9, kernel="k") for q in (1, 2)]
    one, two = timeline(recorded(*events)), timeline(recorded(*events, told(Kind.DISPATCH, gpu_id=8, begin=0, end=1)))
    assert one and [lane["name"] for lane in one["lanes"]] == ["qid 1", "qid 2"]
    assert two and two["lanes"][0]["name"] == "gpu 8"
