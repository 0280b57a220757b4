"""``/sys/class/kfd/kfd/topology``: the nodes as the driver describes them to user space."""

from __future__ import annotations

from collections.abc import Iterable

from ringscope.parts import node
from ringscope.snapshot import Device


def topology(devices: Iterable[Device]) -> dict[str, str]:
    """File texts by path below ``/sys/class/kfd/kfd`` for the nodes of ``devices`` whose number is known."""
    files = {}
    for device in devices:
        if device.node is None:
            continue
        folder = f"topology/nodes/{device.node}"
        files[f"{folder}/gpu_id"] = f"{device.gpu_id}\n"
        if device.properties:
            files[f"{folder}/properties"] = node.text(device.properties)
    return files
