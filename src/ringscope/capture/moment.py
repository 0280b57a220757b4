"""One snapshot of a live machine, and what changed while it was taken.

The driver prints each debugfs file under locks of its own, one process or device after the other, so that no two files
are of one instant. ``mqds`` is therefore read before and after ``hqds`` and ``rls``: queues that only one of the two
readings shows came or went meanwhile, and a join of the files may miss them. A process that came and went between the
two leaves no trace there, but its slots do in ``hqds``. Such a snapshot is taken again, a few times; if the machine
never holds still, the last one is kept and says so.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ringscope.capture.paths import Paths, read, why
from ringscope.records import dataclass, field

DISTURBS = (
    "mqds holds each process's lock in turn (kfd_debugfs_mqds_by_process), so that its queue calls wait; hqds selects "
    "every slot in turn through GRBM under srbm_mutex (kgd_hqd_dump); rls holds the packet manager's lock "
    "(pm_debugfs_runlist). Waves are not stopped, no register is written but the selector, no queue is unmapped."
)
"""What reading the debugfs files does to the machine, by the driver's source (Linux 6.x)."""

ATTEMPTS = 3
"""Readings of a moment that is not still, before it is kept as it is."""

_PROCESS = re.compile(rb"Process (\d+) ")
_QUEUE = re.compile(rb"  (\S+(?: queue)?) on device ([0-9a-f]+)")
# Rows of a dump that tell a queue: dwords 128 and 129 are the MQD's address, 136 and 137 the ring's.
_ROWS = (b"    00000200: ", b"    00000220: ")
# A slot's registers begin with its MQD's address and whether it is active (dwords 128 to 130).
_SLOT = re.compile(
    rb"^ Inst \d+,  CP Pipe \d+, Queue \d+\n {4}[0-9a-f]{8}: (?P<mqd>[0-9a-f]{8} [0-9a-f]{8}) (?P<active>[0-9a-f]{8})",
    re.MULTILINE,
)
# What sysfs has of each queue (kfd_procfs_queue_show in kfd_process.c).
_ATTRIBUTES = {"gpuid", "size", "type"}
_PAIR_BYTES = len("00000000 00000000")


@dataclass(frozen=True)
class Clocks:
    """The same instant on three clocks, ns: what lines up logs of different sources."""

    monotonic_ns: int
    boottime_ns: int
    realtime_ns: int

    @classmethod
    def now(cls) -> Clocks:
        """This instant; the three are read within some hundred ns."""
        return cls(
            time.clock_gettime_ns(time.CLOCK_MONOTONIC),
            time.clock_gettime_ns(time.CLOCK_BOOTTIME),
            time.clock_gettime_ns(time.CLOCK_REALTIME),
        )


@dataclass(frozen=True)
class Taken:
    """One snapshot: files by path below its folder, when it was taken, and how well.

    ``changed`` says in words what came or went while it was read; ``unread`` what could not be read, and why;
    ``read_ns`` how long each debugfs file took.
    """

    label: str
    files: dict[str, bytes]
    begin: Clocks
    end: Clocks
    changed: tuple[str, ...] = ()
    attempts: int = 1
    unread: tuple[tuple[str, str], ...] = ()
    read_ns: dict[str, int] = field(default_factory=dict)

    @property
    def pids(self) -> tuple[int, ...]:
        """Processes that its files name."""
        return tuple(dict.fromkeys((*map(int, _PROCESS.findall(self.files.get("mqds", b""))), *self._listed)))

    @property
    def _listed(self) -> list[int]:
        return [int(path.split("/")[1]) for path in self.files if path.startswith("proc/")]


def queues_of(mqds: bytes) -> frozenset[tuple[str, ...]]:
    """What tells the queues of an ``mqds`` file apart: process, kind and device, MQD address, ring, which of equals."""
    found: list[list[str]] = []
    pid = ""
    for row in mqds.split(b"\n"):
        if row.startswith(_ROWS) and found:
            start = len(_ROWS[0])
            found[-1].append(row[start : start + _PAIR_BYTES].decode("ascii", "replace"))
        elif process := _PROCESS.match(row):
            pid = process[1].decode()
        elif queue := _QUEUE.match(row):
            found.append([pid, queue[1].decode("ascii", "replace"), queue[2].decode()])
    seen: dict[tuple[str, ...], int] = {}
    queues = []
    for facts in map(tuple, found):
        seen[facts] = seen.get(facts, 0) + 1
        queues.append((*facts, str(seen[facts])))
    return frozenset(queues)


