"""SQLite databases of profilers, given as a stream: what a file brings along is never run."""

from __future__ import annotations

import io
from collections.abc import Iterator

from fuzz import held, made
from fuzz.kernel_text import told
from ringscope.evidence import rocpd, rocprof_v1
from ringscope.recording import Recording

_GUID = "_0000"
_PLACE = "id INTEGER PRIMARY KEY, nid INTEGER, pid INTEGER, tid INTEGER"
_ROCPD = (
    f'CREATE TABLE "rocpd_metadata{_GUID}" (id INTEGER PRIMARY KEY, tag TEXT, value TEXT)',
    f"INSERT INTO \"rocpd_metadata{_GUID}\" VALUES (1, 'schema_version', '3')",
    f'CREATE TABLE "rocpd_string{_GUID}" (id INTEGER PRIMARY KEY, string TEXT)',
    f"INSERT INTO \"rocpd_string{_GUID}\" VALUES (1, 'hipLaunchKernel')",
    f'CREATE TABLE "rocpd_info_process{_GUID}" (id INTEGER PRIMARY KEY, nid INTEGER, pid INTEGER)',
    f'INSERT INTO "rocpd_info_process{_GUID}" VALUES (1, 1, 7)',
    f'CREATE TABLE "rocpd_kernel_dispatch{_GUID}" ({_PLACE}, agent_id INTEGER, kernel_id INTEGER, queue_id INTEGER, '
    'stream_id INTEGER, start BIGINT, "end" BIGINT)',
    f'INSERT INTO "rocpd_kernel_dispatch{_GUID}" VALUES (1, 1, 1, 9, 2, 7, 1, 3, 100, 250)',
    f'CREATE TABLE "rocpd_region{_GUID}" ({_PLACE}, start BIGINT, "end" BIGINT, name_id INTEGER)',
    f'INSERT INTO "rocpd_region{_GUID}" VALUES (1, 1, 1, 9, 10, 20, 1)',
)
_FIRST = (
    'CREATE TABLE KERN ("BeginNs" INTEGER, "EndNs" INTEGER, "KernelName" TEXT, "gpu-id" INTEGER, "queue-id" INTEGER)',
    "INSERT INTO KERN VALUES (100, 250, 'f.kd', 2, 0)",
    'CREATE TABLE HIP ("BeginNs" INTEGER, "EndNs" INTEGER, "Name" TEXT, pid INTEGER, tid INTEGER)',
    "INSERT INTO HIP VALUES (10, 20, 'hipLaunchKernel', 7, 9)",
)


def seeds() -> Iterator[bytes]:
    """A database of each schema, in small pages so that every structure of the file is near."""
    for statements in (_ROCPD, _FIRST):
        yield made.database("PRAGMA page_size = 512", *statements)


def one(data: bytes) -> None:
    """Read by both readers."""
    for read in (rocpd.read, rocprof_v1.read):
        recording = held(lambda read=read: read(io.BytesIO(data), "run.db"))  # type: ignore[misc]
        if isinstance(recording, Recording):
            told(recording)
