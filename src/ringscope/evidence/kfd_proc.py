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
from ringscope.evidence.drift import Drift, Held
from ringscope.evidence.files import InputFile
from ringscope.evidence.sniff import PROC_PATH
from ringscope.evidence.topology import decimal
from ringscope.parts.queue_types import KfdQueueType
from ringscope.recording import Source
from ringscope.snapshot import Queue, QueueType

HELD = Held(
    "amdkfd of January 2026 (ioctl interface 1.17)",
    "the driver's source: no capture of these files was at hand",
)

_TYPES = {number.value: QueueType[number.name] for number in KfdQueueType if number.name in QueueType.__members__} | {
    KfdQueueType.SDMA_BY_ENG_ID.value: QueueType.SDMA
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


def processes_of(values: Iterable[Value], drift: Drift | None = None) -> tuple[SysfsProcess, ...]:
    """The processes in pid order, the queues of each in qid order; InputError when a queue lacks one of its files.

    A queue of an unknown type stays among the process's ``usage``, and is told to ``drift``.
    """
    gathered: dict[int, dict[tuple[str, ...], Value]] = {}
    for value in values:
        gathered.setdefault(value.pid, {})[value.key] = value
    return tuple(_process(pid, found, drift or Drift()) for pid, found in sorted(gathered.items()))


def _process(pid: int, found: dict[tuple[str, ...], Value], drift: Drift) -> SysfsProcess:
    strange = set()
    for key, value in found.items():
        if key[0] == "queues" and key[2] == "type" and value.value not in _TYPES:
            drift.add("value", f"queue type {value.value}", value.source)
            strange.add(key[1])
    qids = sorted({key[1] for key in found if key[0] == "queues"} - strange, key=int)
    usage = {
        "/".join(key): value.value
        for key, value in found.items()
        if key[0] != "pasid" and (key[0] != "queues" or key[1] in strange)
    }
    pasid = found.get(("pasid",))
    # Newer drivers print 0 here: a PASID belongs to a process's use of one device.
    return SysfsProcess(
        pid,
        next(iter(found.values())).source,
        (pasid.value or None) if pasid else None,
        tuple(_queue(qid, found) for qid in qids),
        dict(sorted(usage.items())),
    )


def _queue(name: str, found: dict[tuple[str, ...], Value]) -> Queue:
    gpuid, size, kind = (found.get(("queues", name, what)) for what in ("gpuid", "size", "type"))
    if gpuid is None or kind is None:
        present = next(value for key, value in found.items() if key[:2] == ("queues", name))
        absent = "type" if gpuid else "gpuid"
        raise InputError(f"queue {name} has no file {absent!r}", present.source.file, "copy the folder again, whole")
    return Queue(gpuid.value, _TYPES[kind.value], gpuid.source, qid=int(name), ring_bytes=size.value if size else None)
