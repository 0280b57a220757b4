"""``/sys/kernel/debug/kfd/rls``: the runlist IB of each device.

Source: T/amdkfd/kfd_packet_manager.c ``pm_debugfs_runlist``.
"""

from __future__ import annotations

import struct

from ringscope.snapshot import Device, Snapshot
from ringscope.stack.text import hexdump
from ringscope.stack.text.hqds import title


def rls(snapshot: Snapshot) -> str:
    """The file as the driver would print it: a device without a runlist says so."""
    return "".join(f"{title(at, device)}{_body(device)}\n" for at, device in enumerate(snapshot.devices))


def _body(device: Device) -> str:
    if device.runlist is None or not device.runlist.words:
        return "\n  No active runlist"
    words = device.runlist.words
    return hexdump.memory(struct.pack(f"<{len(words)}I", *words), "  ")
