"""rocprofv3: each CSV, in each spelling of its header, and the results JSON."""

import io
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.evidence.rocprofv3 import read
from ringscope.recording import Clock, Kind, Recording


def recording(content: str | bytes, size: int = 1 << 18) -> Recording:
    return read(io.BytesIO(content.encode() if isinstance(content, str) else content), "r", size)


SIZES = '"Workgroup_Size_X","Workgroup_Size_Y","Workgroup_Size_Z","Grid_Size_X","Grid_Size_Y","Grid_Size_Z"'
OLD = (
    '"Kind","Agent_Id","Queue_Id","Kernel_Id","Kernel_Name","Correlation_Id","Start_Timestamp","End_Timestamp",' + SIZES
)
NEW = (
    '"Kind","Agent_Id","Queue_Id","Stream_Id","Thread_Id","Dispatch_Id","Kernel_Id","Kernel_Name","Correlation_Id",'
    '"Start_Timestamp","End_Timestamp","LDS_Block_Size","VGPR_Count",' + SIZES
)
FROM_ROCPD = '"Guid",' + NEW.replace("LDS", "Lds").replace("VGPR", "Vgpr")
KERNEL = '"f<float, 3>(float*)"'


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        (
            OLD,
            f"KERNEL_DISPATCH,1,139690710949888,15,{KERNEL},0,100,250,4,4,1,1024,1024,1",
            {"agent": 1, "queue": 139690710949888},
        ),
        (
            NEW,
            f'"KERNEL_DISPATCH","Agent 7",17,26,847809,101,49,{KERNEL},101,100,250,0,8,4,4,1,1024,1024,1',
            {"agent": 7, "queue": 17, "stream": 26, "tid": 847809, "dispatch_id": 101},
        ),
        (
            NEW,
            f'"KERNEL_DISPATCH","GPU-0",17,26,847809,101,49,{KERNEL},101,100,250,0,8,4,4,1,1024,1024,1',
            {"agent": "GPU-0", "queue": 17, "stream": 26, "tid": 847809, "dispatch_id": 101},
        ),
        (
            FROM_ROCPD,
            f'"00006409-00d1","KERNEL_DISPATCH","Agent 4",1,0,714789,1,3,{KERNEL},1,100,250,0,8,4,4,1,1024,1024,1',
            {"agent": 4, "queue": 1, "stream": 0, "tid": 714789, "dispatch_id": 1},
        ),
    ],
)
def test_kernel_trace_in_every_spelling(header: str, row: str, expected: dict[str, int | str]) -> None:
    found = recording(f"{header}\n{row}\n")
    (event,) = found.of(Kind.DISPATCH)
    common = {"kernel": "f<float, 3>(float*)", "begin": 100, "end": 250, "grid": "1024x1024x1", "workgroup": "4x4x1"}
    assert dict(event.attrs) == expected | common
    assert (event.source.line, event.clock) == (2, Clock.BOOTTIME)
    assert found.notes == ()


def test_streams_and_queues_are_counted_apart() -> None:
    rows = "".join(
        f'"K","Agent 7",{queue},{stream},1,1,1,f,1,1,2,0,0,1,1,1,1,1,1\n'
        for queue, stream in ((1, 5), (1, 6), (2, 7), (1, 5))
    )
    assert recording(f"{NEW}\n{rows}").counters == {
        "dispatches": 4,
        "dispatches:agent 7 queue 1 stream 5": 2,
        "dispatches:agent 7 queue 1 stream 6": 1,
        "dispatches:agent 7 queue 2 stream 7": 1,
    }


def test_api_trace() -> None:
    found = recording(
        '"Domain","Function","Process_Id","Thread_Id","Correlation_Id","Start_Timestamp","End_Timestamp"\n'
        '"HIP_RUNTIME_API","hipMalloc",238,239,2,1000,1500\n'
        '"HSA_CORE_API","hsa_queue_create",238,239,2,2000,2500\n'
        '"MARKER_CORE_API","my, range",238,239,2,2000,2500\n'
    )
    hip, hsa, marker = found.events
    assert dict(hip.attrs) == {"name": "hipMalloc", "domain": "hip", "tid": 239, "duration_ns": 500}
    assert (hip.pid, hsa.attrs["domain"], marker.attrs["name"]) == (238, "hsa", "my, range")
    assert (found.counters["hip_calls"], found.counters["hsa_calls"], found.counters["marker_calls"]) == (1, 1, 1)


def test_memory_copy_trace() -> None:
    found = recording(
        '"Kind","Direction","Source_Agent_Id","Destination_Agent_Id","Correlation_Id","Start_Timestamp","End_Timestamp"\n'
        '"MEMORY_COPY","HOST_TO_DEVICE",0,"Agent 1",0,100,200\n'
    )
    (copy,) = found.of(Kind.COPY)
    assert dict(copy.attrs) == {"direction": "HOST_TO_DEVICE", "source": 0, "destination": 1, "begin": 100, "end": 200}


