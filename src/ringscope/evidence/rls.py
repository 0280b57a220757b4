"""``/sys/kernel/debug/kfd/rls``: the runlist that each device's firmware was last given.

Format (``kfd_debugfs_rls_by_device``, ``pm_debugfs_runlist``): ``Node n, gpu_id hex:``, then ``  No active runlist``
or a hex dump of the runlist IB, indented by two. Devices scheduled by MES have no runlist.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from ringscope.errors import InputError
from ringscope.evidence.dump import Scanner, runs_of
from ringscope.evidence.files import InputFile
from ringscope.recording import Source
from ringscope.snapshot import Runlist


@dataclass(frozen=True, slots=True)
class RunlistDump:
    """The runlist of one device; no words when the driver says that there is none."""

    node: int
    gpu_id: int
    source: Source
    runlist: Runlist


_NODE = re.compile(r"Node (\d{1,9}), gpu_id ([0-9a-f]{1,8}):\n")
_NONE = re.compile(r"  No active runlist\n")
_IB = re.compile(r"(?:  [0-9a-f]{8}:(?: [0-9a-f]{8}){1,8}\n)+")


def read(file: InputFile) -> tuple[RunlistDump, ...]:
    """The runlist of every device; InputError with the line when the file is cut or is no ``rls``."""
    scanner = Scanner(file)
    if not scanner.more():
        raise InputError(
            "an empty rls file, which no driver writes", file.name, "copy it with cat: tar and rsync see no size in it"
        )
    found = []
    while scanner.more():
        source = scanner.here
        node = scanner.take(_NODE)
        if not node:
            raise scanner.cut("not a runlist dump")
        at = scanner.here
        if scanner.take(_NONE):
            words: tuple[int, ...] = ()
        elif ib := scanner.take(_IB):
            words = _words(scanner, ib.group())
        else:
            raise scanner.cut(f"no runlist of node {node[1]}")
        found.append(RunlistDump(int(node[1]), int(node[2], 16), source, Runlist(words, at)))
    return tuple(found)


def _words(scanner: Scanner, rows: str) -> tuple[int, ...]:
    try:
        runs = runs_of(rows, indent=2)
    except ValueError as error:
        raise scanner.cut(f"a damaged runlist dump ({error})") from None
    if len(runs) != 1 or runs[0].address:
        raise scanner.cut("a runlist whose dump is not whole")
    return struct.unpack(f"<{len(runs[0].data) // 4}I", runs[0].data)
