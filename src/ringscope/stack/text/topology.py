"""``/sys/class/kfd/kfd/topology``: the nodes as the driver describes them to user space.

One ``key value`` a line, decimal, in the driver's own order. Source: T/amdkfd/kfd_topology.c ``node_show``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ringscope.parts.node import KEYS
from ringscope.snapshot import Device


def properties(values: Mapping[str, int]) -> str:
    """A node's ``properties``: keys the driver knows in its order, then others as they come."""
    known = [key for key in KEYS if key in values]
    return "".join(f"{key} {values[key]}\n" for key in (*known, *(key for key in values if key not in KEYS)))


def topology(devices: Iterable[Device]) -> dict[str, str]:
    """File texts by path below ``/sys/class/kfd/kfd`` for the nodes of ``devices`` whose number is known."""
    files = {}
    for device in devices:
        if device.node is None:
            continue
        folder = f"topology/nodes/{device.node}"
        files[f"{folder}/gpu_id"] = f"{device.gpu_id}\n"
        if device.properties:
            files[f"{folder}/properties"] = properties(device.properties)
    return files
