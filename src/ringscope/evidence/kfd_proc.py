"""``/sys/class/kfd/kfd/proc``: processes, their queues with ids, and their use of each device.

One value a file (``kfd_process.c``): ``<pid>/pasid``, ``<pid>/queues/<qid>/{gpuid,size,type}``, ``<pid>/vram_<gpuid>``
and ``sdma_<gpuid>``, ``<pid>/stats_<gpuid>/…``, ``<pid>/counters_<gpuid>/…``. All are decimal, gpuid too. Priority is
not exported.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

from ringscope.errors import InputError
from ringscope.evidence.files import InputFile
from ringscope.evidence.sniff import PROC_PATH
from ringscope.evidence.topology import decimal
from ringscope.recording import Source
from ringscope.snapshot import Queue, QueueType

# ``enum kfd_queue_type`` (kfd_priv.h), which ``type`` prints.
_TYPES = {
    0: QueueType.COMPUTE,
    1: QueueType.SDMA,
    2: QueueType.HIQ,
    3: QueueType.DIQ,
    4: QueueType.SDMA_XGMI,
    5: QueueType.SDMA,  # KFD_QUEUE_TYPE_SDMA_BY_ENG_ID
}


class Value(NamedTuple):
    """One file: ``key`` is its path below the process's folder, as in ``queues/0/size``."""

    pid: int
    key: tuple[str, ...]
    value: int
    source: Source


class SysfsProcess(NamedTuple):
    """One process. ``usage`` holds every value that is not about a queue, by its path: ``vram_63420`` in bytes …"""

    pid: int
    source: Source
    pasid: int | None
    queues: tuple[Queue, ...]
    usage: dict[str, int]


def read(file: InputFile) -> Value:
    """One value, by the path of its file."""
    pid, key = _place(file.location)
    source = Source(file.name, 1)
    return Value(pid, key, decimal(file.attribute(), source), source)


def root_of(location: PurePosixPath) -> PurePosixPath:
    """The folder that holds the processes' folders: ``proc``, whatever it is called in the capture."""
    return location.parents[len(_place(location)[1])]


def _place(location: PurePosixPath) -> tuple[int, tuple[str, ...]]:
    found = PROC_PATH.search(str(location))
    if found is None:
        raise InputError("no file of a process's folder", str(location))
    return int(found[1]), tuple(found[2].split("/"))


def processes_of(values: Iterable[Value]) -> tuple[SysfsProcess, ...]:
    """The processes in pid order, the queues of each in qid order; InputError when a queue lacks one of its files."""
    gathered: dict[int, dict[tuple[str, ...], Value]] = {}
    for value in values:
        gathered.setdefault(value.pid, {})[value.key] = value
    return tuple(_process(pid, found) for pid, found in sorted(gathered.items()))


def _process(pid: int, found: dict[tuple[str, ...], Value]) -> SysfsProcess:
    qids = sorted({int(key[1]) for key in found if key[0] == "queues"})
    usage = {"/".join(key): value.value for key, value in found.items() if key[0] not in ("queues", "pasid")}
    pasid = found.get(("pasid",))
    # Newer drivers print 0 here: a PASID belongs to a process's use of one device.
    return SysfsProcess(
        pid,
        next(iter(found.values())).source,
        (pasid.value or None) if pasid else None,
        tuple(_queue(qid, found) for qid in qids),
        dict(sorted(usage.items())),
    )


def _queue(qid: int, found: dict[tuple[str, ...], Value]) -> Queue:
    gpuid, size, kind = (found.get(("queues", str(qid), name)) for name in ("gpuid", "size", "type"))
    if gpuid is None or kind is None:
        present = next(value for key, value in found.items() if key[:2] == ("queues", str(qid)))
        absent = "type" if gpuid else "gpuid"
        raise InputError(f"queue {qid} has no file {absent!r}", present.source.file, "copy the folder again, whole")
    if kind.value not in _TYPES:
        raise InputError(f"no queue type: {kind.value}", str(kind.source), "expected 0 (compute) to 5")
    return Queue(gpuid.value, _TYPES[kind.value], gpuid.source, qid=qid, ring_bytes=size.value if size else None)
