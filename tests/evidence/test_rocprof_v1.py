"""rocprof v1: the same run as CSV, JSON and SQLite."""

import io
import json
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.evidence.rocprof_v1 import read
from ringscope.recording import Clock, Kind, Recording

FILES = ("trace_rocprof.csv", "trace_rocprof.json", "trace_rocprof.db")


def real(shared: Path, name: str) -> Recording:
    return read(shared / "mi308x" / "rocprof-v1" / name, name)


@pytest.mark.parametrize("name", FILES)
def test_real_kernel_is_the_same_in_every_format(shared: Path, name: str) -> None:
    kernel = next(real(shared, name).of(Kind.DISPATCH))
    attrs = {key: int(value) for key, value in kernel.attrs.items() if isinstance(value, int)}
    assert kernel.attrs["kernel"] == "vectorAdd(float const*, float const*, float*, int) [clone .kd]"
    assert (kernel.pid, attrs["agent"], attrs["queue"], kernel.clock) == (3108374, 9, 0, Clock.BOOTTIME)
    assert (kernel.attrs["grid"], kernel.attrs["workgroup"]) == ("1048576", "256")
    waited = (attrs["begin"] - attrs["dispatch"], attrs["end"] - attrs["begin"], attrs["complete"] - attrs["end"])
    assert waited == (55_205, 13_520, 2_734)


@pytest.mark.parametrize("name", FILES[1:])
def test_real_calls_and_copies(shared: Path, name: str) -> None:
    found = real(shared, name)
    counters = found.counters
    assert (counters["dispatches"], counters["hip_calls"], counters["hsa_calls"], counters["copies"]) == (1, 15, 442, 3)
    assert (counters["calls:hipMemcpy"], counters["calls:hipMalloc"], counters["calls:hipFree"]) == (3, 3, 3)
    assert counters["calls:hsa_executable_symbol_get_info"] == 125
    assert sum(int(e.attrs["end"]) - int(e.attrs["begin"]) for e in found.of(Kind.COPY)) == 336401
    launch = next(e for e in found.of(Kind.API) if e.attrs["name"] == "hipLaunchKernel")
    assert int(launch.attrs["duration_ns"]) // 1000 == 748
    create = next(e for e in found.of(Kind.API) if e.attrs["name"] == "hsa_queue_create")
    assert int(create.attrs["duration_ns"]) // 1000 == 11_225
    assert found.notes == ()


@pytest.mark.parametrize("name", FILES)
def test_a_stream_reads_like_a_path(shared: Path, name: str) -> None:
    content = (shared / "mi308x" / "rocprof-v1" / name).read_bytes()
    assert read(io.BytesIO(content), name) == real(shared, name)


HEADER = (
    '"Index","KernelName","gpu-id","queue-id","queue-index","pid","tid","grd","wgr","DispatchNs","BeginNs","EndNs"\n'
)


def test_csv_with_a_cut_last_row() -> None:
    found = read(io.BytesIO((HEADER + '0,"f(int, int)",9,0,0,7,7,64,64,100,200,300\n1,"g').encode()), "r.csv")
    assert [event.attrs["kernel"] for event in found.of(Kind.DISPATCH)] == ["f(int, int)"]
    assert found.events[0].source.line == 2
    assert found.notes == ("1 record could not be read (the first at r.csv:3)",)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"^r: an empty CSV"),
        (
            b'"Index","KernelName","gpu-id"\n',
            r"^r: a rocprof CSV without BeginNs and EndNs; record with --timestamp on",
        ),
        (b'{"a": 1}', r"^r: no traceEvents in this JSON"),
        (b'{"traceEvents": [', r"^r:1: not whole JSON"),
        (b"SQLite format 3\0", r"^r: a damaged SQLite database"),
    ],
)
def test_bad_input_is_one_line(content: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read(io.BytesIO(content), "r")


def test_a_database_of_something_else(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE other (a)")
    connection.close()
    with pytest.raises(InputError, match="none of the tables KERN, HIP, HSA, COPY"):
        read(tmp_path / "x.db", "x.db")


def trace(*events: object) -> Recording:
    return read(io.BytesIO(json.dumps({"traceEvents": [{}, *events]}).encode()), "r.json")


TRACKS = [
    {"ph": "M", "pid": pid, "args": {"name": name}} for pid, name in ((2, "CPU HIP API"), (15, "GPU9"), (1, "COPY"))
]


def test_json_without_arguments_falls_back_on_microseconds() -> None:
    found = trace(*TRACKS, {"ph": "X", "name": "f", "pid": 15, "ts": "100", "dur": "13"})
    (kernel,) = found.of(Kind.DISPATCH)
    assert (kernel.attrs["begin"], kernel.attrs["end"], kernel.attrs["kernel"]) == (100_000, 113_000, "f")


@pytest.mark.parametrize(
    "odd", [7, None, "x", [], {"ph": "X"}, {"ph": "X", "pid": [], "args": 3}, {"ph": "M", "args": 1}]
)
def test_odd_trace_events_are_passed_over(odd: object) -> None:
    assert trace(*TRACKS, odd).events == ()


@given(st.integers(0, 2**32))
@settings(max_examples=100)
def test_flipped_and_cut_bytes_never_end_in_a_traceback(seed: int) -> None:
    rng = random.Random(seed)
    whole = rng.choice(
        [
            (HEADER + '0,"f(int, int)",9,0,0,7,7,64,64,100,200,300\n' * 3).encode(),
            json.dumps(
                {"traceEvents": [*TRACKS, {"ph": "X", "name": "f", "pid": 15, "ts": "100", "dur": "13"}]}
            ).encode(),
        ]
    )
    content = bytearray(whole)
    for _ in range(rng.randrange(1, 8)):
        content[rng.randrange(len(content))] = rng.choice(b'\n\r "{}[],:0-9e\xff\0')
    del content[rng.randrange(1, len(content)) :]
    try:
        assert read(io.BytesIO(bytes(content)), "r") is not None
    except InputError as error:
        assert "\n" not in str(error)
