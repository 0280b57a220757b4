"""A live machine as a Snapshot, at once: what a capture would hold, read back by the readers of captures."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ringscope.capture.moment import Taken, take
from ringscope.capture.paths import Paths, line
from ringscope.errors import InputError
from ringscope.evidence.collect import collect
from ringscope.records import dataclass, replace
from ringscope.snapshot import Snapshot


@dataclass(frozen=True)
class Look:
    """One look at a machine: what it showed, and how it was taken (when, what could not be read, what it cost)."""

    snapshot: Snapshot
    taken: Taken


def look(paths: Paths) -> Look:
    """The machine now: queues and slots from debugfs for root, processes with their queues from sysfs for everybody.

    Raises:
        InputError: nothing can be read here.
    """
    taken = take(paths, "now")
    topology = paths.kfd / "topology"
    # A machine that holds no queue has nothing but its topology.
    if not taken.files and not topology.is_dir():
        raise InputError("nothing can be read here", str(paths.kfd), "ringscope doctor says what is missing")
    with tempfile.TemporaryDirectory(prefix="ringscope-") as name:
        for path, data in taken.files.items():
            file = Path(name, "now", path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        found = collect([name, *([topology] if topology.is_dir() else [])]).snapshots
    snapshot = found[0] if found else Snapshot("now")
    # An empty folder of processes leaves no file, and says that no process has the driver open.
    listed = {"proc"} if "/sys/class/kfd/kfd/proc" not in dict(taken.unread) else set()
    processes = tuple(
        replace(process, name=line(paths.proc / str(process.pid) / "comm")) for process in snapshot.processes
    )
    return Look(replace(snapshot, processes=processes, sources=snapshot.sources | listed), taken)
