"""``/sys/kernel/debug/kfd/mqds``: every process's queues, newest first, each with its MQD images.

A compute queue on a partition of several XCCs shows one image per XCC, each counting its offsets from 0 again. The
driver does not forget that number within a process: an SDMA queue listed behind such a queue is dumped as often, with
whatever lies behind its MQD; here, zeros. No process with queues means an empty file.

Source: T/amdkfd/kfd_process.c ``kfd_debugfs_mqds_by_process``, kfd_process_queue_manager.c ``pqm_debugfs_mqds``.
"""

from __future__ import annotations

from collections.abc import Iterator

from ringscope.snapshot import Process, QueueType, Snapshot
from ringscope.stack.text import hexdump

TITLES = {
    QueueType.COMPUTE: "Compute queue",
    QueueType.SDMA: "SDMA queue",
    QueueType.SDMA_XGMI: "SDMA queue",
    QueueType.DIQ: "DIQ",
}
"""How ``pqm_debugfs_mqds`` names each type; it lists no HIQ, which belongs to no process."""


def mqds(snapshot: Snapshot) -> str:
    """The file as the driver would print it for ``snapshot``; a process of unknown PASID shows its pid there."""
    text = "".join(part for process in snapshot.processes for part in _process(process))
    return f"{text[1:]}\n" if text else ""


def _process(process: Process) -> Iterator[str]:
    pasid = process.pid if process.pasid is None else process.pasid
    yield f"\nProcess {process.pid} PASID {pasid}:"
    copies = 1
    for queue in process.queues:
        yield f"\n  {TITLES[queue.type]} on device {queue.gpu_id:x}"
        for mqd in queue.mqds:
            yield hexdump.memory(mqd.image.data, "    ")
        if queue.type is QueueType.COMPUTE:
            copies = len(queue.mqds)
        elif queue.mqds and queue.type in (QueueType.SDMA, QueueType.SDMA_XGMI):
            yield hexdump.memory(bytes(len(queue.mqds[0].image.data)), "    ") * (copies - 1)
