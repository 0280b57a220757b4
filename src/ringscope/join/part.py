"""Which part a captured device is, as far as its queues give it away.

debugfs names no product. But the driver sizes a queue's save area by the CUs of an XCC (kfd_queue_ctx_save_restore_size
in kfd_queue.c), so the area of any compute queue tells their number, and with the number of XCCs that leaves few parts.
"""

from __future__ import annotations

from collections.abc import Sequence

from ringscope.join.queues import JoinedQueue
from ringscope.parts import catalogue
from ringscope.parts.catalogue import Partition
from ringscope.snapshot import Device


def cus_per_xcc(queue: JoinedQueue, part: catalogue.Device) -> float | None:
    """CUs of one XCC that the queue's save area was sized for, if its CUs are those of that part."""
    save = queue.register("cp_hqd_ctx_save_size")
    stack = queue.register("cp_hqd_cntl_stack_size")
    if not save or not stack:
        return None
    return (save - stack) / part.save_bytes_per_cu


def parts_of(device: Device, queues: Sequence[JoinedQueue]) -> list[tuple[catalogue.Device, Partition]]:
    """Catalogue parts, each in a partition mode, that this device may be; empty when nothing tells."""
    target = device.properties.get("gfx_target_version")
    pci = device.properties.get("device_id")
    compute = next((queue for queue in queues if queue.is_compute and queue.queue.mqds), None)
    found = []
    for part in catalogue.devices():
        if part.generation is not device.generation:
            continue
        if target is not None and target != part.gfx_target_version:
            continue
        if pci is not None and part.device_ids and pci not in part.device_ids:
            continue
        if pci is None and (compute is None or cus_per_xcc(compute, part) != part.cus_per_xcc):
            continue
        found += [(part, mode) for mode in part.partitions if mode.xccs_per_node == device.xccs]
    return found