def test_a_trace_of_something_else_is_a_note() -> None:
    found = recording(
        '"Kind","Operation","Agent_Id","Allocation_Size","Start_Timestamp","End_Timestamp"\nA,B,1,2,3,4\n'
    )
    assert found.events == ()
    assert "nothing here is about queues" in found.notes[0]


def run(**records: object) -> dict[str, object]:
    return {
        "metadata": {"pid": 1234},
        "agents": [{"id": {"handle": 17}, "node_id": 4}],
        "kernel_symbols": [{"kernel_id": 7, "truncated_kernel_name": "short", "formatted_kernel_name": "f(int)"}],
        "strings": {
            "buffer_records": [
                {"kind": "NONE", "operations": []},
                {"kind": "HIP", "operations": ["", "hipLaunchKernel"]},
            ]
        },
        "buffer_records": records,
    }


DOCUMENT = {
    "rocprofiler-sdk-tool": [
        run(
            kernel_dispatch=[
                {
                    "thread_id": 5,
                    "start_timestamp": 100,
                    "end_timestamp": 250,
                    "stream_id": {"handle": 3},
                    "dispatch_info": {
                        "agent_id": {"handle": 17},
                        "queue_id": {"handle": 18446744073709551600},
                        "kernel_id": 7,
                        "dispatch_id": 42,
                        "grid_size": {"x": 2, "y": 1, "z": 1},
                        "workgroup_size": {"x": 256, "y": 1, "z": 1},
                    },
                }
            ],
            memory_copy=[
                {
                    "start_timestamp": 50,
                    "end_timestamp": 80,
                    "operation": "H2D",
                    "src_agent_id": {"handle": 17},
                    "bytes": 4096,
                }
            ],
            hip_api=[{"start_timestamp": 10, "end_timestamp": 20, "kind": 1, "operation": 1, "thread_id": 2}],
            hsa_api=[{"start_timestamp": 30, "end_timestamp": 35, "operation": "hsa_signal_wait", "thread_id": 3}],
        )
    ]
}


def test_results_json() -> None:
    found = recording(json.dumps(DOCUMENT))
    kernel, copy, hip, hsa = found.events
    assert dict(kernel.attrs) == {
        "queue": 18446744073709551600,
        "stream": 3,
        "agent": 4,
        "kernel": "f(int)",
        "dispatch_id": 42,
        "tid": 5,
        "grid": "2x1x1",
        "workgroup": "256x1x1",
        "begin": 100,
        "end": 250,
    }
    assert dict(copy.attrs) == {"direction": "H2D", "source": 4, "bytes": 4096, "begin": 50, "end": 80}
    assert dict(hip.attrs) == {"name": "hipLaunchKernel", "domain": "hip", "tid": 2, "duration_ns": 10}
    assert (hsa.attrs["name"], hsa.attrs["domain"], hsa.pid) == ("hsa_signal_wait", "hsa", 1234)


@pytest.mark.parametrize(
    "document",
    [
        {"rocprofiler-sdk-tool": []},
        {"rocprofiler-sdk-tool": [7, None, {}, {"buffer_records": 3}, {"buffer_records": {"hip_api": [7, {}]}}]},
        {
            "rocprofiler-sdk-tool": [
                run(kernel_dispatch=[{"dispatch_info": 3}], hip_api=[{"kind": -1, "operation": 99}])
            ]
        },
    ],
)
def test_odd_json_is_no_error(document: object) -> None:
    assert recording(json.dumps(document)).events == ()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "^r: an empty CSV"),
        ('"Kind","A"\n', "^r: a CSV without Start_Timestamp and End_Timestamp; give the"),
        ('{"other": []}', "^r: no rocprofiler-sdk-tool in this JSON"),
        ('{"rocprofiler-sdk-tool": 3}', "^r: no rocprofiler-sdk-tool in this JSON"),
        ('{"rocprofiler-sdk-tool": [', "^r:1: not whole JSON"),
    ],
)
def test_bad_input_is_one_line(content: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        recording(content)


@given(st.integers(0, 2**32))
@settings(max_examples=100)
def test_flipped_and_cut_bytes_never_end_in_a_traceback(seed: int) -> None:
    rng = random.Random(seed)
    row = f'"KERNEL_DISPATCH","Agent 7",17,26,847809,101,49,{KERNEL},101,100,250,0,8,4,4,1,1024,1024,1\n'
    content = bytearray(rng.choice([f"{NEW}\n{row * 3}".encode(), json.dumps(DOCUMENT).encode()]))
    for _ in range(rng.randrange(1, 8)):
        content[rng.randrange(len(content))] = rng.choice(b'\n\r "{}[],:0-9e\xff\0')
    del content[rng.randrange(1, len(content)) :]
    try:
        found = recording(bytes(content))
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert recording(bytes(content), rng.choice([16, 100])) == found
