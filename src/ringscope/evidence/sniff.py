"""What a file is, decided by how it begins.

Its name decides only where content cannot: an empty ``mqds`` is evidence (no process held a queue), and a sysfs
attribute is a bare number whose meaning is its path.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from pathlib import PurePosixPath


class FileKind(Enum):
    """Kinds of file that ringscope knows; the value is the name in messages and in ``Snapshot.sources``."""

    MQDS = "mqds"
    HQDS = "hqds"
    RLS = "rls"
    PROC = "proc"
    TOPOLOGY = "topology"
    AMD_LOG = "amd-log"
    KERNEL_LOG = "kernel-log"
    KFD_TRACE = "kfd-trace"
    FTRACE = "ftrace"
    ROCPROFV3_CSV = "rocprofv3-csv"
    ROCPROFV3_JSON = "rocprofv3-json"
    ROCPD = "rocpd"
    ROCPROF_V1_CSV = "rocprof-v1-csv"
    ROCPROF_V1_JSON = "rocprof-v1-json"
    ROCPROF_V1_DB = "rocprof-v1-db"
    RECORDING = "recording"
    ROCMINFO = "rocminfo"


DUMPS = (FileKind.MQDS, FileKind.HQDS, FileKind.RLS)
"""The debugfs files: one of each makes a snapshot."""


def _lines(pattern: str) -> Callable[[bytes], bool]:
    """Whether the pattern is found in the head; ``^`` is the start of any line."""
    return lambda head: re.search(pattern.encode(), head, re.MULTILINE) is not None


def _starts(pattern: str) -> Callable[[bytes], bool]:
    return lambda head: re.match(pattern.encode(), head) is not None


def _sqlite_with(*tables: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(b"SQLite format 3\0") and any(table in head for table in tables)


_NODE = r"\s{0,16}Node \d+, gpu_id [0-9a-f]+(?![0-9a-f])[ -~]{0,200}:\r?\n"

# The first rule that holds decides, so the narrow ones stand first. Formats of the dumps: pqm_debugfs_mqds,
# dqm_debugfs_hqds, pm_debugfs_runlist. Quantifiers are bounded: a binary file may be one line of 64 KiB.
_RULES: tuple[tuple[FileKind, Callable[[bytes], bool]], ...] = (
    (FileKind.ROCPD, _sqlite_with(b"rocpd_")),
    (FileKind.ROCPROF_V1_DB, _sqlite_with(b"CREATE TABLE KERN", b"CREATE TABLE HSA", b"CREATE TABLE HIP")),
    (FileKind.RECORDING, _starts(r'\{"schema":"ringscope\.recording/')),
    (FileKind.MQDS, _starts(r"\s{0,16}Process \d+ PASID \d+(?!\d)[ -~]{0,200}:\r?\n")),
    (
        FileKind.RLS,
        _starts(rf"{_NODE}(?: {{2,8}}[A-Za-z][ -~]{{0,200}}\r?\n){{0,8}}?  (No active runlist|[0-9a-f]{{8}}: )"),
    ),
    (FileKind.HQDS, _starts(_NODE)),
    (FileKind.AMD_LOG, _lines(r"(^|\W):[0-5]:[\w.+-]{1,64} *: *\d+ *: *\d+d? us: ")),
    (FileKind.KFD_TRACE, _lines(r"\[KFD-TRACE\]|KFD_MAP_QUEUES_CPSCH:")),
    (FileKind.FTRACE, _lines(r"^# tracer: |^ {0,24}\S.{0,40}-\d+ +(\([ \d-]+\) +)?\[\d{3}\] +[\w.]{4,5} +\d+\.\d+: ")),
    (FileKind.ROCPROFV3_JSON, _lines(r'"rocprofiler-sdk-(tool|json-tool)"')),
    (FileKind.ROCPROF_V1_JSON, _starts(r'\s*\{\s*"traceEvents"\s*:\s*\[\s*\{\s*\}')),
    (FileKind.ROCPROF_V1_CSV, _starts(r'"?Index"?,"?KernelName"?,"?gpu-id"?')),
    (FileKind.ROCPROFV3_CSV, _starts(r'"?(Guid|Kind|Domain)"?,.*\r?\n')),
    (FileKind.ROCMINFO, _lines(r"^HSA System Attributes *\r?$")),
    # dmesg, journalctl and dmesg -T. The driver's first line may stand far behind the head: boot comes before it.
    (
        FileKind.KERNEL_LOG,
        _lines(r"^[^\[\n]{0,128}(kernel: |\[ *\d+\.\d{6}\] )|^\[\w{3} \w{3} +\d{1,2} \d\d:\d\d:\d\d \d{4}\] "),
    ),
)

PROC_PATH = re.compile(
    r"(?:^|/)(\d{1,10})/(pasid|(?:vram|sdma)_\d+|queues/\d{1,10}/(?:gpuid|size|type)|(?:stats|counters)_\d+/[a-z_]+)$",
    re.ASCII,
)
"""A value below ``/sys/class/kfd/kfd/proc``: its process, and its path in that process's folder."""
_NODE_PATH = re.compile(r"(?:^|/)nodes/\d+/(gpu_id|name|properties)$", re.ASCII)
_DETAIL_PATH = re.compile(
    r"/nodes/\d+/(mem_banks|caches|io_links|p2p_links|perf)(/|$)|/topology/(generation_id|system_properties)$", re.ASCII
)
_TOKEN = re.compile(r"(?<![a-z])(mqds|hqds|rls)(?![a-z])")


def sniff(head: bytes, path: PurePosixPath) -> FileKind | None:
    """What the file is; None when it is nothing that ringscope knows.

    Args:
        head: how the file begins, some KiB of it.
        path: where it lies; asked only about sysfs attributes and empty files.
    """
    if not head:
        token = dump_token(path.name)
        return FileKind(token) if token else None
    if PROC_PATH.search(str(path)):
        return FileKind.PROC
    if _NODE_PATH.search(str(path)):
        return FileKind.TOPOLOGY
    return next((kind for kind, holds in _RULES if holds(head)), None)


def foreign(head: bytes) -> str | None:
    """What a file is that is often given by mistake, and what to do with it."""
    if head.startswith(b"PK\x03\x04"):
        return "a ZIP archive: unpack it, and give the folder"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16 text, as some Windows programs save it: save it as UTF-8"
    return None


def dump_token(name: str) -> str | None:
    """The word in a file's name that says which dump it is: ``mqds``, ``hqds`` or ``rls``."""
    found = _TOKEN.findall(name)
    return found[-1] if found else None


def root_of_value(path: PurePosixPath) -> PurePosixPath | None:
    """The folder of the tree, ``proc`` or ``topology``, that a file would belong to by its path; None when to none."""
    parts = path.parts
    for depth in (2, 3, 4):
        if len(parts) > depth and parts[-depth].isdecimal() and parts[-depth - 1] != "queues":
            return path.parents[depth if parts[-depth - 1] == "nodes" else depth - 1]
    return None


def is_detail(path: PurePosixPath) -> bool:
    """Whether this is a sysfs file or folder about caches, memory banks or links, which no question here needs."""
    return _DETAIL_PATH.search(str(path)) is not None
