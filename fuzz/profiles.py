"""Profilers' CSV and JSON: rocprofv3's and the first rocprof's."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import PurePosixPath

from fuzz import held
from fuzz.kernel_text import told
from ringscope.evidence import rocprof_v1, rocprofv3
from ringscope.evidence.files import HEAD_BYTES
from ringscope.evidence.sniff import FileKind, sniff
from ringscope.recording import Recording

_KERNELS = b"""\
"Kind","Agent_Id","Queue_Id","Stream_Id","Thread_Id","Dispatch_Id","Kernel_Id","Kernel_Name","Start_Timestamp",\
"End_Timestamp","Workgroup_Size_X","Workgroup_Size_Y","Workgroup_Size_Z","Grid_Size_X","Grid_Size_Y","Grid_Size_Z"
"KERNEL_DISPATCH","Agent 4",1,2,9,42,7,"f(int, ""a"")",100,250,256,1,1,1024,1,1
"""
_CALLS = b"""\
"Domain","Function","Process_Id","Thread_Id","Correlation_Id","Start_Timestamp","End_Timestamp"
"HIP_RUNTIME_API","hipLaunchKernel",7,9,1,10,20
"""
_COPIES = b"""\
"Kind","Direction","Source_Agent_Id","Destination_Agent_Id","Correlation_Id","Start_Timestamp","End_Timestamp"
"MEMORY_COPY","MEMORY_COPY_HOST_TO_DEVICE","Agent 0","Agent 4",1,10,20
"""
_FIRST = b"""\
"Index","KernelName","gpu-id","queue-id","queue-index","pid","tid","grd","wgr","DispatchNs","BeginNs","EndNs","CompleteNs"
0,"f.kd",2,0,0,7,9,1024,256,90,100,250,260
"""
_RECORD = {"start_timestamp": 10, "end_timestamp": 20, "thread_id": 9, "kind": 1, "operation": 0}
_RESULTS = {
    "rocprofiler-sdk-tool": [
        {
            "metadata": {"pid": 7},
            "agents": [{"id": {"handle": 5}, "node_id": 4}],
            "kernel_symbols": [{"kernel_id": 7, "formatted_kernel_name": "f(int)"}],
            "strings": {"buffer_records": [{}, {"operations": ["hipLaunchKernel"]}]},
            "buffer_records": {
                "kernel_dispatch": [
                    _RECORD
                    | {
                        "dispatch_info": {
                            "agent_id": {"handle": 5},
                            "queue_id": {"handle": 1},
                            "kernel_id": 7,
                            "dispatch_id": 1,
                            "workgroup_size": {"x": 64, "y": 1, "z": 1},
                            "grid_size": {"x": 64, "y": 1, "z": 1},
                        },
                    }
                ],
                "memory_copy": [_RECORD | {"src_agent_id": {"handle": 5}, "dst_agent_id": {"handle": 5}, "bytes": 8}],
                "hip_api": [_RECORD],
            },
        }
    ]
}
_SLICE = {"ph": "X", "name": "f", "pid": 6, "tid": 1, "ts": 1, "dur": 2, "args": {"BeginNs": "10", "EndNs": "20"}}
_TRACE = {
    "traceEvents": [
        {},
        {"ph": "M", "name": "process_name", "pid": 6, "args": {"name": "GPU4"}},
        _SLICE,
        _SLICE | {"pid": 2},
    ]
}
_READERS = {
    FileKind.ROCPROFV3_CSV: rocprofv3.read,
    FileKind.ROCPROFV3_JSON: rocprofv3.read,
    FileKind.ROCPROF_V1_CSV: rocprof_v1.read,
    FileKind.ROCPROF_V1_JSON: rocprof_v1.read,
}


def seeds() -> Iterator[bytes]:
    """One small file of each kind."""
    yield from (_KERNELS, _CALLS, _COPIES, _FIRST)
    yield json.dumps(_RESULTS).encode()
    yield json.dumps(_TRACE).encode()


def one(data: bytes) -> None:
    """Read by the reader that its beginning asks for, and tell."""
    kind = sniff(data[:HEAD_BYTES], PurePosixPath("/profile"))
    if kind in _READERS:
        recording = held(lambda: _READERS[kind](io.BytesIO(data), "profile"))
        if isinstance(recording, Recording):
            told(recording)
