"""Files are known by content; names break ties only."""

import io
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from ringscope.evidence.files import walk
from ringscope.evidence.sniff import FileKind, dump_token, foreign, is_detail, sniff

ANYWHERE = PurePosixPath("/x/readme.txt")

HEADS = {
    FileKind.MQDS: b"Process 94314 PASID 94314:\n  Compute queue on device f7bc\n    00000000: c0310800\n",
    FileKind.HQDS: b"Node 2, gpu_id f7bc:\n   Inst 0, HIQ on MEC 2 Pipe 0 Queue 0\n    0000c914: 006e3000\n",
    FileKind.RLS: b"Node 2, gpu_id f7bc:\n  No active runlist\n",
    FileKind.AMD_LOG: b":3:rocdevice.cpp            :480 : 6306213494 us:  Initalizing runtime stack\n",
    FileKind.KERNEL_LOG: b"[    3.141592] amdgpu 0000:05:00.0: amdgpu: ring comp_1.0.0\n",
    FileKind.KFD_TRACE: b"app-1 [000] 1.000000: CREATE: [KFD-TRACE] CREATE_QUEUE pid=1\n",
    FileKind.FTRACE: b"# tracer: nop\n#\n",
    FileKind.ROCPROFV3_CSV: b'"Kind","Agent_Id","Queue_Id"\n"KERNEL_DISPATCH","Agent 4",1\n',
    FileKind.ROCPROFV3_JSON: b'{\n "rocprofiler-sdk-tool": [\n',
    FileKind.ROCPD: b"SQLite format 3\0" + b"x" * 300 + b"CREATE TABLE rocpd_info_queue",
    FileKind.ROCPROF_V1_CSV: b'"Index","KernelName","gpu-id","queue-id"\n',
    FileKind.ROCPROF_V1_JSON: b'{ "traceEvents":[{}\n,{"args":{}}',
    FileKind.ROCPROF_V1_DB: b"SQLite format 3\0" + b"x" * 300 + b'CREATE TABLE KERN ("Index" INTEGER',
    FileKind.ROCMINFO: b"=====\nHSA System Attributes    \n=====\n",
}


@pytest.mark.parametrize("kind", HEADS, ids=lambda kind: kind.value)
def test_content_decides_whatever_the_name(kind: FileKind) -> None:
    assert sniff(HEADS[kind], ANYWHERE) is kind
    assert sniff(HEADS[kind], PurePosixPath("/x/mqds")) is kind
    assert sniff(HEADS[kind].replace(b"\n", b"\r\n"), ANYWHERE) is kind


def test_older_kernels_print_no_instance() -> None:
    assert sniff(b"Node 1, gpu_id 1234:\n  HIQ on MEC 2 Pipe 0 Queue 0\n", ANYWHERE) is FileKind.HQDS
    assert sniff(b"Node 1, gpu_id 1234:\n Device is stopped\n", ANYWHERE) is FileKind.HQDS


@pytest.mark.parametrize("head", [b"hello\n", b"\0" * 65536, b"\xff" * 65536, b"x" * 65536, b"[" * 65536, b" " * 65536])
def test_anything_else_is_unknown(head: bytes) -> None:
    assert sniff(head, PurePosixPath("/x/mqds")) is None


def test_an_empty_file_is_known_by_its_name() -> None:
    assert sniff(b"", PurePosixPath("/x/mqds")) is FileKind.MQDS
    assert sniff(b"", PurePosixPath("/x/after_hqds_20260130.txt")) is FileKind.HQDS
    assert sniff(b"", PurePosixPath("/mqds/notes.txt")) is None


def test_sysfs_attributes_are_known_by_their_path() -> None:
    proc = PurePosixPath("/cap/proc/94314")
    for name in ("pasid", "vram_63420", "sdma_63420", "queues/0/gpuid", "queues/12/type", "stats_63420/cu_occupancy"):
        assert sniff(b"0", proc / name) is FileKind.PROC
    node = PurePosixPath("/cap/topology/nodes/2")
    for name in ("gpu_id", "name", "properties"):
        assert sniff(b"0", node / name) is FileKind.TOPOLOGY
    assert is_detail(node / "caches/7/properties")
    assert sniff(b"0", PurePosixPath("/cap/gpu_id")) is None


def test_the_word_that_names_a_dump() -> None:
    assert dump_token("active_mqds_16.txt") == "mqds"
    assert dump_token("urls") is None


def test_every_file_of_the_real_capture_is_known(shared: Path) -> None:
    found = {file.name: sniff(file.head, file.location) for file in walk([shared / "mi308x"], print)}
    assert found["amd-log-level-3.log"] is FileKind.AMD_LOG
    assert found["rocminfo.txt"] is FileKind.ROCMINFO
    assert found["rocprof-v1/trace_rocprof.db"] is FileKind.ROCPROF_V1_DB
    assert found["rocprof-v1/trace_rocprof.json"] is FileKind.ROCPROF_V1_JSON
    assert found["rocprof-v1/trace_rocprof.csv"] is FileKind.ROCPROF_V1_CSV
    for streams in ("streams-16", "streams-32"):
        for moment in ("baseline", "active", "after"):
            assert found[f"{streams}/{moment}/mqds"] is FileKind.MQDS
            assert found[f"{streams}/{moment}/hqds"] is FileKind.HQDS
        assert found[f"{streams}/program-output.txt"] is None


def test_what_is_often_given_by_mistake_is_named() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("hqds", "Node 2")
    assert "unpack it" in (foreign(packed.getvalue()) or "")
    assert "UTF-16" in (foreign("Node 2, gpu_id f7bc:".encode("utf-16")) or "")
    assert foreign(b"Node 2, gpu_id f7bc:") is None