def take(paths: Paths, label: str, *, reader: Callable[..., bytes] = read) -> Taken:
    """A snapshot of now; what cannot be read is listed in it."""
    begin = Clocks.now()
    attempts = 0
    changed: tuple[str, ...] = ()
    while not attempts or (changed and attempts < ATTEMPTS):
        attempts += 1
        reading = _Reading(paths, reader)
        changed = reading.run()
    return Taken(
        label, reading.files, begin, Clocks.now(), changed, attempts, tuple(reading.unread.items()), reading.read_ns
    )


class _Reading:
    """One attempt."""

    def __init__(self, paths: Paths, reader: Callable[..., bytes]) -> None:
        self._paths = paths
        self._reader = reader
        self.files: dict[str, bytes] = {}
        self.unread: dict[str, str] = {}
        self.read_ns: dict[str, int] = {}

    def run(self) -> tuple[str, ...]:
        """Read all; what changed meanwhile."""
        before = self._dump("mqds")
        self._dump("hqds")
        self._dump("rls")
        self._sysfs()
        # With no mqds there is nothing to hold the rest against, and reading it again would disturb for nothing.
        after = self._dump("mqds") if before is not None else None
        if before is None or after is None:
            return ()
        old, new = queues_of(before), queues_of(after)
        return (*_changed(old, new), *_strangers(self.files.get("hqds", b""), old | new))

    def _dump(self, name: str) -> bytes | None:
        path = self._paths.debugfs / name
        start = time.monotonic_ns()
        try:
            data = self._reader(path)
        except OSError as error:
            self.unread[f"/sys/kernel/debug/kfd/{name}"] = why(error)
            return None
        self.read_ns[name] = self.read_ns.get(name, 0) + time.monotonic_ns() - start
        self.files[name] = data
        return data

    def _sysfs(self) -> None:
        """Processes with their queues. One that goes away meanwhile is left out: it holds nothing any more."""
        root = self._paths.kfd / "proc"
        try:
            pids = sorted((entry.name for entry in root.iterdir() if entry.name.isdecimal()), key=int)
        except OSError as error:
            self.unread["/sys/class/kfd/kfd/proc"] = why(error)
            return
        for pid in pids:
            files: dict[str, bytes] = {}
            try:
                for path in _below(str(root / pid)):
                    files[f"proc/{os.path.relpath(path, root)}"] = self._reader(Path(path))
            except FileNotFoundError:
                continue
            except OSError as error:
                self.unread[f"/sys/class/kfd/kfd/proc/{pid}"] = why(error)
                continue
            self.files |= _whole(files)


def _whole(files: dict[str, bytes]) -> dict[str, bytes]:
    """A process's files without queues that lack one: the driver makes and removes a queue's files one by one."""
    names: dict[str, set[str]] = {}
    for path in files:
        folder, _, name = path.rpartition("/")
        names.setdefault(folder, set()).add(name)
    torn = {folder for folder, has in names.items() if "/queues/" in folder and not has >= _ATTRIBUTES}
    return {path: data for path, data in files.items() if path.rpartition("/")[0] not in torn}


def _below(folder: str) -> Iterator[str]:
    """Every file below a folder, in order; links are not followed."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path)
        elif entry.is_file(follow_symlinks=False):
            yield entry.path


def _strangers(hqds: bytes, queues: frozenset[tuple[str, ...]]) -> tuple[str, ...]:
    """Slots that hold a queue which ``mqds`` listed neither before nor after."""
    listed = {fact for queue in queues for fact in queue}
    held = [
        slot["mqd"].decode()
        for slot in _SLOT.finditer(hqds)
        if int(slot["active"], 16) & 1 and slot["mqd"].decode() not in listed
    ]
    return (f"{len(held)} slot{'s' if len(held) != 1 else ''} held queues that mqds does not list",) if held else ()


def _changed(before: frozenset[tuple[str, ...]], after: frozenset[tuple[str, ...]]) -> tuple[str, ...]:
    """What came and went between two readings, process by process."""
    lines = []
    for gone, verb in ((after - before, "came"), (before - after, "went")):
        counts: dict[int, int] = {}
        for pid, *_ in gone:
            counts[int(pid)] = counts.get(int(pid), 0) + 1
        lines += [
            f"{count} queue{'s' if count != 1 else ''} of process {pid} {verb}" for pid, count in sorted(counts.items())
        ]
    return tuple(lines)
