"""The timeline that every profiler's file becomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.evidence import profile
from ringscope.evidence.profile import Timeline, extent, integer, label, text
from ringscope.recording import Clock, Kind, Source


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *((7, 7), ("7", 7), (" 12 ", 12), ("-3", -3), (2**64 - 16, 2**64 - 16)),
        *(("x", None), ("", None), (None, None), (True, None), (1.5, None), ("1" * 30, None), (1 << 80, None)),
        *(("٣", None), ("\x1e7", None), ([], None)),
    ],
)
def test_integer(value: object, number: int | None) -> None:
    assert integer(value) == number


@pytest.mark.parametrize(
    ("value", "expected"), [("Agent 4", 4), ("8", 8), (8, 8), ("GPU-0", "GPU-0"), ("", None), (None, None)]
)
def test_label(value: object, expected: object) -> None:
    assert label(value) == expected


def test_text_is_printable_and_bounded() -> None:
    assert text("a\x1b[31mb\n") == "a [31mb "
    assert len(text("x" * 10_000)) == 1000
    assert text(7) == ""


def test_extent() -> None:
    assert extent(["1024", 2, "1"]) == "1024x2x1"
    assert extent(["1024", None]) is None
    assert extent([]) is None


def test_records_become_events_and_counters() -> None:
    timeline = Timeline("t")
    place = {"agent": 4, "queue": 1, "stream": None}
    timeline.add(Kind.DISPATCH, ("100", 250), place, lambda: {"kernel": "k", "grid": None}, pid="9", line=3)
    timeline.add(Kind.COPY, (50, 80), {"direction": "HOST_TO_DEVICE"})
    timeline.add(Kind.API, (10, 20), {"name": "hipMalloc", "domain": "hip"})
    found = timeline.recording()
    dispatch, copy, call = found.events
    assert dict(dispatch.attrs) == {"agent": 4, "queue": 1, "kernel": "k", "begin": 100, "end": 250}
    assert (dispatch.time_ns, dispatch.pid, dispatch.source, dispatch.clock) == (100, 9, Source("t", 3), Clock.BOOTTIME)
    assert dict(copy.attrs) == {"direction": "HOST_TO_DEVICE", "begin": 50, "end": 80}
    assert call.attrs["duration_ns"] == 10
    assert found.counters == {
        "dispatches": 1,
        "dispatches:agent 4 queue 1": 1,
        "copies": 1,
        "hip_calls": 1,
        "calls:hipMalloc": 1,
    }
    assert found.facts == {"first_time_ns": 10, "last_time_ns": 250}


def test_records_without_times_are_counted_and_the_first_is_named() -> None:
    timeline = Timeline("t")
    for line, times in enumerate([("", 5), (5, "x"), (-1, 5)], 2):
        timeline.add(Kind.DISPATCH, times, {}, line=line)
    found = timeline.recording()
    assert found.events == ()
    assert found.notes == ("3 records could not be read (the first at t:2)",)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "KEPT_PER_KIND", 2)
    monkeypatch.setattr(profile, "_NAMES", 3)
    timeline = Timeline("t")
    for number in range(9):
        timeline.add(Kind.API, (number, number), {"name": f"f{number}", "domain": "hip"})
    found = timeline.recording()
    assert len(found.events) == 2
    assert found.counters == {"hip_calls": 9, "calls:f0": 1, "calls:f1": 1}
    assert found.notes == ("9 api events: the first 2 are kept",)


@given(st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_no_field_is_an_error(value: object) -> None:
    timeline = Timeline("t")
    timeline.add(Kind.DISPATCH, (value, value), {"queue": label(value), "kernel": text(value)}, pid=value)
    assert timeline.recording() is not None
