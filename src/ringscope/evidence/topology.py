"""``/sys/class/kfd/kfd/topology``: what each node is, from ``nodes/<n>/{gpu_id,name,properties}``.

``properties`` has one ``key value`` a line, decimal (``node_show`` in kfd_topology.c); keys that no table knows are
kept beside the others. A node whose ``gpu_id`` is 0 has no compute: it is a CPU. What lies deeper (caches, memory
banks, links) is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

from ringscope.errors import InputError
from ringscope.evidence.drift import Drift, Held
from ringscope.evidence.files import InputFile
from ringscope.parts.node import KEYS
from ringscope.recording import Source

HELD = Held("amdkfd of January 2026 (ioctl interface 1.17)", "the driver's source, and rocminfo of an MI308X machine")


class NodeFile(NamedTuple):
    """One of a node's files. ``gpu_id`` and ``properties`` are None where another file of the node holds them."""

    node: int
    source: Source
    gpu_id: int | None = None
    name: str | None = None
    properties: dict[str, int] | None = None


class Node(NamedTuple):
    """One node with compute."""

    node: int
    gpu_id: int
    source: Source
    name: str
    properties: dict[str, int]


_PROPERTY = re.compile(r"([a-z0-9_]{1,64}) (\d{1,20})", re.ASCII)
_NO_NUMBER = re.compile(r"[a-z][a-z0-9_]{0,63} [ -~]{1,200}", re.ASCII)
_TODO = "copy the file again, whole"


def node_of(path: PurePosixPath) -> int:
    """Number of the node whose file this is."""
    return int(path.parent.name)


def read(file: InputFile, drift: Drift | None = None) -> NodeFile:
    """One file of a node."""
    node, source = node_of(file.location), Source(file.name, 1)
    text = file.attribute()
    match file.location.name:
        case "gpu_id":
            return NodeFile(node, source, gpu_id=decimal(text, source))
        case "name":
            return NodeFile(node, source, name=text.strip())
        case _:
            return NodeFile(node, source, properties=_properties(text, file.name, drift or Drift()))


def decimal(text: str, source: Source) -> int:
    """A sysfs attribute that is one decimal number; InputError when it is not."""
    if not re.fullmatch(r"\d{1,20}\s*", text, re.ASCII):
        raise InputError(f"not a decimal number: {text[:40]!r}", str(source), _TODO)
    return int(text)


def _properties(text: str, name: str, drift: Drift) -> dict[str, int]:
    properties = {}
    for number, line in enumerate(text.splitlines(), 1):
        found = _PROPERTY.fullmatch(line)
        if not found and _NO_NUMBER.fullmatch(line):
            drift.add("property", line, Source(name, number))
            continue
        if not found:
            raise InputError(f"not a property: {line[:60]!r}", f"{name}:{number}", _TODO)
        properties[found[1]] = int(found[2])
        if found[1] not in KEYS:
            drift.add("property", line, Source(name, number))
    if not properties or not text.endswith("\n"):
        raise InputError("the properties end in the middle", f"{name}:{text.count(chr(10)) + 1}", _TODO)
    return properties


def nodes_of(files: Iterable[NodeFile]) -> tuple[Node, ...]:
    """The nodes with compute, in node order; a node whose ``gpu_id`` was not captured is passed over."""
    gathered: dict[int, list[NodeFile]] = {}
    for file in files:
        gathered.setdefault(file.node, []).append(file)
    nodes = []
    for number, parts in sorted(gathered.items()):
        gpu_id = next((part.gpu_id for part in parts if part.gpu_id is not None), 0)
        if gpu_id:
            name = next((part.name for part in parts if part.name is not None), "")
            properties = next((part for part in parts if part.properties is not None), parts[0])
            nodes.append(Node(number, gpu_id, properties.source, name, properties.properties or {}))
    return tuple(nodes)
