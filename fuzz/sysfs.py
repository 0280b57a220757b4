"""sysfs attributes of processes and nodes; an input is several files, so that their paths are tried, too."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import PurePosixPath

from fuzz import held, joined, made, parts_of
from ringscope.evidence import kfd_proc, topology
from ringscope.evidence.files import HEAD_BYTES, Forward, InputFile
from ringscope.evidence.sniff import FileKind, sniff


def seeds() -> Iterator[bytes]:
    """What small machines show."""
    for gpu in ("mi210", "mi308x"):
        yield joined(
            {path: data for path, data in made.machine(gpu).items() if path.startswith(("proc/", "topology/"))}
        )


def one(data: bytes) -> None:
    """Read every file, and put those together that belong together."""
    held(lambda: _read(data))


def _read(data: bytes) -> object:
    values, nodes = [], []
    for name, content in parts_of(data):
        path = PurePosixPath("/", name)
        file = InputFile(name, path, 0, content[:HEAD_BYTES], Forward(io.BytesIO(content), name))
        kind = sniff(file.head or b"0", path)
        if kind is FileKind.PROC:
            values.append(kfd_proc.read(file))
            kfd_proc.root_of(path)
        elif kind is FileKind.TOPOLOGY:
            nodes.append(topology.read(file))
    return kfd_proc.processes_of(values), topology.nodes_of(nodes)
