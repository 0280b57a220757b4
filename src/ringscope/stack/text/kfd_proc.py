"""``/sys/class/kfd/kfd/proc``: what the driver exports of each process and its queues.

Three attributes a queue, printed without a newline; priority is not among them. Source: T/amdkfd/kfd_process.c
``kfd_procfs_show``, ``kfd_procfs_queue_show``.
"""

from __future__ import annotations

from ringscope.parts.queue_types import KfdQueueType
from ringscope.snapshot import Snapshot


def kfd_proc(snapshot: Snapshot) -> dict[str, str]:
    """File texts by path below ``/sys/class/kfd/kfd``; a queue of unknown id or size has no files.

    ``pasid`` is 0 where the source did not show it: drivers that give each device its own PASID print that.
    """
    files = {}
    for process in snapshot.processes:
        files[f"proc/{process.pid}/pasid"] = f"{process.pasid or 0}\n"
        files |= {f"proc/{process.pid}/{path}": f"{value}\n" for path, value in process.usage.items()}
        for queue in process.listed or process.queues:
            if queue.qid is None or queue.ring_bytes is None:
                continue
            folder = f"proc/{process.pid}/queues/{queue.qid}"
            files[f"{folder}/gpuid"] = f"{queue.gpu_id}"
            files[f"{folder}/size"] = f"{queue.ring_bytes}"
            files[f"{folder}/type"] = f"{KfdQueueType[queue.type.name].value}"
    return files
